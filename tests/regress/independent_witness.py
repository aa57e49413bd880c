"""A witness of a log, as C2SP tlog-witness describes it, that shares no code with the bastion: written from the specifications of
tlog-witness, tlog-checkpoint, tlog-cosignature and signed-note, and RFC 9162, 2.1.4.2. For tests.

    independent_witness.py key FOLDER NAME                  makes a key, prints its vkey
    independent_witness.py serve FOLDER NAME PORT LOG_VKEY  signs what grows; prints what it was asked and answered

What it has signed lies in FOLDER/state. While FOLDER/manner says so it misbehaves: `forge` signs another text, `garbage` answers bytes
that are no signature.
"""

import base64
import hashlib
import http.server
import os
import re
import sys
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

DASH = "\u2014 "


def b64(data):
    return base64.b64encode(data).decode()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def continues(old, old_root, new, new_root, hashes):
    """RFC 9162, 2.1.4.2."""
    if old == new:
        return not hashes and old_root == new_root
    if old == 0:
        return not hashes
    if not hashes:
        return False
    path = list(hashes)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    first, second = old - 1, new - 1
    while first & 1:
        first, second = first >> 1, second >> 1
    one = other = path[0]
    for hash_ in path[1:]:
        if second == 0:
            return False
        if first & 1 or first == second:
            one, other = node(hash_, one), node(hash_, other)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            other = node(other, hash_)
        first, second = first >> 1, second >> 1
    return second == 0 and one == old_root and other == new_root


class Witness:
    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        path = os.path.join(folder, "seed")
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(os.urandom(32))
        with open(path, "rb") as file:
            self.key = Ed25519PrivateKey.from_private_bytes(file.read())
        public = b"\4" + self.key.public_key().public_bytes_raw()
        self.id = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
        self.vkey = "%s+%s+%s" % (name, self.id.hex(), b64(public))

    def watch(self, vkey):
        self.origin, key_id, key = vkey.split("+", 2)
        key = base64.b64decode(key)
        assert key[0] == 1 and hashlib.sha256(self.origin.encode() + b"\n" + key).digest()[:4].hex() == key_id
        self.log_id, self.log = bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(key[1:])

    def state(self):
        try:
            with open(os.path.join(self.folder, "state"), encoding="ascii") as file:
                size, root = file.read().split()
                return int(size), base64.b64decode(root)
        except FileNotFoundError:
            return 0, hashlib.sha256().digest()

    def manner(self):
        try:
            with open(os.path.join(self.folder, "manner"), encoding="ascii") as file:
                return file.read().strip()
        except FileNotFoundError:
            return ""

    def answer(self, body):
        """Status, kind and text."""
        found = re.fullmatch(rb"old (0|[1-9][0-9]*)\n((?:[A-Za-z0-9+/=]+\n){0,63})\n(([^\n]+)\n(0|[1-9][0-9]*)\n([^\n]+)\n(?:[^\n]+\n)*)\n((?:\xe2\x80\x94 [^\n]+\n)+)", body)
        if not found:
            return 400, "text/plain", "no request of tlog-witness\n"
        old, text, signatures = int(found[1]), found[3], found[7].decode()
        if found[4].decode() != self.origin:
            return 404, "text/plain", "another log\n"
        for line in signatures.splitlines():
            name, signature = line[len(DASH) :].rsplit(" ", 1)
            signature = base64.b64decode(signature)
            if name == self.origin and signature[:4] == self.log_id:
                try:
                    self.log.verify(signature[4:], text)
                    break
                except InvalidSignature:
                    pass
        else:
            return 403, "text/plain", "no signature of the log\n"
        new, root = int(found[5]), base64.b64decode(found[6])
        hashes = [base64.b64decode(line) for line in found[2].splitlines()]
        if old > new or any(len(one) != 32 for one in hashes):
            return 400, "text/plain", "no request of tlog-witness\n"
        size, signed_root = self.state()
        if old != size or (old == new and root != signed_root):
            return 409, "text/x.tlog.size", "%d\n" % size
        if not continues(old, signed_root, new, root, hashes):
            return 422, "text/plain", "this does not continue what was signed\n"
        manner = self.manner()
        if manner == "garbage":
            return 200, "text/plain", DASH + self.name + " AAAA\n"
        # On the disk before anybody has the signature.
        path = os.path.join(self.folder, "state")
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write("%d %s\n" % (new, b64(root)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(path + ".new", path)
        moment = int(time.time())
        message = b"cosignature/v1\ntime %d\n%s" % (moment, text if manner != "forge" else text.replace(b"\n", b"\n1", 1))
        signature = self.id + moment.to_bytes(8, "big") + self.key.sign(message)
        return 200, "text/plain", "%s%s %s\n" % (DASH, self.name, b64(signature))


def serve(witness, port):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers.get("Content-Length", 0))
            if self.path != "/add-checkpoint" or not 0 < length < 65536:
                status, kind, text = 404, "text/plain", "nothing here\n"
            else:
                body = self.rfile.read(length)
                status, kind, text = witness.answer(body)
                print(body.split(b"\n", 1)[0].decode(), status, flush=True)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    own = Witness(sys.argv[2], sys.argv[3])
    if sys.argv[1] == "key":
        print(own.vkey)
    else:
        own.watch(sys.argv[5])
        serve(own, int(sys.argv[4]))
