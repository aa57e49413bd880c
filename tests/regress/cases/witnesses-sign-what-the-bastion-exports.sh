# Two witnesses sign a bastion's checkpoints; the bundle has their signatures, all verifiers ask for them, and one that stops is told.
ready carol
console evidence trust >trust
witness() {
  start "$1" "$SALLYPORT" witness --dir "$PWD/$1" --name "$1.example.com/w" --log trust --listen "127.0.0.1:$2"
  eventually 10 listens "$2" || { cat "$1.log"; fail "$1 listens"; }
}
PORT1=$(free_port)
witness w1 "$PORT1"
PORT2=$(free_port)
witness w2 "$PORT2"
W2=$PID
{
  grep ^log trust
  for one in w1 w2; do
    port=$PORT1
    [ $one = w1 ] || port=$PORT2
    echo "$("$SALLYPORT" witness --dir "$PWD/$one" --name "$one.example.com/w" --log trust --print-key | sed "s/^witness [^ ]*/witness $one/") http://127.0.0.1:$port/"
  done
  echo 'group both all w1 w2'
  echo 'quorum both'
} >witnessed
sed -i "s|^\[ledger\]|[ledger]\nwitness_file = \"$PWD/witnessed\"|" "$CONFIG"
stop_bastion TERM
serve
eventually 40 grep -q 'checkpoint cosigned' serve.log || fail "nothing is cosigned: $(cat serve.log)"
console evidence trust >stated
# What is written from here on lies between two signatures.
console whoami >whoami
twice() { [ "$(grep -c 'checkpoint cosigned' serve.log)" -ge 2 ]; }
eventually 60 twice || fail "nothing more is cosigned: $(cat serve.log)"
equal 'what the bastion states' "$(sed 's/group both 2/group both all/' stated)" "$(cat witnessed)"

console evidence export --from 1h >bundle.tar 2>export.err || fail "export: $(cat export.err)"
"$SALLYPORT" evidence verify bundle.tar --trust witnessed --json >report.json || fail "verify: $(cat report.json)"
equal 'verdict' "$(jq -r .verdict report.json)" verified
equal 'witnesses' "$(jq -c '[.witnesses[].name]' report.json)" '["w1","w2"]'
[ "$(jq -r .back_dating_bound report.json)" != null ] || fail 'no bound'
jq -e '[.bounds[] | select(.after and .before and .seconds < 300)] | length > 0' report.json >bounded || fail "no lower bound: $(cat report.json)"
python3 "$HERE/../../src/ledger/bundle/verify.py" bundle.tar --trust witnessed --json >second || fail "verify.py: $(cat second)"
equal 'bounds by verify.py' "$(jq -c '[.bounds[] | [.first, .end, .after != null, .before != null]]' second)" \
  "$(jq -c '[.bounds[] | [.first, .end, .after != null, .before != null]]' report.json)"
python3 "$HERE/../../src/ledger/bundle/verify.py" bundle.tar --trust witnessed >second || fail "verify.py: $(cat second)"
equal 'verdict of verify.py' "$(head -n 1 second)" verified
GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$PWD/gocache" GOFLAGS='' HOME="$PWD" go build -o verify_go "$HERE/bundle.go" ||
  fail 'the verifier in Go'
./verify_go bundle.tar witnessed >third || fail "the verifier in Go: $(cat third)"
console evidence prove 2 >record || fail 'prove'
"$SALLYPORT" evidence verify-record record --trust witnessed >out || fail "verify-record: $(cat out)"
equal 'verdict on a record' "$(head -n 1 out)" verified

# Whoever trusts other witnesses is told that they have not signed.
other=$("$SALLYPORT" witness --dir "$PWD/w3" --name w3.example.com/w --log trust --print-key | cut -d' ' -f3)
{ grep ^log trust; echo "witness w3 $other"; echo 'quorum w3'; } >others
code=0
"$SALLYPORT" evidence verify bundle.tar --trust others >out || code=$?
equal 'exit code without a quorum' "$code" 3
equal 'verdict without a quorum' "$(head -n 1 out)" 'no quorum'
code=0
python3 "$HERE/../../src/ledger/bundle/verify.py" bundle.tar --trust others >out || code=$?
equal 'verify.py without a quorum' "$code: $(head -n 1 out)" '3: no quorum'

code=0
./verify_go bundle.tar others >out || code=$?
equal 'the verifier in Go without a quorum' "$code: $(cat out)" '3: FAULT "checkpoint.b: no quorum"'
# A cosignature that is not good is a fault, whoever else has signed.
python3 - <<'PYTHON'
import base64
bundle = bytearray(open("bundle.tar", "rb").read())
name = b"\xe2\x80\x94 w1.example.com/w "
at = bundle.index(name, bundle.index(b"checkpoint.b\0")) + len(name)
end = bundle.index(b"\n", at)
signature = bytearray(base64.b64decode(bytes(bundle[at:end])))
signature[-1] ^= 1
bundle[at:end] = base64.b64encode(signature)
open("forged.tar", "wb").write(bundle)
PYTHON
code=0
./verify_go forged.tar witnessed >out || code=$?
equal 'the verifier in Go on a forged cosignature' "$code" 3
contains 'where' "$(cat out)" 'checkpoint.b: invalid signature'

# One that has lost its state is not led to sign another history.
kill "$W2"
eventually 10 gone "$W2"
rm -r w2/state
witness w2 "$PORT2"
eventually 60 grep -q 'has lost its state' serve.log || fail "a witness that forgot is trusted: $(tail -n 20 serve.log)"
