#!/usr/bin/env python3
"""Checks a bundle of evidence: python3 verify.py BUNDLE.tar [--trust FILE | --trust-bundle] [--json]

Needs nothing but Python's standard library, and asks nobody. Take this program from a release and not from the bundle that
it is to judge; take the trust file (`ssh BASTION evidence trust`) on another road than the bundle.

Exit codes: 0 verified, 1 the file could not be read, 2 usage, 3 not verified or the signer was not checked.
"""

import base64
import binascii
import datetime
import hashlib
import json
import re
import sys

FORMAT = "sallyport-bundle/v1"
FIRST = ["README.txt", "verify.py", "policy.tlog", "checkpoint.a", "checkpoint.b", "prefix.hashes"]
FIRST += ["period.txt", "cosigned.notes", "records.jsonl"]
RECORDED = ("recording.commit", "recording.close", "recording.recovered", "recording.failed")
POLICIES = {
    "approval.requested": ("policy",),
    "authz.decision": ("policy", "schema"),
    "log.start": ("policy",),
    "policy.changed": ("new", "old"),
}
# The tables: kinds of record that are their rows, and fields of their bodies that are columns.
TABLES = {
    "approvals": ("approval.requested", "id quorum groups rules policy expires command reason"),
    "authentications": (
        "authn.oidc authn.ssh authn.ssh_failures",
        "issuer subject method amr acr flow key counts reason",
    ),
    "break-glass": (
        "approval.break_glass approval.break_glass_reviewed",
        "id principal reason alerted until finding",
    ),
    "certificates": (
        "cert.issued cert.revoked identity.reinstated key.remembered",
        "authority serial key_id principals valid_before serials reason",
    ),
    "decisions": ("authz.decision", "action rules errors policy pass obligations command"),
    "masking": ("mask.applied", "recording rule stream count bytes"),
    "policy-changes": (
        "config.changed policy.changed target.changed tls.changed",
        "old new files added changed removed restart",
    ),
    "sessions": ("session.start", "action pty recording"),
}
# What manifest.json is made of.
MANIFEST = {"counts": {}, "end": 0, "first": 0, "format": "", "from": "", "origin": "", "to": "", "withheld": 0}
MANIFEST.update(files=[{"name": "", "sha256": "", "size": 0}], missing=[{"name": "", "why": ""}])
SMALL, LARGE, ENTRY, PIECE = 65536, 1 << 26, 32768, 65536
SKEW = 300  # seconds by which the clocks of a witness and a log may be apart
DASH = "\u2014 "


class Stop(Exception):
    """The bundle cannot be read on."""

    def __init__(self, place, what, is_gap=False):
        super().__init__(place)
        self.place, self.what, self.is_gap = place, what, is_gap


# ---- Ed25519 (RFC 8032), to verify only ----

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number, point):
    out = (0, 1, 1, 0)
    while number:
        if number & 1:
            out = add(out, point)
        point, number = add(point, point), number >> 1
    return out


