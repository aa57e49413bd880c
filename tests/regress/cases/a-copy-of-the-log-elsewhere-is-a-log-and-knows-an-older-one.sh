# The log is copied to a folder elsewhere: it waits for nobody, is read without the bastion, and an older state folder is refused.
new_bastion
mkdir copy
sed -i "/^last_checkpoint_file/d; s|^\[ledger\]|[ledger]\ncopy_dir = \"$PWD/copy\"|" "$CONFIG"
"$SALLYPORT" check --config "$CONFIG" >check 2>&1 || fail "check: $(cat check)"
stop_bastion TERM
# The disk is away: the bastion starts and serves all the same, says so, and makes no folder in its place.
mv copy away
"$SALLYPORT" check --config "$CONFIG" >check 2>&1 || true
contains 'what check says of a folder that is away' "$(cat check)" 'copy_dir'
serve
sign_in carol
console whoami >who || fail 'nobody is served while the place of the copy is away'
eventually 30 grep -q 'is not in the copy of the log' serve.log || fail "a place that is away is not told: $(cat serve.log)"
[ ! -e copy ] || fail 'the folder was made'
mv away copy
eventually 90 grep -q 'the copy of the log has caught up' serve.log || fail "it does not catch up: $(cat serve.log)"
for _ in 1 2 3; do via true >/dev/null 2>&1 || true; done
console evidence trust >trust
console evidence export --from 1h >bundle.tar 2>export.err || fail "export: $(cat export.err)"
tar -xOf bundle.tar records.jsonl | jq -r 'select(.kind == "log.copied") | .outcome + " " + (.body.reason // "")' >said
equal 'what the log says of its copy' "$(cat said)" $'failure not reached\nsuccess '
stop_bastion TERM
cmp "$STATE/log/checkpoint" copy/checkpoint || fail 'the copy lacks the last checkpoint'
"$SALLYPORT" evidence verify-copy copy --trust trust >out || fail "verify-copy: $(cat out)"
contains 'the verdict' "$(cat out)" 'verified, unwitnessed'
# The same without any code of ours: entries from their bundles, the root of the checkpoint over them.
cat >read.py <<'PYTHON'
import base64, hashlib, json, sys
sys.path.insert(0, sys.argv[2])
import witness

folder = sys.argv[1]
origin, size, root = open(folder + "/checkpoint").read().split("\n")[:3]
size, leaves = int(size), []
for index in range((size + 255) // 256):
    part = "" if index < size // 256 else ".p/%d" % (size % 256)
    data, at = open(folder + "/tile/entries/%03d%s" % (index, part), "rb").read(), 0
    hashes = open(folder + "/tile/0/%03d%s" % (index, part), "rb").read()
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        assert json.loads(entry)["seq"] == len(leaves)
        leaves.append(hashlib.sha256(b"\0" + entry).digest())
        at += 2 + length
    assert hashes == b"".join(leaves[index * 256 :])
assert len(leaves) == size > 10, size
assert base64.b64decode(root) == witness.root(leaves), "another root than the checkpoint's"
PYTHON
python3 read.py copy "$HERE" || fail 'the copy, read by another program'
# A byte changed, a file gone, keys of somebody else: each is told.
refuses() {
  local code=0
  "$SALLYPORT" evidence verify-copy "$1" --trust "${3:-trust}" >out || code=$?
  equal "exit code for $1" "$code" 3
  contains "what is said of $1" "$(cat out)" "$2"
}
bundle="tile/entries/000.p/$(sed -n 2p copy/checkpoint)"
cp -a copy flipped
printf X | dd of="flipped/$bundle" bs=1 seek=200 conv=notrunc 2>/dev/null
refuses flipped FAULT
cp -a copy gone
rm "gone/$bundle"
refuses gone "$bundle"
sed "s|localhost/|elsewhere/|" copy/checkpoint >note
cp -a copy renamed
cp note renamed/checkpoint
refuses renamed 'does not name'
code=0
"$SALLYPORT" evidence verify-copy nowhere --trust trust >out 2>&1 || code=$?
equal 'exit code for a folder that is not there' "$code" 1
# An older state folder, with nothing but the copy to know better.
cp -a "$STATE" older
serve
console whoami >who || fail 'a restart with everything in place'
stop_bastion TERM
mv "$STATE" newer
cp -a older "$STATE"
cp -a copy copy.before
code=0
timeout 30 "$SALLYPORT" serve --config "$CONFIG" >refused.log 2>&1 || code=$?
equal 'exit code with an older state folder' "$code" 1
contains 'why' "$(cat refused.log)" 'restored from an older copy'
diff -r older/log "$STATE/log" || fail 'something was written to a log that was refused'
diff -r copy.before copy || fail 'something was written to the copy'
rm -r "$STATE"
mv newer "$STATE"
serve
console whoami >who || fail 'the newer state folder'
stop_bastion TERM
# Where the newer one is lost, the copy's checkpoint is enough to go on as another log; its copy begins in an empty folder.
rm -r "$STATE"
mv older "$STATE"
"$SALLYPORT" store succeed --config "$CONFIG" --checkpoint copy/checkpoint >out || fail "store succeed: $(cat out)"
code=0
timeout 30 "$SALLYPORT" serve --config "$CONFIG" >refused.log 2>&1 || code=$?
equal 'exit code with the copy of the log before' "$code" 1
contains 'what to do' "$(cat refused.log)" 'Name a place that is empty'
mkdir copy2
sed -i "s|/copy\"|/copy2\"|" "$CONFIG"
serve
console whoami >who || fail 'the log that goes on'
console evidence trust >trust2
stop_bastion TERM
"$SALLYPORT" evidence verify-copy copy2 --trust trust2 >out || fail "the copy of the log that goes on: $(cat out)"
"$SALLYPORT" evidence verify-copy copy --trust trust >out || fail "the copy of the log before: $(cat out)"
