"""Asks a witness as C2SP tlog-witness describes it, with a log of its own, and checks what it signs. Shares no code with the
bastion: written from the specifications of tlog-witness, tlog-checkpoint, tlog-cosignature and signed-note, and RFC 6962.

    witness.py make FOLDER          a log's key and its trust file
    witness.py ask FOLDER URL VKEY  every answer that the specification describes; the log's state goes on in FOLDER
"""

import base64
import concurrent.futures
import hashlib
import http.client
import os
import sys
import time
import urllib.parse

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

NAME = "log.example/of-the-test"
DASH = "\u2014 "


def b64(data):
    return base64.b64encode(data).decode()


def leaf(history, number):
    return hashlib.sha256(b"\0%s-%d" % (history.encode(), number)).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def split(count):
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def root(leaves):
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(root(leaves[:k]), root(leaves[k:]))


def proof(old, leaves, is_whole=True):
    """RFC 6962, 2.1.2: SUBPROOF."""
    if old == len(leaves):
        return [] if is_whole else [root(leaves)]
    k = split(len(leaves))
    if old <= k:
        return proof(old, leaves[:k], is_whole) + [root(leaves[k:])]
    return proof(old - k, leaves[k:], False) + [root(leaves[:k])]


class Log:
    def __init__(self, folder):
        with open(os.path.join(folder, "log.seed"), "rb") as file:
            self.key = Ed25519PrivateKey.from_private_bytes(file.read())
        public = b"\1" + self.key.public_key().public_bytes_raw()
        self.id = hashlib.sha256(NAME.encode() + b"\n" + public).digest()[:4]
        self.vkey = "%s+%s+%s" % (NAME, self.id.hex(), b64(public))

    def leaves(self, size, history="a"):
        return [leaf(history, number) for number in range(size)]

    def text(self, size, history="a"):
        return "%s\n%d\n%s\n" % (NAME, size, b64(root(self.leaves(size, history))))

    def body(self, old, size, history="a", hashes=None, text=None):
        text = text or self.text(size, history)
        note = text + "\n%s%s %s\n" % (DASH, NAME, b64(self.id + self.key.sign(text.encode())))
        if hashes is None:
            hashes = proof(old, self.leaves(size, history)) if 0 < old < size else []
        return "old %d\n%s\n%s" % (old, "".join(b64(one) + "\n" for one in hashes), note)


class Witness:
    def __init__(self, url, vkey):
        self.at = urllib.parse.urlsplit(url)
        self.name, key_id, key = vkey.split("+", 2)
        key = base64.b64decode(key)
        assert key[0] == 4 and len(key) == 33, "the key of a witness has type 4"
        self.id = hashlib.sha256(self.name.encode() + b"\n" + key).digest()[:4]
        assert self.id.hex() == key_id, "the key's id"
        self.key = Ed25519PublicKey.from_public_bytes(key[1:])

    def post(self, body, path="add-checkpoint"):
        connection = http.client.HTTPConnection(self.at.hostname, self.at.port, timeout=20)
        connection.request("POST", "/" + path, body.encode() if isinstance(body, str) else body)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read().decode()

    def signed(self, body, text):
        status, _, lines = self.post(body)
        assert status == 200, "%d: %s" % (status, lines)
        found = 0
        for line in lines.splitlines(keepends=True):
            assert line.startswith(DASH) and line.endswith("\n"), line
            name, signature = line[len(DASH) : -1].split(" ")
            signature = base64.b64decode(signature)
            if name == self.name and signature[:4] == self.id:
                moment = int.from_bytes(signature[4:12], "big")
                assert abs(moment - time.time()) < 60, "the time of a cosignature"
                message = "cosignature/v1\ntime %d\n%s" % (moment, text)
                self.key.verify(signature[12:], message.encode())
                found += 1
        assert found == 1, lines

    def refused(self, status, body, what, size=None):
        found, kind, text = self.post(body)
        assert found == status, "%s: %d, expected %d: %s" % (what, found, status, text)
        if size is not None:
            assert (kind, text) == ("text/x.tlog.size", "%d\n" % size), "%s: %s %r" % (what, kind, text)


def ask(folder, url, vkey):
    log, witness = Log(folder), Witness(url, vkey)
    state = os.path.join(folder, "size")
    old = int(open(state).read()) if os.path.exists(state) else 0
    for size in (old, old + 1, old + 1, old + 9, old + 64, old + 200):
        witness.signed(log.body(old, size), log.text(size))
        old = size
    witness.refused(409, log.body(0, old + 5), "an old size that is not the last one", old)
    witness.refused(409, log.body(old - 1, old), "an old size below the last one", old)
    witness.refused(400, log.body(old + 2, old + 1, hashes=[]), "an old size above the checkpoint")
    witness.refused(409, log.body(old, old, "b"), "another root at the same size")
    witness.refused(422, log.body(old, old + 5, "b"), "another history")
    witness.refused(422, log.body(old, old + 5, hashes=[]), "no proof")
    witness.refused(422, log.body(old, old + 5, hashes=proof(old, log.leaves(old + 5)) + [bytes(32)]), "a hash too many")
    witness.refused(403, log.body(old, old + 5).replace("\n%d\n" % (old + 5), "\n%d\n" % (old + 6)), "a changed size")
    witness.refused(404, log.body(old, old + 5).replace(NAME, "other.example/log"), "another log")
    for what, body in (
        ("nothing", ""),
        ("no old size", log.body(old, old + 5).replace("old ", "alt ")),
        ("a leading zero", log.body(old, old + 5).replace("old ", "old 0")),
        ("bytes that are no text", b"old 0\n\n\xff\xfe"),
        ("64 hashes", log.body(old, old + 5, hashes=[bytes(32)] * 64)),
    ):
        witness.refused(400, body, what)
    assert witness.post("x" * 100_000)[0] in (400, 413), "a long request"
    assert witness.post(log.body(old, old + 5), "other")[0] == 404, "another address"
    # Of twenty that race to other sizes one is signed, and the others hear its size.
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda more: witness.post(log.body(old, old + more)), range(1, 21)))
    signed = [more for more, (status, _, _) in zip(range(1, 21), answers) if status == 200]
    assert len(signed) == 1, answers
    old += signed[0]
    assert all(status == 200 or text == "%d\n" % old for status, _, text in answers), answers
    with open(state, "w") as file:
        file.write(str(old))
    print("a witness that follows the specification; its log has %d entries" % old)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        with open(os.path.join(sys.argv[2], "log.seed"), "wb") as file:
            file.write(os.urandom(32))
        with open(os.path.join(sys.argv[2], "log.trust"), "w") as file:
            file.write("log %s\nquorum none\n" % Log(sys.argv[2]).vkey)
    else:
        ask(*sys.argv[2:])
