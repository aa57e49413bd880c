# An authority that is openssl's own stamps a checkpoint; the bundle has the token, and openssl says that it is over that checkpoint.
new_bastion
port=$(free_port)
mkdir tsa
(
  cd tsa
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=throw-away authority' \
    -addext 'basicConstraints=critical,CA:TRUE' -keyout ca.key -out ca.pem 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=throw-away stamps' -keyout tsa.key -out tsa.csr 2>/dev/null
  openssl x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out tsa.pem \
    -extfile <(printf 'extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n') 2>/dev/null
  echo 01 >serial
  cat >tsa.cnf <<'CONFIG'
[tsa]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
certs = ca.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
CONFIG
)
sed -i "s|^\[ledger\]|[ledger]\ntimestamp_url = \"http://127.0.0.1:$port/\"\ntimestamp_every = \"1m\"|" "$CONFIG"
"$SALLYPORT" check --config "$CONFIG" >check 2>&1 || fail "check: $(cat check)"
stop_bastion TERM
# Nobody is there yet: the bastion starts and serves all the same.
serve
sign_in carol
console whoami >who || fail 'nobody is served without an authority'
eventually 30 grep -q 'has not stamped' serve.log || fail "an authority that is away is not told: $(cat serve.log)"
stop_bastion TERM
start authority python3 "$HERE/tsa.py" "$port" "$PWD/tsa"
eventually 10 listens "$port" || fail "$(cat authority.log)"
serve
eventually 30 grep -q 'checkpoint stamped' serve.log || fail "nothing is stamped: $(cat serve.log authority.log)"
console evidence trust >trust
console evidence export --from 1h >bundle.tar 2>export.err || fail "export: $(cat export.err)"
"$SALLYPORT" evidence verify bundle.tar --trust trust >out || fail "verify: $(cat out)"
contains 'what verify says of stamps' "$(cat out)" "not checked: the authorities' signatures"
grep '^ .*  tail -c +33' out >commands
grep '^ .*  openssl ts' out | sed "s|AUTHORITY.pem|$PWD/tsa/ca.pem|" >>commands
"$SALLYPORT" evidence verify bundle.tar --trust trust --json | jq -c '[.stamps[] | [.record, .size, .time, .compared]]' >ours
jq -e 'length >= 1 and all(.[3])' <ours >/dev/null || fail "no stamp is compared: $(cat ours)"
verify_py() { python3 "$HERE/../../src/ledger/bundle/verify.py" "$@" --trust trust; }
verify_py bundle.tar >out || fail "verify.py: $(cat out)"
contains 'what verify.py says of stamps' "$(cat out)" 'not checked: who has signed these'
equal 'the stamps of verify.py' "$(verify_py bundle.tar --json | jq -c '[.stamps[] | [.record, .size, .time, .compared]]')" "$(cat ours)"
GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$PWD/gocache" GOFLAGS='' HOME="$PWD" go build -o verify_go "$HERE/bundle.go" ||
  fail 'the verifier in Go'
./verify_go bundle.tar trust >out || fail "the verifier in Go: $(cat out)"
contains 'the stamps of the verifier in Go' "$(cat out)" "stamps $(jq length ours); "
mkdir bundle
tar -xf bundle.tar -C bundle
(cd bundle && bash -e ../commands) >out 2>&1 || fail "the commands that verify prints: $(cat commands out)"
contains 'what they come to' "$(cat out)" 'Verification: OK'
of() { jq -r "select(.kind == \"anchor.receipt\") | $1" bundle/records.jsonl; }
contains 'the attempt that came to nothing' "$(of 'select(.outcome == "failure") | .body.reason')" 'not reached'
note=$(of 'select(.outcome == "success") | .body.checkpoint.payload.hash' | head -n 1)
token=$(of 'select(.outcome == "success") | .body.token.payload.hash' | head -n 1)
tail -c +33 "bundle/blobs/$note" >note
tail -c +33 "bundle/blobs/$token" >token.tsr
openssl ts -verify -data note -in token.tsr -CAfile tsa/ca.pem >out 2>&1 || fail "openssl: $(cat out)"
contains 'what openssl says' "$(cat out)" 'Verification: OK'
equal 'the stamped size' "$(sed -n 2p note)" "$(of 'select(.outcome == "success") | .body.size' | head -n 1)"
# Another checkpoint is not what was stamped.
sed '2s/$/0/' note >other
openssl ts -verify -data other -in token.tsr -CAfile tsa/ca.pem >out 2>&1 && fail 'openssl takes another checkpoint'
# A token that was exchanged is found by name.
cp bundle.tar flipped.tar
at=$(grep -abo "blobs/$token" flipped.tar | head -n 1 | cut -d: -f1)
printf 'X' | dd of=flipped.tar bs=1 seek=$((at + 512 + 100)) conv=notrunc 2>/dev/null
code=0
"$SALLYPORT" evidence verify flipped.tar --trust trust >out || code=$?
equal 'exit code for another token' "$code" 3
contains 'where' "$(cat out)" "blobs/$token"
stop_bastion TERM
code=0
verify_py flipped.tar >out || code=$?
equal 'exit code of verify.py for another token' "$code" 3
code=0
./verify_go flipped.tar trust >out || code=$?
equal 'exit code of the verifier in Go for another token' "$code" 3
