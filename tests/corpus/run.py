"""Runs the cases through `sallyport mask` and prints recall by kind and by disguise, and what was masked in vain.

    run.py PROGRAM [--held] [--misses] [--floors] [--kinds]

A secret counts as found only if every byte of it is hidden. Without `--held` only the two thirds are run that may be
looked at. With `--kinds` only the table of the kinds that `docs/MASKING.md` has. With `--floors` the exit code is 1 if a figure is below its floor, or if pieces change the output.
"""

import argparse
import collections
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import generate  # noqa: E402

# Just under what is reached; only ever raised.
FLOORS = {"plain": 0.99, "disguised": 0.99, "personal": 0.97, "ordinary": 1.0}


def masked(program, data):
    command = [program, "mask", "--width", "same"]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True, timeout=20).stdout


def leaks(data, secret, out):
    """Bytes of the secret that are still there, but for blanks between groups; all of them if places cannot be compared."""
    if len(out) != len(data):
        return len(secret)
    return sum(out[at] == data[at] and data[at] not in b"* " for at in secret)


def table(title, rows):
    print(f"\n{title}")
    for name, (good, all_) in rows.items():
        print(f"  {name:26} {good:4} of {all_:4}  {100 * good / all_:6.1f} %")


def print_kinds(by_kind, misses, harmed):
    """In Markdown: the kinds of which all are found in a list, the others in a table with the disguises they are missed in."""
    names = lambda rows: " ".join(f"`{name}`" for name, (good, all_) in rows.items() if good == all_)
    print(f"All cases found (2 to 12 of each kind): {names(by_kind)}\n")
    print("| kind | found | missed |\n|---|---|---|")
    for name, (good, all_) in by_kind.items():
        if good < all_:
            missed = ", ".join(miss.split()[1] for miss in misses if miss.split()[0] == name)
            print(f"| `{name}` | {good} of {all_} | {missed} |")
    print(f"\nLeft as they were, all cases (9 to 16 of each kind): {names(harmed)}")
    changed = [f"`{name}` {good} of {all_}" for name, (good, all_) in harmed.items() if good < all_]
    print("\nChanged: " + ("; ".join(changed) or "none"))
    return 0


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("program")
    ask.add_argument("--held", action="store_true")
    ask.add_argument("--misses", action="store_true")
    ask.add_argument("--floors", action="store_true")
    ask.add_argument("--kinds", action="store_true")
    asked = ask.parse_args()
    parts = ["held"] if asked.held else ["seen"]

    positives = [case for case in generate.positives() if case[0] in parts]
    negatives = [case for case in generate.negatives() if case[0] in parts]
    with ThreadPoolExecutor(2) as pool:
        outs = list(pool.map(lambda case: masked(asked.program, case[4]), positives))
        clean = list(pool.map(lambda case: masked(asked.program, case[2]), negatives))

    count = lambda: collections.defaultdict(lambda: (0, 0))
    by_kind, by_disguise, totals, harmed = count(), count(), count(), count()
    add = lambda rows, name, good: rows.__setitem__(name, (rows[name][0] + good, rows[name][1] + 1))
    misses, vain = [], []
    for (_, name, group, disguise, data, secret), out in zip(positives, outs):
        left = leaks(data, secret, out)
        good = left == 0
        if not good:
            misses.append(f"{name} {disguise}: {left} of {len(secret)} bytes: {data!r} -> {out!r}" if asked.misses else f"{name} {disguise}")
        add(by_kind, name, good)
        add(by_disguise, disguise, good)
        add(totals, "plain" if disguise == "plain" else "disguised", good)
        if group == "personal":
            add(totals, "personal", good)
    for (_, name, data), out in zip(negatives, clean):
        good = out == data
        add(harmed, name, good)
        add(totals, "ordinary", good)
        if not good:
            vain.append(f"{name}: {data!r} -> {out!r}" if asked.misses else name)

    if asked.kinds:
        return print_kinds(by_kind, misses, harmed)
    table("found, by kind", by_kind)
    table("found, by disguise", by_disguise)
    table("left as it was, by kind of ordinary text", harmed)
    print("\nmissed")
    print("\n".join(f"  {miss}" for miss in misses))
    print("masked in vain")
    print("\n".join(f"  {case}" for case in vain))
    table("totals", totals)
    mean = sum(good / all_ for good, all_ in by_kind.values()) / len(by_kind)
    print(f"  mean of the kinds {100 * mean:.1f} %")
    low = [name for name, floor in FLOORS.items() if totals[name][0] < floor * totals[name][1]]
    print("".join(f"below its floor of {100 * FLOORS[name]} %: {name}\n" for name in low), end="")
    return 1 if asked.floors and low else 0


sys.exit(main())
