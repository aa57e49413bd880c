"""Makes the cases: (part, kind, disguise, bytes, positions that must be hidden), the same for the same seed."""

import random

import disguises
import kinds
import ordinary
import services  # noqa: F401
import settings  # noqa: F401
import tables  # noqa: F401

SEED = 20261128
NEGATIVES_A_KIND = 18

ROWS = {"table", "typed", "overprinted", "json", "url"} | {name for name in disguises.DISGUISES if name.startswith("wrapped")}

# A disguise that a kind cannot wear: the value is not whole any more, or its surroundings cannot stand there.
MISFITS = {
    # Several lines in a field of a table, or typed, or overwritten line by line, are no key file, nor is one with words of another
    # script in its middle.
    "file": {"table", "typed", "overprinted", "wrapped-behind-wide"},
    # A table has its lines to itself.
    "rows": ROWS,
    # Its signs are several bytes each, which the encodings here take for characters.
    "drawn": ROWS | {"base64", "base64-lines", "hex"},
    # A percent sign inside a URL's password would be escaped twice.
    "url": set(),
}


def positives():
    for name, (group, make) in kinds.KINDS.items():
        for disguise, put_on in disguises.DISGUISES.items():
            if disguise in MISFITS.get(group, ()):
                continue
            r = random.Random(f"{SEED} {name} {disguise}")
            cells = put_on(r, make(r))
            data = "".join(character for character, _ in cells).encode("latin-1")
            assert len(data) == len(cells), (name, disguise)
            secret = [at for at, (_, is_secret) in enumerate(cells) if is_secret]
            yield part(r), name, group, disguise, data, secret


def negatives():
    for name, make in ordinary.KINDS.items():
        for number in range(NEGATIVES_A_KIND):
            r = random.Random(f"{SEED} {name} {number}")
            text = make(r)
            yield part(r), name, text if isinstance(text, bytes) else text.encode()


def part(r):
    """A third is held out: rules are not made by looking at it."""
    return "held" if r.random() < 1 / 3 else "seen"