def point(encoded):
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(public, message, signature):
    if len(signature) != 64:
        return False
    a, r, s = point(public), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = times(s, BASE), add(r, times(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# ---- notes, checkpoints, trust files (C2SP signed-note, tlog-checkpoint, tlog-policy) ----


def unbase64(text):
    try:
        out = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return out if base64.b64encode(out).decode() == text else None


class Key:
    def __init__(self, text, kind=1):
        parts = text.split("+", 2)
        if len(parts) != 3 or not re.fullmatch(r"[!-*,-~]{1,255}", parts[0]):
            raise ValueError("a key is no name+id+key")
        key = unbase64(parts[2])
        if key is None or len(key) != 33 or key[0] != kind:
            raise ValueError("a key is no Ed25519 key")
        self.text, self.name, self.public = text, parts[0], key[1:]
        self.id = hashlib.sha256(self.name.encode() + b"\n" + key).digest()[:4]
        if parts[1] != self.id.hex():
            raise ValueError("a key does not have its own id")


def signed_text(note, key):
    """The text that `key` has signed, and how many signatures there are."""
    if len(note) > SMALL:
        raise ValueError("is longer than 64 KiB")
    try:
        note = note.decode()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    if any(c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160) for c in note):
        raise ValueError("has a control character")
    at = note.rfind("\n\n")
    if at < 0 or not note.endswith("\n"):
        raise ValueError("is no signed note")
    text, lines, known = note[: at + 1], note[at + 2 : -1].split("\n"), False
    if len(lines) > 16:
        raise ValueError("has more than 16 signatures")
    for line in lines:
        parts = line[len(DASH) :].split(" ")
        signature = unbase64(parts[1]) if line.startswith(DASH) and len(parts) == 2 and parts[0] else None
        if signature is None or len(signature) < 5:
            raise ValueError("has a malformed signature line")
        if parts[0] == key.name and signature[:4] == key.id:
            known = True
            if not is_signed(key.public, text.encode(), signature[4:]):
                raise ValueError("has a wrong signature by " + key.text)
    if not known:
        raise ValueError("is not signed by " + key.text)
    return text, len(lines)


def cosigned(note, key):
    """When a witness has signed, the first time; None if it has not."""
    text, lines = note.decode().rsplit("\n\n", 1)
    first = None
    for line in lines.splitlines():
        parts = line[len(DASH) :].split(" ")
        signature = unbase64(parts[-1]) or b""
        if parts[0] == key.name and signature[:4] == key.id:
            time = int.from_bytes(signature[4:12], "big")
            message = "cosignature/v1\ntime %d\n%s\n" % (time, text)
            if time >= 1 << 63 or not is_signed(key.public, message.encode(), signature[12:]):
                raise ValueError("has a wrong signature by " + key.text)
            first = time if first is None else min(first, time)
    return first


def notes(stored):
    """A note begins where the signatures of the one before have ended."""
    found = re.findall(rb"(?:(?!%s).*\n)+(?:%s.*\n)+" % ((DASH.encode(),) * 2), stored)
    return found if b"".join(found) == stored else [stored]


def moment(seconds):
    """As records write it."""
    seconds = min(max(seconds, 0), 253402300799)
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def enough(signed, groups, quorum):
    good = set(signed)
    for name, threshold, members in groups:
        if len(good & set(members)) >= threshold:
            good.add(name)
    return None if quorum == "none" else quorum in good


def checkpoint(note, key):
    text, _ = signed_text(note, key)
    lines = text.split("\n")
    if len(lines) != 4 or lines[0] != key.name or not re.fullmatch(r"0|[1-9][0-9]{0,19}", lines[1]):
        raise ValueError("is no checkpoint of " + key.name)
    root, size = unbase64(lines[2]), int(lines[1])
    if root is None or len(root) != 32 or size >= 1 << 64 or (size == 0 and root != hashlib.sha256().digest()):
        raise ValueError("is no checkpoint of " + key.name)
    return size, root


def read_trust(text):
    logs, names, quorum, witnesses, groups = [], set(), None, {}, []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "log" and len(words) in (2, 3):
            logs.append(Key(words[1]))
        elif words[0] == "witness" and len(words) in (3, 4) and words[1] not in names | {"none"}:
            names.add(words[1])
            key = Key(words[2], 4)
            if any(key.public == other.public for other in witnesses.values()):
                raise ValueError("two witnesses have one key: " + line)
            witnesses[words[1]] = key
        elif words[0] == "group" and len(words) > 3 and words[1] not in names | {"none"} and set(words[3:]) <= names:
            names.add(words[1])
            members = set(words[3:])
            number = {"any": 1, "all": len(members)}.get(words[2]) or int(words[2])
            if not 1 <= number <= len(members) or len(members) != len(words) - 3:
                raise ValueError("a threshold that its members cannot meet: " + line)
            groups.append((words[1], number, members))
        elif words[0] == "quorum" and len(words) == 2 and quorum is None and words[1] in names | {"none"}:
            quorum = words[1]
        else:
            raise ValueError("a line is none of a tlog-policy: " + line)
    if not logs or quorum is None:
        raise ValueError("a trust file names a log and a quorum")
    return logs, quorum, witnesses, groups


# ---- the tree (RFC 6962) ----


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    def __init__(self, size=0, peaks=()):
        self.size, self.peaks = size, list(peaks)
        if len(self.peaks) != bin(size).count("1"):
            raise ValueError("is not a tree of %d" % size)

    def push(self, leaf):
        size = self.size
        while size & 1:
            leaf, size = node(self.peaks.pop(), leaf), size >> 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self):
        if not self.peaks:
            return hashlib.sha256().digest()
        out = self.peaks[-1]
        for left in reversed(self.peaks[:-1]):
            out = node(left, out)
        return out


class Recent:
    """Makes the root of each tree that ended lately: a frontier every 1024 entries, and the leaves since."""

    def __init__(self):
        self.frontiers, self.leaves = [], []

    def push(self, tree, leaf):
        if not self.frontiers or tree.size % 1024 == 0:
            if len(self.frontiers) == 64:
                del self.frontiers[0]
                del self.leaves[: -(tree.size - self.frontiers[0][0])]
            self.frontiers.append((tree.size, tuple(tree.peaks)))
        self.leaves.append(leaf)

    def root(self, size):
        begun = [one for one in self.frontiers if one[0] <= size]
        if not begun or size > self.frontiers[0][0] + len(self.leaves):
            return None
        tree, at = Tree(*begun[-1]), begun[-1][0] - self.frontiers[0][0]
        for leaf in self.leaves[at : at + size - tree.size]:
            tree.push(leaf)
        return tree.root()


