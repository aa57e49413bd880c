# The newer copy of the state folder is gone: the older one goes on under another origin, and every verifier says what is lost.
ready
via 'echo before' >/dev/null 2>&1
sign_in carol
console evidence trust >old_trust
stop_bastion TERM
code=0
"$SALLYPORT" store succeed --config "$CONFIG" >out 2>&1 || code=$?
equal 'exit code with nothing lost' "$code" 1
contains 'nothing lost' "$(cat out)" 'nothing is lost'
cp -a "$STATE" older
kept=$(sed -n 2p older/log/checkpoint)
serve
sign_in alice
via 'echo lost' >/dev/null 2>&1
stop_bastion TERM
outside=$(sed -n 's/^last_checkpoint_file = "\(.*\)"/\1/p' "$CONFIG")
signed=$(sed -n 2p "$outside")
[ "$signed" -gt "$kept" ] || fail "nothing more was signed: $kept, $signed"
rm -r "$STATE"
cp -a older "$STATE"
code=0
timeout 30 "$SALLYPORT" serve --config "$CONFIG" >refused.log 2>&1 || code=$?
equal 'exit code with an old copy' "$code" 1
contains 'what to do' "$(cat refused.log)" 'store succeed'

"$SALLYPORT" store succeed --config "$CONFIG" >out || fail "store succeed: $(cat out)"
contains 'what is lost' "$(cat out)" "$signed entries were signed, $kept are here, $((signed - kept)) are lost"
aside=$(sed -n 's/^kept aside *//p' out)
diff -r older/log "$aside" --exclude=last_checkpoint_file || fail 'the log before is not as it was'
equal 'the checkpoint outside, kept' "$(sed -n 2p "$aside/last_checkpoint_file")" "$signed"
equal 'the origin of the checkpoint outside' "$(head -n 1 "$outside")" "$(cat "$STATE/origin")"
[ "$(cat "$STATE/origin")" != "$(cat older/origin)" ] || fail 'the origin is that of before'
"$SALLYPORT" store check --config "$CONFIG" >check || fail "store check: $(cat check)"

serve
sign_in alice
via 'echo after' >/dev/null 2>&1
sign_in carol
to=$(date -u -d '1 second' +%Y-%m-%dT%H:%M:%SZ)
sleep 2
console evidence trust >trust
console evidence export --from 1h --to "$to" >bundle.tar 2>export.err || fail "export: $(cat export.err)"
"$SALLYPORT" evidence verify bundle.tar --trust trust --json >report.json || fail "verify: $(cat report.json)"
equal 'the log before' "$(jq -r '.successions[0].origin' report.json)" "$(cat older/origin)"
equal 'what is here and what is lost' "$(jq -c '.successions[0] | [.kept, .size, .lost]' report.json)" "[$kept,$signed,$((signed - kept))]"
contains 'in words' "$("$SALLYPORT" evidence verify bundle.tar --trust trust)" "it had signed $signed records, the first $kept are here"
python3 "$HERE/../../src/ledger/bundle/verify.py" bundle.tar --trust trust --json >second.json || fail "verify.py: $(cat second.json)"
equal 'successions of both' "$(jq -cS .successions second.json)" "$(jq -cS .successions report.json)"
GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$PWD/gocache" GOFLAGS='' HOME="$PWD" go build -o verify_go "$HERE/bundle.go" ||
  fail 'the third verifier is built'
./verify_go bundle.tar trust >third || fail "the third verifier: $(cat third)"
contains 'the third verifier' "$(cat third)" "succeeds $(cat older/origin), which had signed $signed: $kept are here"
# Whoever knows the old log only does not take the new one for it.
"$SALLYPORT" evidence verify bundle.tar --trust old_trust >out && fail "verified by the key of the log before: $(cat out)"
contains 'the old key alone' "$(cat out)" 'a log that the trust file does not name'
# Serials go on beyond what the lost entries may have given out.
tar -xOf bundle.tar records.jsonl >records
from=$(jq -r 'select(.kind == "log.successor").body.serial' records)
jq --argjson kept "$kept" 'select(.kind == "cert.issued" and .seq > $kept).body.serial | tonumber' records >serials
[ -s serials ] || fail 'no certificate was issued after it'
equal 'serials below those that are passed over' "$(awk -v from="$from" '$1 < from' serials)" ''
stop_bastion TERM

# A call that is interrupted between two steps is finished by the next one, and no bastion starts meanwhile.
cp -a "$STATE" again
printf '{"before":"%s","origin":"%s","kept":1,"signed":2,"aside":"log.before-x"}' "$(cat older/origin)" "$(cat "$STATE/origin")" >"$STATE/succession"
mv "$STATE/log" "$STATE/log.successor"
cp -a older/log "$STATE/log.before-x"
code=0
timeout 30 "$SALLYPORT" serve --config "$CONFIG" >refused.log 2>&1 || code=$?
equal 'exit code in between' "$code" 1
contains 'in between' "$(cat refused.log)" "run 'sallyport store succeed' again"
"$SALLYPORT" store succeed --config "$CONFIG" >out || fail "finished: $(cat out)"
diff -r again/log "$STATE/log" || fail 'the log is not the one that was made'
serve
console whoami >/dev/null || fail 'a bastion after that'
stop_bastion TERM
