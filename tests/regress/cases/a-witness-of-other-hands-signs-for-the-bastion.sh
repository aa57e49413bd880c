# A witness written from the specification in Python, sharing no code: it checks each proof of the bastion's itself, and signs. One that
# signs something else, or answers what is no signature, counts as none; one that knows more keeps an older copy from starting.
ready carol
console evidence trust >trust
log=$(sed -n 's/^log \([^ ]*\).*/\1/p' trust)
mkdir w
key=$(python3 "$HERE/independent_witness.py" key w other.example/w)
port=$(free_port)
start witness python3 "$HERE/independent_witness.py" serve w other.example/w "$port" "$log"
eventually 10 listens "$port" || fail "$(cat witness.log)"
printf 'log %s\nwitness other %s http://127.0.0.1:%s/\nquorum other\n' "$log" "$key" "$port" >witnessed
sed -i "s|^\[ledger\]|[ledger]\nwitness_file = \"$PWD/witnessed\"|" "$CONFIG"
echo garbage >w/manner
stop_bastion TERM
cp -a "$STATE" older
serve
eventually 40 grep -q 'not enough witnesses' serve.log || fail "a signature that is none counts: $(cat serve.log)"
echo forge >w/manner
before=$(grep -c 'not enough witnesses' serve.log)
more() { [ "$(grep -c 'not enough witnesses' serve.log)" -gt "$before" ]; }
eventually 60 more || fail "a signature over something else counts: $(cat serve.log)"
! grep -q 'checkpoint cosigned' serve.log || fail 'cosigned without a good signature'
rm w/manner
cosigned() { [ "$(grep -c 'checkpoint cosigned' serve.log)" -ge "$1" ]; }
eventually 60 cosigned 1 || fail "nothing is cosigned: $(cat serve.log witness.log)"
# Growth, each step with a proof that this witness checks.
for n in 2 3 4; do
  console whoami >who
  eventually 60 cosigned "$n" || fail "step $n: $(cat serve.log witness.log)"
done
grep -q '^old [1-9][0-9]* 200$' witness.log || fail "no growth was proved: $(cat witness.log)"
! grep -qE ' (400|403|404|422)$' witness.log || fail "the bastion asked what it must not: $(cat witness.log)"
console evidence export --from 1h >bundle.tar 2>export.err || fail "export: $(cat export.err)"
"$SALLYPORT" evidence verify bundle.tar --trust witnessed >out || fail "verify: $(cat out)"
equal 'verdict' "$(head -n 1 out)" verified
# An older copy of the whole: the checkpoint beside it is older too, and only the witness knows.
stop_bastion TERM
mv "$STATE" newer
cp -a older "$STATE"
rm -f checkpoint/last
start serve "$SALLYPORT" serve --config "$CONFIG"
code=0
wait "$PID" || code=$?
[ "$code" != 0 ] || fail 'it starts on an older copy'
contains 'why' "$(cat serve.log)" other
echo "figures: an independent witness was asked $(grep -c . witness.log) times, $(grep -c ' 200$' witness.log) signed, $(grep -c ' 409$' witness.log) told its size"