# ---- timestamps (RFC 3161), without their signatures ----


def der(data, tag):
    """The contents of a value of DER, and what stands behind it."""
    if len(data) < 2 or data[0] != tag:
        raise ValueError("is no timestamp")
    length, at = data[1], 2
    if length > 0x80:
        at += length & 0x7F
        length = int.from_bytes(data[2:at], "big")
    elif length == 0x80:
        raise ValueError("is no timestamp")
    if at > 4 or at + length > len(data):
        raise ValueError("is no timestamp")
    return data[at : at + length], data[at + length :]


def stamp(data):
    """What the answer of an authority says: the SHA-256 of what was stamped, and when."""
    response, _ = der(data, 0x30)
    status, rest = der(response, 0x30)
    if der(status, 2)[0] not in (b"\0", b"\1"):
        raise ValueError("is no grant")
    rest = der(rest, 0x30)[0]
    for tag in (6, 0xA0):
        found, rest = der(rest, tag)
    rest = der(found, 0x30)[0]
    for tag in (2, 0x31, 0x30):
        found, rest = der(rest, tag)
    _, rest = der(found, 6)
    rest = der(der(der(rest, 0xA0)[0], 4)[0], 0x30)[0]
    for tag in (2, 6, 0x30):
        found, rest = der(rest, tag)
    algorithm, imprint = der(found, 0x30)
    if not algorithm.startswith(bytes.fromhex("0609608648016503040201")):
        raise ValueError("is not over a SHA-256")
    imprint, time = der(imprint, 4)[0], der(der(rest, 2)[1], 0x18)[0].decode("ascii")
    found = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,6})\d*)?Z", time, re.ASCII)
    if not found:
        raise ValueError("is no timestamp")
    return imprint, "%s-%s-%sT%s:%s:%s." % found.groups()[:6] + (found[7] or "").ljust(6, "0") + "Z"


# ---- the file ----


def header(name, size):
    if not re.fullmatch(r"(?!\.)[A-Za-z0-9._-]+(/(?!\.)[A-Za-z0-9._-]+)*", name) or len(name) > 100 or size >= 1 << 33:
        return None
    out = bytearray(512)
    fields = ((0, name), (100, "0000644\0" + 2 * "0000000\0"), (124, "%011o\0" % size + "00000000000\0" + 8 * " " + "0"))
    for at, text in fields + ((257, "ustar\x0000"), (329, 2 * "0000000\0")):
        out[at : at + len(text)] = text.encode()
    out[148:156] = ("%06o\0 " % sum(out)).encode()
    return bytes(out)


class Reader:
    def __init__(self, source):
        self.source, self.name, self.left, self.size, self.digest = source, "the begin", 0, 0, None

    def exactly(self, count):
        out = self.source.read(count)
        if len(out) != count:
            raise Stop("behind " + self.name, "the bundle ends here", True)
        return out

    def next_file(self):
        block = self.exactly(512)
        if not any(block):
            if any(self.exactly(512)) or self.source.read(1):
                raise Stop("the end", "is not empty")
            return None
        try:
            name = block[:100].rstrip(b"\0").decode("ascii")
            self.size = int(block[124:135].decode("ascii"), 8)
        except ValueError:
            raise Stop("the header behind " + self.name, "is no header of a bundle") from None
        if header(name, self.size) != block:
            raise Stop("the header behind " + self.name, "is not the one header that such a file has")
        self.name, self.left, self.digest = name, self.size, hashlib.sha256()
        return name

    def read(self, count=PIECE):
        out = self.source.read(min(count, self.left))
        if self.left and not out:
            raise Stop(self.name, "the bundle ends here", True)
        self.left -= len(out)
        self.digest.update(out)
        return out

    def whole(self, limit):
        if self.left > limit:
            raise Stop(self.name, "is longer than it can be")
        out = []
        while self.left:
            out.append(self.read())
        return b"".join(out)


# ---- records ----


def no_number(_):
    raise ValueError("has a number that is no integer")


def integer(text):
    number = int(text)
    if abs(number) > 2**53 - 1:
        raise ValueError("has a number that is too large")
    return number


def once(pairs):
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("has a name twice")
    return out


