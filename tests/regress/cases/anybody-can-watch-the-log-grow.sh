# A monitor without an account makes the root anew from tiles over HTTP; entries and everything else stay where they are.
new_bastion
sed -i 's|^\[http\]|[http]\nserve_log = true|' "$CONFIG"
stop_bastion TERM
serve
sign_in alice
via true >/dev/null 2>&1
via true >/dev/null 2>&1
cat >watch.py <<'PYTHON'
import base64, sys, urllib.request
sys.path.insert(0, sys.argv[2])
import witness

get = lambda path: urllib.request.urlopen(sys.argv[1] + "/log/" + path, timeout=10).read()
for _ in range(5):
    origin, size, root = get("checkpoint").decode().split("\n")[:3]
    try:
        hashes = b"".join(
            get("tile/0/%03d" % index + ("" if index < int(size) // 256 else ".p/%d" % (int(size) % 256)))
            for index in range((int(size) + 255) // 256)
        )
        break
    except urllib.error.HTTPError:
        pass  # It has grown meanwhile.
leaves = [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
assert len(leaves) == int(size) > 0, size
assert base64.b64decode(root) == witness.root(leaves), "another root than the checkpoint's"
print(size)
PYTHON
sleep 11
python3 watch.py "$URL" "$HERE" >size || fail 'the tiles have the root of the checkpoint'
for path in tile/entries/000 "tile/entries/000.p/$(cat size)" tail checkpoints/000 policies/x ..%2Ftail tile/0/..%2F..%2Ftail tile/00/000; do
  equal "what $path is answered with" "$(curl -s -o out -w '%{http_code}' "$URL/log/$path")" 404
done
stop_bastion TERM
sed -i '/^serve_log/d' "$CONFIG"
serve
equal 'where the config does not say so' "$(curl -s -o out -w '%{http_code}' "$URL/log/checkpoint")" 404
