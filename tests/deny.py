#!/usr/bin/env python3
"""Holds the dependencies to deny.toml where cargo-deny is not installed.

Knows of that file: [licenses] allow and exceptions, [bans] deny, skip and skip-tree, [sources]. Reads what cargo
itself says of the locked graph; downloads nothing that a build would not.
"""

import re
import subprocess
import sys
import tomllib

PLATFORM = "x86_64-unknown-linux-gnu"


def graph():
    """What a build on PLATFORM uses, tests apart: {(name, version): licence} and {(name, version): its users}."""
    text = subprocess.run(
        ["cargo", "tree", "--locked", "--edges", "normal,build", "--target", PLATFORM,
         "--prefix", "depth", "--format", "|{p}|{l}|"],
        check=True, capture_output=True, text=True).stdout
    licences, users, road = {}, {}, []
    for line in text.splitlines():
        depth, package, licence, _ = line.split("|")
        name, version = package.split()[:2]
        crate = (name, version.removeprefix("v"))
        del road[int(depth):]
        licences[crate] = licence
        users.setdefault(crate, set()).update(road[-1:])
        road.append(crate)
    return licences, users


def reachable(users, root):
    """`root` and everything below it."""
    found = {crate for crate in users if crate[0] == root}
    while True:
        more = {crate for crate, by in users.items() if by & found} - found
        if not more:
            return found
        found |= more


def licence_is_allowed(expression, allowed):
    """Judges an SPDX expression: OR, AND, WITH, parentheses; `/` is the old way to write OR."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))

    def either():
        value = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            other = both()
            value = value or other
        return value

    def both():
        value = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            other = one()
            value = value and other
        return value

    def one():
        name = tokens.pop(0)
        if name == "(":
            value = either()
            tokens.pop(0)
            return value
        if tokens and tokens[0] == "WITH":
            name = " ".join([name, tokens.pop(0), tokens.pop(0)])
        return name in allowed

    return either()


def faults(rules, licences, users, locked):
    exceptions = {rule["crate"]: set(rule["allow"]) for rule in rules["licenses"].get("exceptions", [])}
    for (name, version), expression in licences.items():
        allowed = set(rules["licenses"]["allow"]) | exceptions.get(name, set())
        if not expression:
            yield f"{name} {version}: says no licence"
        elif not licence_is_allowed(expression, allowed):
            yield f"{name} {version}: licence {expression}"

    for rule in rules["bans"]["deny"]:
        for crate in [crate for crate in licences if crate[0] == rule["crate"]]:
            strangers = {user for user, _ in users[crate]} - set(rule.get("wrappers", []))
            if strangers:
                yield f"{crate[0]} {crate[1]}: banned ({rule['reason']}), yet used by {', '.join(sorted(strangers))}"

    skipped = set()
    for rule in rules["bans"].get("skip-tree", []):
        skipped |= reachable(users, rule["crate"])
    for rule in rules["bans"].get("skip", []):
        name, _, version = rule["crate"].partition("@")
        found = {crate for crate in licences if crate[0] == name and f"{crate[1]}.".startswith(f"{version}.")}
        if not found:
            yield f"{rule['crate']}: skipped under [bans], yet nobody uses it; strike it"
        skipped |= found
    versions = {}
    for name, version in set(licences) - skipped:
        versions.setdefault(name, set()).add(version)
    for name, found in sorted(versions.items()):
        if len(found) > 1:
            yield f"{name}: versions {', '.join(sorted(found))}; name one under [bans] skip with a reason"

    for package in locked:
        source = package.get("source", "")
        if source and source.removeprefix("registry+") not in rules["sources"]["allow-registry"]:
            yield f"{package['name']} {package['version']}: from {source}"


def main():
    with open("deny.toml", "rb") as file:
        rules = tomllib.load(file)
    with open("Cargo.lock", "rb") as file:
        locked = tomllib.load(file)["package"]
    licences, users = graph()
    found = list(faults(rules, licences, users, locked))
    for fault in found:
        print(fault)
    print(f"{len(licences)} packages, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
