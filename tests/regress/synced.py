#!/usr/bin/env python3
"""Judges a trace of `strace -f -yy`: synced.py TRACE STATE SSH_PORT HTTP_PORT.

Two rules, each decided at the moment a reply begins to be written to a client's socket:
* HTTP: every write to log/tail that had ended by then must have been followed by a sync of log/tail that ended with 0. The reply
  that is judged is `HTTP/1.1 200` of the certificate; an entry about it was written before.
* SSH: of each connection, bytes that went out to the client may not be more than bytes that were written since it began to the
  store (store/sled/db and files in store/long) and before the last sync of the file that ended with 0, but for what a connection
  needs besides output (ALLOWANCE). What is shown here is random, so no frame is shorter than it, and there is one connection at a
  time.
"""

import re
import sys

ALLOWANCE = 24_000
CALL = re.compile(r"^(\d+) +(\w+)\((\d+)<(.*?)>(?:, |\)| <unf)")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>")
RESULT = re.compile(r"= (-?\d+)")


def calls(path):
    """Yields (moment, "begin" or "end", name, file, text, result), in the order of the trace."""
    open_calls = {}
    with open(path, encoding="utf-8", errors="replace") as trace:
        for moment, line in enumerate(trace):
            resumed, begun = RESUMED.match(line), CALL.match(line)
            result = RESULT.findall(line)
            result = int(result[-1]) if result else None
            if resumed and resumed[1] in open_calls:
                name, file, text, at = open_calls.pop(resumed[1])
                yield moment, "end", name, file, text, result, at
            elif begun:
                thread, name, _, file = begun.groups()
                text = line
                yield moment, "begin", name, file, text, None, moment
                if "<unfinished" in line:
                    open_calls[thread] = (name, file, text, moment)
                else:
                    yield moment, "end", name, file, text, result, moment


def main():
    trace, state, ssh_port, http_port = sys.argv[1:]
    tail = f"{state}/log/tail"

    def of_store(file):
        return file == f"{state}/store/sled/db" or file.startswith(f"{state}/store/long/")

    faults = []
    tail_dirty = None  # moment of the last write to the tail that no sync has followed
    tail_writes = 0
    written, synced = {}, {}  # of each file of the store, bytes
    certificates = shown = 0
    connections = {}  # bytes shown, and bytes of the store that were written when it began
    syncs = {"tail": 0, "store": 0}
    at_begin = {}
    for moment, part, name, file, text, result, began in calls(trace):
        writes = "write" in name or "send" in name
        to_ssh, to_http = f":{ssh_port}->" in file, f":{http_port}->" in file
        if part == "end" and writes and file == tail and (result or 0) > 0:
            tail_writes += 1
            tail_dirty = moment
        elif part == "end" and writes and of_store(file) and (result or 0) > 0:
            written[file] = written.get(file, 0) + result
        elif name in ("fdatasync", "fsync") and part == "begin":
            at_begin[began] = written.get(file, 0)
        elif name in ("fdatasync", "fsync") and result == 0:
            if file == tail:
                syncs["tail"] += 1
                tail_dirty = None if tail_dirty is not None and tail_dirty < began else tail_dirty
            if of_store(file):
                syncs["store"] += 1
                synced[file] = max(synced.get(file, 0), at_begin.get(began, 0))
        elif part == "begin" and writes and to_http and "HTTP/1.1 200" in text:
            certificates += 1
            if tail_dirty is not None:
                faults.append(f"line {moment + 1}: a certificate is answered, and log/tail of line {tail_dirty + 1} is not synced")
            if tail_writes == 0:
                faults.append(f"line {moment + 1}: a certificate is answered before anything is in log/tail")
        elif part == "end" and writes and to_ssh and (result or 0) > 0:
            shown += result
            before, base = connections.get(file, (0, dict(written)))
            connections[file] = (before + result, base)
            safe = sum(max(0, count - base.get(name, 0)) for name, count in synced.items())
            if before + result > safe + ALLOWANCE:
                faults.append(f"line {moment + 1}: {before + result} bytes shown, and {safe} synced of store/sled/db and store/long")
    if certificates == 0 or shown < 400_000 or tail_writes == 0:
        faults.append(f"nothing to judge: {certificates} certificates, {shown} bytes shown, {tail_writes} writes to log/tail")
    for fault in faults[:10]:
        print(fault)
    print(
        f"figures: trace: {tail_writes} writes to log/tail, {syncs['tail']} syncs; {sum(written.values())} bytes to the store, "
        f"{syncs['store']} syncs; {certificates} certificates and {shown} bytes in {len(connections)} connections answered; "
        f"{len(faults)} before their sync"
    )
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