def canonical(value):
    """RFC 8785, of values without fractions."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def decode(line):
    try:
        value = json.loads(
            line.decode(), object_pairs_hook=once, parse_int=integer, parse_float=no_number, parse_constant=no_number
        )
        if not isinstance(value, dict) or canonical(value).encode() != line:
            raise ValueError("is not in canonical form")
    except RecursionError:
        raise ValueError("is nested too deep") from None
    if value.get("v") != 1 or not all(isinstance(value.get(name), str) for name in ("id", "time", "kind", "code")):
        raise ValueError("is no record")
    if not isinstance(value.get("body"), dict) or not isinstance(value.get("seq"), int):
        raise ValueError("is no record")
    return value


def has_form(value, form):
    """Whether it has the fields of this form and no others, each of the same type; `{}` is numbers under any names."""
    if type(value) is not type(form):
        return False
    if isinstance(form, list):
        return all(has_form(one, form[0]) for one in value)
    if form == {}:
        return all(type(number) is int for number in value.values())
    return not isinstance(form, dict) or (
        set(value) == set(form) and all(has_form(value[name], form[name]) for name in form)
    )


def payloads(body):
    for value in body.values():
        if isinstance(value, dict):
            payload = value.get("payload")
            if isinstance(payload, dict) and payload.get("alg") == "sha256-salted":
                yield payload.get("hash")
            else:
                yield from payloads(value)


def cell(text):
    out = "'" if text[:1] in ("=", "+", "-", "@") else ""
    for c in text:
        if " " <= c <= "~":
            out += {"\\": "\\\\", '"': '""'}.get(c, c)
        else:
            units = c.encode("utf-16-be")
            out += "".join("\\u%02x%02x" % (units[i], units[i + 1]) for i in range(0, len(units), 2))
    return '"%s"' % out if "," in text or '"' in text else out


def row(columns, entry, leaf, dates):
    def word(of, name):
        value = of.get(name) if isinstance(of, dict) else None
        return value if isinstance(value, str) else ""

    def field(name):
        value = entry["body"].get(name, "")
        payload = value.get("payload") if isinstance(value, dict) else None
        if isinstance(payload, dict) and payload.get("alg") == "sha256-salted":
            return word(payload, "hash")
        return value if isinstance(value, str) else canonical(value)

    actor, target = entry.get("actor"), entry.get("target")
    cells = ["yes" if dates[0] <= entry["time"] < dates[1] else "no", entry["time"], entry["kind"]]
    cells += [word(entry, "outcome")] + [word(actor, name) for name in ("name", "iss", "sub", "src")]
    cells += [word(entry, "session"), word(target, "name"), word(target, "login")] + [field(name) for name in columns]
    cells += [entry["id"], str(entry["seq"]), leaf.hex()]
    return ",".join(map(cell, cells)).encode() + b"\n"


class Judge:
    def __init__(self, source, trust, trust_bundle):
        self.reader, self.trust, self.trust_bundle = Reader(source), trust, trust_bundle
        self.faults, self.small, self.seen = [], {}, []
        self.key = self.tree = self.behind = self.frames = self.last = None
        self.first, self.counts, self.wanted = 0, {}, {}
        self.withheld = self.texts = self.recordings = self.policies = self.populations = 0
        self.dates, self.tables = None, []
        self.witnesses, self.quorum = {}, None
        self.successions, self.marks, self.passed = [], [], 0
        self.recent, self.stamps, self.parts = Recent(), [], {}

    def wrong(self, place, what, is_gap=False):
        if len(self.faults) < 100:
            self.faults.append((place, what, is_gap))

    def is_named(self, name):
        return any(place == name or place.startswith(name + ":") for place, _, _ in self.faults)

    def run(self):
        try:
            found = self.reader.next_file()
            for name in FIRST:
                # The first bundles have no period, no tables and policies either, and fewer checkpoints.
                if name in ("period.txt", "cosigned.notes") and found != name:
                    continue
                if found != name:
                    raise Stop(name, "is not where it belongs")
                if name == "records.jsonl":
                    self.before()
                    self.records()
                else:
                    self.small[name] = self.reader.whole(LARGE if name == "cosigned.notes" else SMALL)
                self.finished()
                found = self.reader.next_file()
            while found is not None:
                name = found
                if name in self.small or ("manifest.json" in self.small) != (name == "manifest.note"):
                    raise Stop(name, "is not where it belongs")
                if name in ("manifest.json", "manifest.note"):
                    self.small[name] = self.reader.whole(LARGE)
                else:
                    self.file(name)
                self.finished()
                found = self.reader.next_file()
            self.compare()
        except Stop as stop:
            self.wrong(stop.place, stop.what, stop.is_gap)
        self.judge_stamps()

    def finished(self):
        name, size = self.reader.name, self.reader.size
        while self.reader.left:
            self.reader.read()
        if any(self.reader.exactly(-size % 512)):
            self.wrong(name + ": padding", "is not empty")
        digest = self.reader.digest.hexdigest()
        wanted = self.wanted.pop(name, None)
        if wanted and wanted[1] is None:
            if name == "blobs/" + digest:
                self.texts += 1
            elif name == "policies/" + digest:
                self.policies += 1
            else:
                self.wrong(name, "is not the text that record %d speaks of" % wanted[0])
        elif wanted and isinstance(wanted[1], str):
            if wanted[1] == digest:
                self.populations += 1
            else:
                self.wrong(name, "is not the table that follows from the records")
        self.seen.append({"name": name, "sha256": digest, "size": size})

    def before(self):
        try:
            policy = read_trust(self.small["policy.tlog"].decode())
            stated = policy[0][0]
        except ValueError:
            raise Stop("policy.tlog", "does not state the log's key") from None
        self.key = stated
        if self.trust:
            own = [key for key in self.trust[0] if key.name == stated.name]
            if not own:
                self.wrong("policy.tlog", "is of %s, a log that the trust file does not name" % stated.name)
            else:
                self.key = own[0]
                if self.key.text != stated.text:
                    self.wrong("policy.tlog", "states another key than the trust file")
        a = (0, hashlib.sha256().digest())
        for name in ("checkpoint.a", "checkpoint.b"):
            try:
                if name == "checkpoint.b":
                    self.behind = checkpoint(self.small[name], self.key)
                    _, quorum, witnesses, groups = self.trust or policy
                    for witness, key in witnesses.items():
                        time = cosigned(self.small[name], key)
                        if time is not None:
                            self.witnesses[witness] = time
                    self.quorum = enough(self.witnesses, groups, quorum)
                elif self.small[name]:
                    a = checkpoint(self.small[name], self.key)
            except ValueError as error:
                self.wrong(name, str(error))
        self.first = a[0]
        try:
            text = self.small["prefix.hashes"].decode()
            if not re.fullmatch(r"([0-9a-f]{64}\n){0,63}", text):
                raise ValueError("is no list of hashes")
            self.tree = Tree(self.first, [bytes.fromhex(line) for line in text.splitlines()])
            if self.tree.root() != a[1]:
                self.wrong("prefix.hashes", "has another root than checkpoint.a")
        except ValueError as error:
            self.wrong("prefix.hashes", str(error))
            self.tree = Tree(self.first, [bytes(32)] * bin(self.first).count("1"))
        self.mark((self.trust or policy)[2])

        if "period.txt" in self.small:
            moment = rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
            if re.fullmatch(moment + b" " + moment + b"\n", self.small["period.txt"]):
                self.dates = self.small["period.txt"].decode().split()
            else:
                self.wrong("period.txt", "does not say from when to when")
        if self.dates:
            before = "in_period time kind outcome by iss sub src session target login ".split()
            for name, (kinds, columns) in TABLES.items():
                columns = columns.split()
                digest = hashlib.sha256(",".join(before + columns + ["record", "seq", "leaf"]).encode() + b"\n")
                self.tables.append((name, set(kinds.split()), columns, digest))

    def mark(self, witnesses):
        """Checkpoints that witnesses have signed: records of before them are older than that, records behind them younger."""
        for name in ("checkpoint.a", "checkpoint.b", "cosigned.notes"):
            for note in notes(self.small.get(name, b"")):
                try:
                    size, root = checkpoint(note, self.key)
                    times = [time for time in (cosigned(note, key) for key in witnesses.values()) if time is not None]
                except ValueError as error:
                    if not self.is_named(name):
                        self.wrong(name, str(error))
                    continue
                if times:
                    self.marks.append((size, min(times), root, name))
        # Of one checkpoint the first signature counts.
        self.marks.sort(key=lambda mark: mark[:2])
        first = {}
        for mark in self.marks:
            first.setdefault((mark[0], mark[2]), mark)
        self.marks = list(first.values())
        if self.marks and self.marks[0][0] < self.first:
            self.wrong(self.marks[0][3], "has a checkpoint of before the first record here")
        self.reach()

    def reach(self):
        """Checkpoints that the tree has come to."""
        while self.passed < len(self.marks) and self.marks[self.passed][0] <= self.tree.size:
            size, time, root, name = self.marks[self.passed]
            self.passed += 1
            if size == self.tree.size and root != self.tree.root():
                self.wrong(name, "has another root of the first %d records than theirs" % size)
            if self.last is not None and self.last >= moment(time + SKEW + 1):
                self.wrong(name, "is signed before the last of %d records is said to have happened" % size)

    def is_back_dated(self, time):
        if not self.passed or self.is_named("records.jsonl"):
            return False
        return time < moment(self.marks[self.passed - 1][1] - SKEW)

    def bounds(self):
        """Of which records it is known when they were written: from, to before, after, before."""
        bounds, first, after = [], self.first, None
        for size, time, _, _ in self.marks:
            if first < size <= self.tree.size:
                bounds.append({"first": first, "end": size, "after": after, "before": time})
                first, after = size, time
            elif size == first and after is None:
                after = time
        if first < self.tree.size:
            bounds.append({"first": first, "end": self.tree.size, "after": after, "before": None})
        return bounds if any(one["after"] or one["before"] for one in bounds) else []

    def records(self):
        rest = b""
        while self.reader.left:
            *lines, rest = (rest + self.reader.read()).split(b"\n")
            for line in lines:
                self.record(line)
            if len(rest) > ENTRY:
                raise Stop("records.jsonl: record %d" % self.tree.size, "is longer than a record can be")
        if rest:
            self.wrong("records.jsonl: record %d" % self.tree.size, "does not end with a newline")
        # Whoever withholds records withholds what follows from them.
        for name, _, _, digest in self.tables if not self.withheld else ():
            self.wanted["population/%s.csv" % name] = (self.tree.size, digest.hexdigest())

    def record(self, line):
        index = self.tree.size
        place = "records.jsonl: record %d" % index
        leaf = re.fullmatch(rb'\{"withheld":"([0-9a-f]{64})"\}', line)
        if leaf:
            self.withheld += 1
            leaf = bytes.fromhex(leaf[1].decode())
            self.recent.push(self.tree, leaf)
            self.tree.push(leaf)
            self.reach()
            return
        leaf = hashlib.sha256(b"\0" + line).digest()
        self.recent.push(self.tree, leaf)
        self.tree.push(leaf)
        try:
            if len(line) > ENTRY:
                raise ValueError("is longer than a record can be")
            entry = decode(line)
        except ValueError as error:
            self.wrong(place, str(error))
            self.reach()
            return
        if entry["seq"] != index:
            self.wrong(place, "says that it is %d" % entry["seq"])
        if self.last is not None and entry["time"] < self.last:
            self.wrong(place, "is older than the one before it")
        elif self.is_back_dated(entry["time"]):
            self.wrong(place, "says that it is older than what was signed before it was written: it is back-dated")
        self.last = entry["time"]
        self.reach()
        self.counts[entry["kind"]] = self.counts.get(entry["kind"], 0) + 1
        if entry["kind"] == "log.successor":
            self.successor(entry, place)
        if entry["kind"] == "anchor.receipt" and entry.get("outcome") == "success":
            self.stamped(entry, place)
        for digest in payloads(entry["body"]):
            self.wanted.setdefault("blobs/%s" % digest, (index, None))
        if self.dates:
            for field in POLICIES.get(entry["kind"], ()):
                if re.fullmatch("[0-9a-f]{64}", str(entry["body"].get(field))):
                    self.wanted.setdefault("policies/%s" % entry["body"][field], (index, None))
            for _, kinds, columns, digest in self.tables:
                if entry["kind"] in kinds:
                    digest.update(row(columns, entry, leaf, self.dates))
        if entry["kind"] in RECORDED and "session" in entry:
            body = entry["body"]
            try:
                extent = int(body["frames"]), int(body["stored_bytes"]), body["root"]
                self.wanted["recordings/%s/%s.cast.zst" % (entry["session"], body["recording"])] = (index, extent)
            except (KeyError, TypeError, ValueError):
                self.wrong(place, "does not say how much of the recording is stored")

    def successor(self, entry, place):
        """The log takes another's place, and names the last checkpoint of it that is known."""
        body = entry["body"]
        try:
            key, size, kept = Key(str(body.get("key"))), int(body["size"]), int(body["kept"])
            lost = max(0, size - kept, int(body.get("witnessed", 0)) - kept)
            root = bytes.fromhex(str(body.get("root")))
            lines = body.get("origin"), size, base64.b64encode(root).decode(), key.name, body.get("signature")
            if checkpoint(("%s\n%d\n%s\n\n" % lines[:3] + DASH + "%s %s\n" % lines[3:]).encode(), key) != (size, root):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            self.wrong(place, "names a checkpoint that the log before has not signed")
            return
        if kept > entry["seq"]:
            self.wrong(place, "says that it keeps more entries than stand before it")
        if all(key.public != known.public for known in [self.key] + (self.trust[0] if self.trust else [])):
            self.wrong(place, "names a log before it by a key that nobody vouches for")
        self.successions.append({"record": entry["seq"], "origin": key.name, "size": size, "kept": kept, "lost": lost})

    def stamped(self, entry, place):
        """An authority has stamped a checkpoint: which, and in which files that stands."""
        body = entry["body"]
        try:
            names = ["blobs/" + body[name]["payload"]["hash"] for name in ("checkpoint", "token")]
            one = {"record": entry["seq"], "size": int(body["size"]), "root": body["root"], "time": body["time"]}
        except (KeyError, TypeError, ValueError):
            self.wrong(place, "does not say which checkpoint was stamped")
            return
        root = self.recent.root(one["size"])
        if root is not None and root.hex() != one["root"]:
            self.wrong(place, "names a stamped root of the first %d records that is not theirs" % one["size"])
        one.update(compared=root is not None, checkpoint=names[0], token=names[1])
        self.stamps.append(one)
        for name in names:
            self.parts[name] = None

    def judge_stamps(self):
        """Those of which both parts are here. Who has signed a token is not looked at."""
        good = []
        for one in self.stamps:
            note, token = self.parts[one["checkpoint"]], self.parts[one["token"]]
            if note is None or token is None:
                continue
            try:
                lines = note.decode().split("\n")
                found = lines[1:3] == [str(one["size"]), base64.b64encode(bytes.fromhex(one["root"])).decode()]
                if not found or (lines[0] == self.key.name and checkpoint(note, self.key) is None):
                    raise ValueError("is another checkpoint")
            except ValueError as error:
                self.wrong(one["checkpoint"], "is stamped, as record %d says, and %s" % (one["record"], error))
                continue
            try:
                if stamp(token) != (hashlib.sha256(note).digest(), one["time"]):
                    raise ValueError("is not over the checkpoint and of the time that it says")
                good.append(one)
            except ValueError as error:
                self.wrong(one["token"], "belongs to record %d, and %s" % (one["record"], error))
        self.stamps = good

    def file(self, name):
        if name.endswith(".frames"):
            cast, text = name[: -len(".frames")] + ".cast.zst", self.reader.whole(LARGE)
            if cast not in self.wanted or self.frames is not None:
                self.wrong(name, "belongs to no recording that a record of the period speaks of")
            if re.fullmatch(rb"([1-9][0-9]{0,18}\n)*", text):
                self.frames = cast, [int(line) for line in text.split()]
            else:
                self.wrong(name, "is not a list of lengths")
        elif name not in self.wanted:
            self.wrong(name, "is nothing that a record of the period speaks of")
        elif name in self.parts and self.reader.left <= 131072:
            self.parts[name] = self.reader.whole(131072)[32:]
        elif isinstance(self.wanted[name][1], tuple):
            seq, extent = self.wanted[name]
            frames, self.frames = self.frames, None
            lengths = frames[1] if frames and frames[0] == name else []
            tree = Tree()
            for length in lengths:
                leaf = hashlib.sha256(b"\0")
                while length and self.reader.left:
                    piece = self.reader.read(min(length, PIECE))
                    leaf.update(piece)
                    length -= len(piece)
                tree.push(leaf.digest() if not length else b"")
            if (tree.size, self.reader.size, tree.root().hex()) == extent:
                self.recordings += 1
            else:
                self.wrong(name, "is not the recording that record %d speaks of" % seq)

    def compare(self):
        if self.behind:
            size, root = self.behind
            if self.tree.size < size:
                self.wrong("records.jsonl", "ends at %d, and checkpoint.b is over %d" % (self.tree.size, size), True)
            elif (self.tree.size, self.tree.root()) != (size, root) and not self.is_named("records.jsonl"):
                self.wrong("records.jsonl", "has another root than checkpoint.b: a record is not as it was")
        for name in ("manifest.json", "manifest.note"):
            if name not in self.small:
                self.wrong(name, "is not in the bundle", True)
                return
        try:
            text = self.small["manifest.json"]
            manifest = json.loads(text.decode(), object_pairs_hook=once)
            if not has_form(manifest, MANIFEST) or canonical(manifest).encode() != text or manifest["format"] != FORMAT:
                raise ValueError
        except (ValueError, RecursionError, TypeError):
            self.wrong("manifest.json", "is not the list of a " + FORMAT)
            return
        digest = hashlib.sha256(text).hexdigest()
        expected = "%s\n%s\n%d %d\n%s\n" % (FORMAT, manifest["origin"], manifest["first"], manifest["end"], digest)
        try:
            if signed_text(self.small["manifest.note"], self.key) != (expected, 1):
                self.wrong("manifest.note", "is not about this manifest.json")
        except ValueError as error:
            self.wrong("manifest.note", str(error))
        seen = self.seen[:-2]
        by_name = {file["name"]: file for file in seen}
        for file in manifest["files"]:
            if file["name"] not in by_name:
                self.wrong(file["name"], "is not in the bundle", True)
            elif by_name[file["name"]] != file and not self.is_named(file["name"]):
                self.wrong(file["name"], "is not the file that manifest.json lists")
        if not self.faults and seen != manifest["files"]:
            self.wrong("manifest.json", "lists other files, or in another order")
        about = manifest["origin"], manifest["first"], manifest["end"]
        if about != (self.key.name, self.first, self.tree.size):
            self.wrong("manifest.json", "is not about these records")
        if (manifest["counts"], manifest["withheld"]) != (self.counts, self.withheld):
            self.wrong("manifest.json", "counts the records otherwise")
        if self.dates and self.dates != [manifest["from"], manifest["to"]]:
            self.wrong("period.txt", "is not the period of manifest.json")
        for missing in manifest["missing"]:
            if isinstance(self.wanted.get(missing["name"], (0, 0))[1], str):
                continue  # a table follows from the records that are here
            if self.wanted.pop(missing["name"], None) is None:
                self.wrong(missing["name"], "is said to be missing, and is not")
        for name, (seq, what) in self.wanted.items():
            if not self.is_named(name):
                why = "follows from the records" if isinstance(what, str) else "record %d speaks of it" % seq
                self.wrong(name, "is not in the bundle, and " + why, True)

    def verdict(self):
        if any(not is_gap for _, _, is_gap in self.faults):
            return "tampered"
        if self.faults:
            return "incomplete"
        if not self.trust and not self.trust_bundle:
            return "consistent, signer not checked"
        if self.quorum is None:
            return "verified, unwitnessed"
        return "verified" if self.quorum else "no quorum"


