# Real sessions, an export over ssh, a check offline with the key from another road; a changed byte is named.
ready
via 'echo one; echo two >&2' >/dev/null 2>&1
via 'head -c 200000 /dev/urandom | base64' >/dev/null
recording_of_last
code=0
console evidence export --from 1h >refused.tar 2>refused.err || code=$?
equal 'exit code for whom policy does not let audit' "$code" 4
equal 'bytes for whom policy does not let audit' "$(wc -c <refused.tar)" 0

sign_in carol
to=$(date -u -d '1 second' +%Y-%m-%dT%H:%M:%SZ)
sleep 2
console evidence export --from 1h --to "$to" >bundle.tar 2>export.err || fail "export: $(cat export.err)"
from=$(tar -xOf bundle.tar manifest.json | jq -r .from)
console evidence export --from "$from" --to "$to" >again.tar 2>/dev/null
same_bytes 'two exports of one period' bundle.tar again.tar
console evidence trust >trust

"$SALLYPORT" evidence verify bundle.tar --trust trust --json >report.json || fail "verify: $(cat report.json)"
equal 'verdict' "$(jq -r .verdict report.json)" 'verified, unwitnessed'
equal 'recordings in the bundle' "$(jq .recordings report.json)" 2
equal 'sessions in the bundle' "$(jq '.counts["session.start"]' report.json)" 2
code=0
"$SALLYPORT" evidence verify bundle.tar >out || code=$?
equal 'exit code without a key' "$code" 3
contains 'without a key' "$(cat out)" 'signer not checked'
contains 'whom the verdict believed' "$("$SALLYPORT" evidence verify bundle.tar --trust-bundle)" 'the bundle itself'

equal 'tables in the bundle' "$(jq .populations report.json)" 8
equal 'policies in the bundle' "$(jq '.policies >= 2' report.json)" true

# The table that the console prints is the one in the bundle, and a sample is picked again with sha256sum alone.
console evidence population --control decisions --from "$from" --to "$to" >table || fail 'population'
equal 'the table of the bundle' "$(tar -xOf bundle.tar population/decisions.csv)" "$(grep -v '^#' table)"
equal 'rows by the query of its head' "$(tar -xOf bundle.tar records.jsonl | jq -c "$(sed -n 's/^# query *//p' table)" | wc -l)" \
  "$(grep -v '^#' table | tail -n +2 | wc -l)"
