#!/usr/bin/env python3
"""Reads a stopped bastion's log without the bastion's own code: C2SP tlog-tiles, and the tail behind the last checkpoint.

log.py sessions LOG: ids of all sessions, a line each.
log.py checkpoints LOG FILE...: whether each kept checkpoint is one of this log: the root over its first entries.
log.py once LOG: whether any serial, token or record id stands there twice where it may only once.
log.py ran LOG FILE: whether each command that left its length in the file has its record, and exactly one.
log.py kinds LOG: how often each kind stands there, a line each.
"""

import base64
import hashlib
import json
import pathlib
import struct
import sys


def sha(data):
    return hashlib.sha256(data).digest()


def tile_path(index):
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03d}")
    return "/".join(parts)


def checkpoint(path):
    lines = pathlib.Path(path).read_text().split("\n")
    return int(lines[1]), base64.b64decode(lines[2])


def entries(log):
    """Exact bytes of every signed entry, in order."""
    size, _ = checkpoint(log / "checkpoint")
    found = []
    while len(found) < size:
        index, width = len(found) // 256, min(256, size - len(found))
        name = log / "tile/entries" / tile_path(index)
        data = (name if width == 256 else pathlib.Path(f"{name}.p/{width}")).read_bytes()
        at = 0
        for _ in range(width):
            (length,) = struct.unpack_from(">H", data, at)
            found.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        assert at == len(data), name
    return found


def roots(all_entries, sizes):
    """RFC 6962 roots over the first entries, for each size."""
    stack, wanted, out = [], set(sizes), {0: sha(b"")}
    for count, entry in enumerate(all_entries, 1):
        stack.append((1, sha(b"\0" + entry)))
        while len(stack) > 1 and stack[-1][0] == stack[-2][0]:
            (width, right), (_, left) = stack.pop(), stack.pop()
            stack.append((2 * width, sha(b"\1" + left + right)))
        if count in wanted:
            node = stack[-1][1]
            for _, left in reversed(stack[:-1]):
                node = sha(b"\1" + left + node)
            out[count] = node
    return out


def main():
    what, log = sys.argv[1], pathlib.Path(sys.argv[2])
    found = entries(log)
    decoded = [json.loads(entry) for entry in found]
    if what == "sessions":
        print("\n".join(one["session"] for one in decoded if one["kind"] == "session.start"))
    elif what == "kinds":
        for kind in sorted({one["kind"] for one in decoded}):
            print(kind, sum(one["kind"] == kind for one in decoded))
    elif what == "ran":
        ran = [int(line) for line in pathlib.Path(sys.argv[3]).read_text().split()]
        recorded = [one["body"]["length"] for one in decoded if one["kind"] == "channel.exec"]
        wrong = [length for length in ran if recorded.count(length) != 1]
        print(f"figures: {len(ran)} commands ran on the target, {len(recorded)} have a record, {len(wrong)} have none or two")
        sys.exit(1 if wrong or not ran or len(set(ran)) != len(ran) else 0)
    elif what == "checkpoints":
        kept = [checkpoint(path) for path in sys.argv[3:]] + [checkpoint(log / "checkpoint")]
        right = roots(found, [size for size, _ in kept])
        wrong = [size for size, root in kept if right.get(size) != root]
        print(f"figures: checkpoints: {len(kept)} kept, {len(wrong)} that do not fit the log of {len(found)} entries")
        sys.exit(1 if wrong or len(kept) < 3 else 0)
    elif what == "once":
        for name, values in {
            "serial": [one["body"]["serial"] for one in decoded if one["kind"] == "cert.issued"],
            "token": [
                one["body"]["token"] for one in decoded if one["kind"] == "authn.oidc" and one["outcome"] == "success"
            ],
            "record id": [one["id"] for one in decoded],
        }.items():
            twice = {value for value in values if values.count(value) > 1} if len(values) != len(set(values)) else set()
            print(f"figures: {name}s: {len(values)} used, {len(twice)} of them twice")
            if twice:
                sys.exit(1)


if __name__ == "__main__":
    main()
