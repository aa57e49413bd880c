"""Makes the log of a stopped bastion as long as that of years: `grow.py STATE ENTRIES`.

Adds heartbeats (those of recordings-schema/examples) behind what is there, with their bundles and tiles, and signs a checkpoint
over all of it with the key in STATE/keys. ENTRIES: a multiple of 256. Then `sallyport store rebuild`, and measure what a start and a
proof take. Written from the specification of tlog-tiles; shares no code with the bastion. Needs 0.7 GB for each million of entries.
"""

import base64
import hashlib
import json
import os
import pathlib
import struct
import sys

from cryptography.hazmat.primitives.serialization import load_ssh_private_key

WIDTH = 256
BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def sha256(data):
    return hashlib.sha256(data).digest()


def number(index):
    text = "%03d" % (index % 1000)
    while index := index // 1000:
        text = "x%03d/%s" % (index % 1000, text)
    return text


def perfect(hashes):
    while len(hashes) > 1:
        hashes = [sha256(b"\1" + hashes[at] + hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def root(hashes):
    if len(hashes) == 1:
        return hashes[0]
    half = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\1" + root(hashes[:half]) + root(hashes[half:]))


class Log:
    def __init__(self, state):
        self.folder = pathlib.Path(state, "log")
        self.key = load_ssh_private_key(pathlib.Path(state, "keys", "log").read_bytes(), None)
        self.origin, size = (self.folder / "checkpoint").read_text(encoding="utf-8").split("\n")[:2]
        self.entries = []
        for index in range(-(-int(size) // WIDTH)):
            width = min(WIDTH, int(size) - index * WIDTH)
            self.entries += self.bundle("tile/entries/" + number(index) + ("" if width == WIDTH else ".p/%d" % width))

    def bundle(self, name):
        data, at, entries = (self.folder / name).read_bytes(), 0, []
        while at < len(data):
            (length,) = struct.unpack(">H", data[at : at + 2])
            entries.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        return entries

    def write(self, name, data):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def heartbeats(self, until):
        """Each with a number and an id of its own."""
        here = pathlib.Path(__file__).resolve().parent
        entry = json.loads((here / "../../recordings-schema/examples/events/log.heartbeat.json").read_text(encoding="utf-8"))
        last = json.loads(self.entries[-1])
        entry.update(node=last["node"], boot=last["boot"], time=last["time"])
        text = json.dumps(entry, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        before, text = text.split('"id":"%s"' % entry["id"])
        between, behind = text.split('"seq":%d' % entry["seq"])
        for seq in range(len(self.entries), until):
            name, rest = "", seq
            for _ in range(10):
                name, rest = BASE32[rest % 32] + name, rest // 32
            yield ('%s"id":"%s%s"%s"seq":%d%s' % (before, last["id"][:16], name, between, seq, behind)).encode()

    def grow(self, until):
        hashes = [sha256(b"\0" + entry) for entry in self.entries]
        index = len(self.entries) // WIDTH
        bundle = self.entries[index * WIDTH :]
        for entry in self.heartbeats(until):
            hashes.append(sha256(b"\0" + entry))
            bundle.append(entry)
            if len(bundle) == WIDTH:
                self.write("tile/entries/" + number(index), b"".join(struct.pack(">H", len(one)) + one for one in bundle))
                bundle, index = [], index + 1
        for level in range(8):
            tiles = [hashes[at : at + WIDTH] for at in range(0, len(hashes), WIDTH)]
            for index, tile in enumerate(tiles):
                partial = "" if len(tile) == WIDTH else ".p/%d" % len(tile)
                self.write("tile/%d/%s%s" % (level, number(index), partial), b"".join(tile))
            if len(hashes) < WIDTH:
                break
            # Complete subtrees of one tile are the leaves of the next level; what is left over joins at the root.
            left = hashes[len(hashes) // WIDTH * WIDTH :]
            assert not left, "ENTRIES leaves a tile of level %d unfinished below others: take a power of two" % level
            hashes = [perfect(tile) for tile in tiles]
        text = "%s\n%d\n%s\n" % (self.origin, until, base64.b64encode(root(hashes)).decode())
        public = self.key.public_key().public_bytes_raw()
        signature = sha256(self.origin.encode() + b"\n\1" + public)[:4] + self.key.sign(text.encode())
        note = "%s\n\u2014 %s %s\n" % (text, self.origin, base64.b64encode(signature).decode())
        self.write("checkpoints/" + number(until // WIDTH), note.encode())
        self.write("checkpoint", note.encode())
        # All that it had is in a bundle now.
        (self.folder / "tail").unlink(missing_ok=True)


if __name__ == "__main__":
    log, wanted = Log(sys.argv[1]), int(sys.argv[2])
    if wanted % WIDTH or wanted <= len(log.entries):
        sys.exit("ENTRIES must be a multiple of %d and more than the %d that are there" % (WIDTH, len(log.entries)))
    print("%d entries, to become %d" % (len(log.entries), wanted))
    log.grow(wanted)
    os.sync()