def main(words):
    options = {"--json": False, "--trust-bundle": False, "--trust": None}
    files = []
    while words:
        word = words.pop(0)
        if word == "--trust" and words:
            options[word] = words.pop(0)
        elif word in ("--json", "--trust-bundle"):
            options[word] = True
        else:
            files.append(word)
    if len(files) != 1 or files[0].startswith("-") or (options["--trust"] and options["--trust-bundle"]):
        print(__doc__, file=sys.stderr)
        return 2
    trust = None
    try:
        if options["--trust"]:
            with open(options["--trust"], encoding="utf-8") as file:
                trust = read_trust(file.read(SMALL + 1))
    except (OSError, ValueError) as error:
        print("verify.py: %s: %s" % (options["--trust"], error), file=sys.stderr)
        return 2
    try:
        with open(files[0], "rb") as file:
            judge = Judge(file, trust, options["--trust-bundle"])
            judge.run()
    except OSError as error:
        print("verify.py: %s" % error, file=sys.stderr)
        return 1
    verdict, key = judge.verdict(), judge.key.text if judge.key else None
    if options["--json"]:
        faults = [{"place": place, "what": what} for place, what, _ in judge.faults]
        told = {"verdict": verdict, "signer": key, "first": judge.first, "faults": faults, "counts": judge.counts}
        told.update(policies=judge.policies, populations=judge.populations, successions=judge.successions)
        told.update(texts=judge.texts, recordings=judge.recordings, withheld=judge.withheld)
        told["stamps"] = judge.stamps
        told["bounds"] = judge.bounds()
        told["end"] = judge.tree.size if judge.tree else judge.first
        print(json.dumps(told, indent=2))
    else:
        print(verdict)
        print("  signed by %s" % ascii(key).strip("'"))
        for name, time in judge.witnesses.items():
            print("  witness %s, %d seconds after 1970" % (ascii(name)[1:-1], time))
        between = [one for one in judge.bounds() if one["after"] and one["before"]]
        if between:
            widest = max(between, key=lambda one: one["before"] - one["after"])
            print("  %d records were written between two signatures, at most %d s apart (records %d to %d)" % (
                sum(one["end"] - one["first"] for one in between), widest["before"] - widest["after"],
                widest["first"], widest["end"] - 1))
        for one in judge.successions:
            print("  succeeds %s: the first %d records are here, %d are lost (record %d)" % (
                ascii(one["origin"])[1:-1], one["kept"], one["lost"], one["record"]))
        if judge.stamps:
            last = judge.stamps[-1]
            print("  stamps %d, the last one says %s: %d records were there" % (
                len(judge.stamps), ascii(last["time"])[1:-1], last["size"]))
            print("  not checked: who has signed these: openssl ts -verify, with the authority's certificate")
        for place, what, _ in judge.faults:
            print("FAULT %s: %s" % (ascii(place)[1:-1], ascii(what)[1:-1]))
    return 0 if verdict in ("verified", "verified, unwitnessed") else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
