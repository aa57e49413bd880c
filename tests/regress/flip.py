#!/usr/bin/env python3
"""Changes bytes of a bundle, one at a time, and asks verify.py each time: flip.py VERIFY.PY BUNDLE TRUST.

Every byte of the list of files, whose form it has to judge before it reads it, and each 40th of the rest.
"""

import importlib.util
import io
import sys
import tarfile

spec = importlib.util.spec_from_file_location("verify", sys.argv[1])
verify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify)
with open(sys.argv[2], "rb") as file:
    content = bytearray(file.read())
with open(sys.argv[3], encoding="utf-8") as file:
    trust = verify.read_trust(file.read())
with tarfile.open(sys.argv[2]) as archive:
    listed = archive.getmember("manifest.json")
places = set(range(0, len(content), 40)) | set(range(listed.offset_data, listed.offset_data + listed.size))


def verdict():
    judge = verify.Judge(io.BytesIO(content), trust, False)
    judge.run()
    return judge.verdict()


assert verdict() == "verified, unwitnessed", verdict()
for at in sorted(places):
    content[at] ^= 1 << at % 8
    assert verdict() in ("tampered", "incomplete"), at
    content[at] ^= 1 << at % 8
print("%d bytes changed, each found" % len(places))
