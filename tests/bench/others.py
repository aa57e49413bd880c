#!/usr/bin/env python3
"""How fast other public tools look for secrets in the text that the masker passes: CPU time, judged by nobody.

    others.py PROGRAM [MIB]

Installs detect-secrets from PyPI and secretlint from npm into a folder of its own, makes so many MiB of log text (8), and
prints for `PROGRAM mask` and for each of them megabytes a second of CPU time, without what they take to start. They do
less: they read whole files, report and hide nothing, and know no terminal.
"""

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import venv

WORDS = "alpha cache deploy server worker index backup queue login session user update build config network storage".split()


def line(r):
    a, b, n = r.choice(WORDS), r.choice(WORDS), r.randrange(10000)
    time = f"{r.randrange(24):02}:{r.randrange(60):02}:{r.randrange(60):02}"
    short = "".join(r.choice("0123456789abcdef") for _ in range(10))
    return r.choice(
        [
            f"Nov 28 {time} host{n % 250} sshd[{n}]: Failed password for invalid user {a} from 10.0.30.7 port 5{n} ssh2",
            f'10.20.30.40 - - [28/Nov/2026:{time} +0000] "GET /{a}/{n}?page=7&sort={b} HTTP/1.1" 200 {n} "-" "Mozilla/5.0 (X11; Linux x86_64)"',
            f"2026-11-28T{time}.123456Z ERROR [exec-{n % 16}] c.e.{a}.Service - request {short} failed",
            f'{{"ts":"2026-11-28T{time}Z","level":"info","logger":"{a}.{b}","msg":"handled request","status":200,"duration_ms":{n}}}',
            f"{a}-{short}-x2   1/1     Running   0          {n % 90}d",
            f"-    let {a} = {b}::new(&{a}, {n})?;",
            f"drwxr-xr-x 2 root root {n} Nov 28 09:44 {a}.{b}",
        ]
    )


def cpu(command, stdin=None, env=None, folder=None):
    """CPU seconds of a program and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(stdin or os.devnull, "rb") as text:
        done = subprocess.run(command, stdin=text, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env, cwd=folder, timeout=1200)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def show(name, size, whole, empty):
    print(f"{name:34}{size / max(whole - empty, 1e-6) / 1e6:10.1f} MB/s", flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program, size = os.path.abspath(sys.argv[1]), int(float(sys.argv[2] if len(sys.argv) > 2 else 8) * 1024 * 1024)
    folder = tempfile.mkdtemp(prefix="sallyport-others.")
    try:
        measure(program, size, folder)
    finally:
        shutil.rmtree(folder)


def measure(program, size, folder):
    r, texts = random.Random(20261129), {}
    for name, length in [("whole.log", size), ("tenth.log", size // 10), ("empty.log", 0)]:
        text = ""
        parts, made = [], 0
        while made < length:
            text = line(r) + "\n"
            parts.append(text)
            made += len(text)
        texts[name] = os.path.join(folder, name)
        with open(texts[name], "w") as file:
            file.write("".join(parts))
    whole, tenth, empty = (texts[name] for name in ("whole.log", "tenth.log", "empty.log"))
    show("sallyport mask", size, *(min(cpu([program, "mask"], stdin=text) for _ in range(3)) for text in (whole, empty)))

    venv.create(os.path.join(folder, "venv"), with_pip=True)
    python = os.path.join(folder, "venv", "bin", "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "detect-secrets"], check=True)
    scan = [python, "-m", "detect_secrets", "scan"]
    show("detect-secrets", size // 10, *(cpu(scan + [text], folder=folder) for text in (tenth, empty)))

    subprocess.run(["npm", "install", "--silent", "--no-fund", "--no-audit", "secretlint", "@secretlint/secretlint-rule-preset-recommend"], cwd=folder, check=True)
    with open(os.path.join(folder, ".secretlintrc.json"), "w") as file:
        json.dump({"rules": [{"id": "@secretlint/secretlint-rule-preset-recommend"}]}, file)
    lint = ["node", os.path.join(folder, "node_modules", "secretlint", "bin", "secretlint.js")]
    show("secretlint", size, *(cpu(lint + [text], folder=folder) for text in (whole, empty)))


main()