console evidence sample --control decisions -n 2 --seed 20261001 --from "$from" --to "$to" >sample || fail 'sample'
grep ^yes, table | while IFS= read -r row; do
  printf '%s %s\n' "$(printf '%s' "20261001:${row##*,}" | sha256sum | cut -c -64)" "$row"
done | sort | head -n 2 | cut -c 66- | sort >by_hand
equal 'the sample' "$(grep -v '^#' sample | tail -n +2 | sort)" "$(cat by_hand)"

# The same sample packed: stock tar opens it, and each record in it is proved.
console evidence sample --control decisions -n 2 --seed 20261001 --from "$from" --to "$to" --pack >pack.tar 2>pack.err || fail "pack: $(cat pack.err)"
mkdir pack
tar -xf pack.tar -C pack
equal 'the sample in the pack' "$(grep -v '^#' pack/sample.csv)" "$(grep -v '^#' sample)"
for one in pack/records/*; do
  "$SALLYPORT" evidence verify-record "$one" --trust trust >out || fail "$one: $(cat out)"
done
[ -e "pack/records/$(tail -n 1 by_hand | awk -F, '{ print $(NF - 1) }')" ] || fail 'a sampled record is not in the pack'

# One record with its proof.
console evidence prove 3 >record || fail 'prove'
"$SALLYPORT" evidence verify-record record --trust trust >out || fail "verify-record: $(cat out)"
contains 'a proved record' "$(cat out)" 'record      3 of '
sed 's/"seq":3/"seq":4/' record >forged
"$SALLYPORT" evidence verify-record forged --trust trust >out && fail "a forged record is proved: $(cat out)"

# The second verifier, from the source and not from the bundle, says the same.
verify_py() { python3 "$HERE/../../src/ledger/bundle/verify.py" "$@"; }
verify_py bundle.tar --trust trust --json >second.json || fail "verify.py: $(cat second.json)"
for part in verdict signer first end counts texts recordings withheld policies populations; do
  equal "$part of both" "$(jq -cS ".$part" second.json)" "$(jq -cS ".$part" report.json)"
done
code=0
verify_py bundle.tar >out || code=$?
equal 'exit code of verify.py without a key' "$code" 3
console evidence export --from "$from" --to "$to" --only-hashes >hashes.tar 2>/dev/null
verify_py hashes.tar --trust trust >/dev/null || fail 'verify.py of hashes alone'
"$SALLYPORT" evidence verify hashes.tar --trust trust >/dev/null || fail 'verify of hashes alone'

# The third, on the packages that Go's own checksum database is verified with.
GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$PWD/gocache" GOFLAGS='' HOME="$PWD" go build -o verify_go "$HERE/bundle.go" ||
  fail 'the third verifier is built'
for bundle in bundle.tar hashes.tar; do
  ./verify_go $bundle trust >third || fail "the third verifier on $bundle: $(cat third)"
  contains "the third verifier on $bundle" "$(cat third)" "records $(jq .first report.json) to $(($(jq .end report.json) - 1)),"
  tables=8
  [[ $bundle == bundle.tar ]] || tables=0
  contains "the third verifier on $bundle" "$(cat third)" ", $tables tables;"
done
console evidence trust --json | jq -r '"log " + .log' | sed 's/.$/A/' >other
./verify_go bundle.tar other >third && fail 'the third verifier believes another key'

# Stock tools read it: tar unpacks it, the digests are those of the list, zstd reads the recording.
mkdir unpacked
tar -xf bundle.tar -C unpacked
(cd unpacked && jq -r '.files[] | "\(.sha256)  \(.name)"' manifest.json | sha256sum -c --quiet) || fail 'sha256sum reads the list'
zstd -dcq unpacked/recordings/*/*.cast.zst >casts
grep -q one casts || fail 'zstd reads a recording of the bundle'

# flip OFFSET: bundle.tar with one bit changed there.
flip() {
  cp bundle.tar changed.tar
  python3 -c 'import sys; f = open("changed.tar", "r+b"); f.seek(int(sys.argv[1])); b = f.read(1)[0] ^ 4; f.seek(int(sys.argv[1])); f.write(bytes([b]))' "$1"
}
flip "$(grep -abo 'alice@example.com' bundle.tar | head -n 1 | cut -d: -f1)"
code=0
"$SALLYPORT" evidence verify changed.tar --trust trust >out || code=$?
equal 'exit code of a changed bundle' "$code" 3
contains 'a changed record' "$(cat out)" 'FAULT records.jsonl'
# A changed record, text or frame: the third verifier refuses it too.
for part in alice@example.com sallyrec 'echo one'; do
  flip "$(grep -abo "$part" bundle.tar | tail -n 1 | cut -d: -f1)"
  ./verify_go changed.tar trust >third && fail "the third verifier on another $part: $(cat third)"
done

# The script of the bundle's README, with no program of ours: it agrees, and finds a changed record, list and signature.
sed -n '/^       set -e$/,/^       echo every/s/^       //p' unpacked/README.txt >by_hand.sh
by_hand() { (rm -rf hand && mkdir hand && cd hand && BUNDLE=$1 TRUST=../trust sh ../by_hand.sh) >hand.out 2>&1; }
by_hand ../bundle.tar || fail "by hand: $(cat hand.out)"
contains 'by hand' "$(cat hand.out)" 'every file is as it was signed'
for part in alice@example.com '"files":' 'sallyport-bundle'; do
  flip "$(grep -abo "$part" bundle.tar | tail -n 1 | cut -d: -f1)"
  by_hand ../changed.tar && fail "by hand another $part is not found"
done

# same FILE: both refuse it, in the same words.
same() {
  "$SALLYPORT" evidence verify "$1" --trust trust >out && fail "$2 is verified: $(cat out)"
  verify_py "$1" --trust trust >second && fail "$2 is verified by verify.py: $(cat second)"
  equal "verdict on $2" "$(head -n 1 second)" "$(head -n 1 out)"
}
size=$(stat -c %s bundle.tar)
for at in $(python3 -c "import random; r = random.Random(9); print(*(r.randrange($size) for _ in range(20)))"); do
  flip "$at"
  same changed.tar "byte $at changed"
done
for at in $(python3 -c "import random; r = random.Random(8); print(*(r.randrange($size) for _ in range(80)))"); do
  flip "$at"
  "$SALLYPORT" evidence verify changed.tar --trust trust >out && fail "byte $at was changed, and: $(cat out)"
done
# A changed list of files is judged too, whatever has become of its form.
python3 "$HERE/flip.py" "$HERE/../../src/ledger/bundle/verify.py" "$HERE/../golden/bundle-v1.tar" "$HERE/../golden/bundle-v1.trust" >flips ||
  fail "verify.py on changed bytes of the golden bundle: $(cat flips)"
head -c $((size - 2000)) bundle.tar >changed.tar
same changed.tar 'a cut bundle'
equal 'a cut bundle' "$(head -n 1 out)" incomplete
echo "figures: $size bytes of bundle, 100 random bytes changed, each found"
