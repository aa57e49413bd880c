#!/usr/bin/env python3
"""Every client by every way in, held against the table kept beside this file.

matrix.py FOLDER [--write]: FOLDER is prepared by the case that runs this (`place.json`, `config`, keys). Prints the versions, each
cell that is not as the table says, and the count; fails on any such cell. --write puts what was found into the table instead.

A cell is `passed`: the same output, error output, exit code and bytes as directly to the target's own sshd; `refused`: it ends
with the table's words and not with 0; `absent`: the client cannot be had here; `-`: the client has no such thing.
"""

import json
import pathlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import clients

HERE = pathlib.Path(__file__).parent
TABLE = HERE / "table.tsv"
WAYS = ["direct", "target", "jump"]
OPS = ["exec", "exit", "stderr", "bytes", "transfer", "pty"]
HEADER = ["client", "way", *OPS, "words of the refusal"]


def kept():
    """The table: (client, way) to its cells and the words that a refusal has."""
    rows = {}
    for line in TABLE.read_text().splitlines():
        if not line or line.startswith("#") or line.startswith("client\t"):
            continue
        client, way, *cells, words = line.split("\t")
        rows[client, way] = (dict(zip(OPS, cells, strict=True)), words)
    return rows


def measured(client, words_of):
    """The cells of one client by all ways, and what is wrong with those that are neither passed nor refused."""
    cells, faults = {}, []
    if not client.here():
        return {way: {op: "absent" if op in client.ops else "-" for op in OPS} for way in WAYS}, []
    for op in OPS:
        direct = None
        for way in WAYS:
            row = cells.setdefault(way, {})
            if op not in client.ops or way not in client.ways:
                row[op] = "-"
                continue
            got = client.did(way, op)
            if way == "direct":
                # A client's own slip without a bastion is no measure for one with it: what is asked again is the measure, nothing else.
                for _ in range(2):
                    got = client.did(way, op) if client.wrong(op, got) else got
                direct, fault = got, client.wrong(op, got)
                row[op] = "failed" if fault else "passed"
            elif got == direct or (direct and got == client.did("direct", op)) or (direct is None and not client.wrong(op, got)):
                row[op] = "passed" if not client.wrong(op, got) else "failed"
                fault = client.wrong(op, got)
            else:
                words = words_of.get(way, "")
                row[op] = "refused" if words and got["code"] != 0 and words in got["err"] + got["out"] else "failed"
                fault = f"got {got}, direct {direct}" if row[op] == "failed" else None
            if row[op] == "failed":
                faults.append(f"{client.name} {way} {op}: {fault}")
    return cells, faults


def main():
    folder = pathlib.Path(sys.argv[1])
    place = json.loads((folder / "place.json").read_text())
    table = kept() if TABLE.exists() else {}
    every = clients.every(folder, place)
    only = place.get("only")
    every = [client for client in every if not only or client.name in only.split()]

    def one(client):
        began = time.monotonic()
        words = {way: table[client.name, way][1] for way in WAYS if (client.name, way) in table}
        found = measured(client, words)
        return client, found, time.monotonic() - began

    found, faults, changed, counts = {}, [], [], {}
    # Few at a time: their clients, the bastion and the target share one machine.
    with ThreadPoolExecutor(3) as pool:
        for client, (cells, wrong), seconds in pool.map(one, every):
            print(f"{client.name}: {client.version()} ({seconds:.1f} s)", flush=True)
            if not client.carried():
                print(f"{client.name}: not tried, this machine has no {client.device}", flush=True)
                for way in WAYS:
                    found[client.name, way] = table.get((client.name, way), (cells[way], ""))[0]
                continue
            faults += wrong
            for way in WAYS:
                found[client.name, way] = cells[way]
                for op in OPS:
                    counts[cells[way][op]] = counts.get(cells[way][op], 0) + 1
                    before = table.get((client.name, way), ({}, ""))[0].get(op, "not in the table")
                    if cells[way][op] != before:
                        changed.append(f"{client.name} {way} {op}: {cells[way][op]}, the table has: {before}")
    if not only:
        changed += [f"{name} {way}: in the table, and not tried" for name, way in table if (name, way) not in found]
    if "--write" in sys.argv:
        lines = ["\t".join(HEADER)]
        kept_too = {place: cells for place, (cells, _) in table.items() if only and place not in found}
        for (name, way), cells in {**found, **kept_too}.items():
            lines.append("\t".join([name, way, *(cells[op] for op in OPS), table.get((name, way), ({}, ""))[1]]))
        TABLE.write_text("# Kept by matrix.py, which says what the words mean.\n" + "\n".join(lines) + "\n")
    for line in faults + changed:
        print(line)
    print("figures:", ", ".join(f"{count} {state}" for state, count in sorted(counts.items()) if state != "-"))
    # A fault is a failed cell, which no table may hold.
    sys.exit(bool(faults or (changed and "--write" not in sys.argv)))


main()
