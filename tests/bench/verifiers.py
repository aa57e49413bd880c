#!/usr/bin/env python3
"""Holds the three verifiers against each other on the bundle that `cargo bench --bench evidence` has left in a folder.

    python3 tests/bench/verifiers.py DIR SALLYPORT [FLIPS]

Prints seconds and peak memory of each, and of sha256sum on the same file between them; fails where they disagree. With
FLIPS, so many random bits are changed, one at a time, and verify.py and the third verifier must find each too: the third
is only asked about files whose every byte it checks.
"""

import json
import os
import random
import subprocess
import sys
import tarfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# The third verifier does not look at these.
NOT_GO = ("README.txt", "verify.py", "policy.tlog", "period.txt")


def run(name, command):
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    out = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = code = os.waitstatus_to_exitcode(status)
    took = time.monotonic() - began
    print("%-18s exit %d  %8.2f s  %8.2f s CPU  %6.0f MiB peak" % (
        name, code, took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), flush=True)
    return code, out, took


def main():
    where, sallyport = sys.argv[1], os.path.abspath(sys.argv[2])
    flips = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    bundle, trust = os.path.join(where, "bundle.tar"), os.path.join(where, "trust")
    go = os.path.join(os.path.abspath(where), "verify_go")
    env = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOFLAGS="", GOCACHE=go + "-cache")
    subprocess.run(["go", "build", "-o", go, HERE + "/../regress/bundle.go"], check=True, env=env)
    python = ["python3", HERE + "/../../src/ledger/bundle/verify.py"]
    print("%d bytes" % os.path.getsize(bundle))

    ours = [sallyport, "evidence", "verify", bundle, "--trust", trust, "--json"]
    # Read once, so that nobody pays for the disk.
    run("sha256sum", ["sha256sum", bundle])
    ratios = []
    for _ in range(3):
        _, _, sum_took = run("sha256sum", ["sha256sum", bundle])
        code, first, took = run("sallyport", ours)
        ratios.append(took / sum_took)
    print("sallyport / sha256sum: " + ", ".join("%.2f" % ratio for ratio in ratios))
    assert code == 0, first
    first = json.loads(first)
    code, second, _ = run("verify.py", python + [bundle, "--trust", trust, "--json"])
    assert code == 0, second
    second = json.loads(second)
    for part in ("verdict", "signer", "first", "end", "counts", "texts", "recordings", "withheld", "policies", "populations"):
        assert first[part] == second[part], (part, first[part], second[part])
    code, third, _ = run("third, in Go", [go, bundle, trust])
    assert code == 0, third
    said = "records %d to %d, %d recordings, %d texts, %d tables" % (
        first["first"], first["end"] - 1, first["recordings"], first["texts"], first["populations"])
    assert third.startswith(said), (third, said)
    print("all three: %s, %d sessions; %s" % (first["verdict"], first["counts"]["session.start"], said))

    if flips:
        flip(bundle, trust, python, go, flips)


def flip(bundle, trust, python, go, count):
    changed = bundle + ".changed"
    with open(bundle, "rb") as file:
        content = bytearray(file.read())
    with tarfile.open(bundle) as archive:
        spans = [(one.offset_data, one.offset_data + one.size, one.name) for one in archive]
    dice, asked_go = random.Random(8), 0
    for _ in range(count):
        at, bit = dice.randrange(len(content)), 1 << dice.randrange(8)
        content[at] ^= bit
        with open(changed, "wb") as file:
            file.write(content)
        content[at] ^= bit
        code = subprocess.run(python + [changed, "--trust", trust], stdout=subprocess.DEVNULL).returncode
        assert code == 3, "verify.py on byte %d: exit %d" % (at, code)
        if any(begin <= at < end and name not in NOT_GO for begin, end, name in spans):
            asked_go += 1
            code = subprocess.run([go, changed, trust], stdout=subprocess.DEVNULL).returncode
            assert code == 3, "the third verifier on byte %d: exit %d" % (at, code)
    os.remove(changed)
    print("%d random bits changed: verify.py found each, and the third verifier each of the %d that it looks at" % (count, asked_go))


if __name__ == "__main__":
    main()
