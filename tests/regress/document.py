"""Takes the commands out of a document: each fenced block whose info string is `sh ROLE [MORE...]` becomes a file.

Arguments: document, folder. The files are called NN.ROLE[.MORE].sh, in the order of the document; blocks of `yaml` are
NN.yaml. A block that says `sh` and no role is an error: it would not be run.
"""
import os
import sys

document, folder = sys.argv[1], sys.argv[2]
os.makedirs(folder, exist_ok=True)
block, name, number = None, "", 0
for at, line in enumerate(open(document, encoding="utf-8"), 1):
    if block is None and line.startswith("```"):
        words = line.strip("`\n ").split()
        if words[:1] == ["sh"]:
            if len(words) < 2:
                sys.exit(f"{document}:{at}: a block of commands that nobody would run: say ```sh ROLE")
            number += 1
            block, name = [], f"{number:02}." + ".".join(words[1:]) + ".sh"
        elif words == ["yaml"]:
            number += 1
            block, name = [], f"{number:02}.yaml"
        elif words:
            block, name = [], ""
        else:
            sys.exit(f"{document}:{at}: a fence without a language")
    elif block is not None and line.startswith("```"):
        if name:
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.writelines(block)
        block = None
    elif block is not None:
        block.append(line)
if block is not None or number == 0:
    sys.exit(f"{document}: no commands, or a fence that is not closed")
