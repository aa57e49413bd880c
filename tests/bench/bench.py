#!/usr/bin/env python3
"""The rows of the benchmark: each by all routes in turn, in one run; a bad sample voids its row. run.sh prepares and starts this."""

import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

import rows

ROUTES = ["direct", "proxyjump", "bastion", "jump"]


class Void(Exception):
    """A sample that was not what it should have been."""


def rotated(count):
    """A B C D, B C D A, …: whatever drifts on the machine falls on all routes alike."""
    for number in range(count):
        start = number % len(ROUTES)
        yield from ROUTES[start:] + ROUTES[:start]


class Bench:
    def __init__(self, place):
        self.place = place
        self.files = pathlib.Path(place["files"])
        self.rounds = int(os.environ.get("ROUNDS", 5))
        self.mib = int(os.environ.get("MIB", 512))

    def host(self, route, digest=False):
        return route + ("-digest" if digest and route in ("bastion", "jump") else "")

    def ssh(self, route, *command, options=(), digest=False):
        return ["ssh", "-F", self.place["config"], *options, self.host(route, digest), *command]

    def jiffies(self, pid, children=False):
        """CPU seconds of a process so far; with those of its children that have ended."""
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        own = int(fields[11]) + int(fields[12]) + ((int(fields[13]) + int(fields[14])) if children else 0)
        return own / os.sysconf("SC_CLK_TCK")

    def between(self, route):
        """CPU of what stands between client and target on that route; 0 where nothing does."""
        return {"bastion": lambda: self.jiffies(self.place["bastion"]), "jump": lambda: self.jiffies(self.place["bastion"]),
                "proxyjump": lambda: self.jiffies(self.place["jump"], True)}.get(route, lambda: 0.0)()

    def pss(self, pid):
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024

    def timed(self, argv, stdin=None, stdout=None, limit=300):
        """Seconds that it took; the output goes where it is told. Void unless it ends well."""
        began = time.monotonic()
        done = subprocess.run([str(part) for part in argv], stdin=stdin or subprocess.DEVNULL, stdout=stdout or subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=limit)
        took = time.monotonic() - began
        if done.returncode != 0:
            raise Void(f"{argv[3] if len(argv) > 3 else argv[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-200:]}")
        return took

    def samples(self, one, rounds=None):
        """Runs `one(route)` in turn; the median by route, and what stood between took of CPU by one of them."""
        took, cpu = {route: [] for route in ROUTES}, {route: [] for route in ROUTES}
        for route in ROUTES:
            # One that does not count: caches, and the binary from the disk.
            if (rounds or self.rounds) > 2:
                one(route)
        for route in rotated(rounds or self.rounds):
            before = self.between(route)
            took[route].append(one(route))
            cpu[route].append(self.between(route) - before)
        return ({route: statistics.median(values) for route, values in took.items()},
                {route: statistics.mean(values) for route, values in cpu.items()})


def machine(place):
    said = lambda *argv: subprocess.run(argv, capture_output=True, text=True).stdout.strip() or subprocess.run(argv, capture_output=True, text=True).stderr.strip()
    model = next(line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, {said('ssh', '-V')}, {said(place['binary'], '--version')}, load before the run {load}"


def main():
    place = json.loads(pathlib.Path(sys.argv[1]).read_text())
    bench = Bench(place)
    wanted = sys.argv[2:]
    unknown = [name for name in wanted if name not in rows.ROWS]
    if unknown:
        sys.exit(f"no row {', '.join(unknown)}: there are {', '.join(rows.ROWS)}")
    print(f"{machine(place)}; {bench.rounds} rounds, {bench.mib} MiB\n")
    print("| row | direct | ProxyJump | bastion | bastion, jump mode | besides |")
    print("|---|---|---|---|---|---|", flush=True)
    failed = False
    for name, row in rows.ROWS.items():
        if wanted and name not in wanted:
            continue
        began = time.monotonic()
        try:
            line = row(bench)
        except (Void, subprocess.TimeoutExpired, OSError, ValueError) as error:
            failed, line = True, f"| {name} | void: {str(error)[:300]} | | | | |"
        print(line, flush=True)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    # Rows raise the same class.
    sys.modules["bench"] = sys.modules["__main__"]
    main()
