#!/usr/bin/env python3
"""Reads stored recordings (asciicast lines with the codes `s` and `b`) without the bastion's own code.

cast.py stdout|stderr|input|all [FILE]: the exact bytes of one stream, to standard output.
cast.py markers [FILE]: the text of each marker, a line each.
Format: recordings-schema/. A `b` event gives the exact bytes of the `o` or `i` event before it.
"""

import base64
import json
import sys


def events(lines):
    """Yields (stream, bytes) for what was written, and ("marker", text)."""
    stream, pending = "stdout", None
    next(lines)  # the header
    for line in lines:
        _, code, data = json.loads(line)
        if code == "b":
            pending = (pending[0], base64.b64decode(data))
            continue
        if pending is not None:
            yield pending
            pending = None
        if code == "s":
            stream = data
        elif code == "o":
            pending = (stream, data.encode())
        elif code == "i":
            pending = ("input", data.encode())
        elif code == "m":
            yield ("marker", data)
    if pending is not None:
        yield pending


def main():
    wanted = sys.argv[1]
    with (open(sys.argv[2], encoding="utf-8") if len(sys.argv) > 2 else sys.stdin) as file:
        for stream, data in events(iter(file)):
            if stream == "marker":
                if wanted == "markers":
                    print(data)
            elif stream == wanted or (wanted == "all" and stream != "input"):
                sys.stdout.buffer.write(data)


if __name__ == "__main__":
    main()
