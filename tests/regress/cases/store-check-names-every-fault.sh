# Everything against the log: what is changed in the log, what is missing in the store; and a rebuild that says what it could not have again.
ready
via 'seq 1 2000' >out
via 'echo two' >out
stop_bastion TERM
started=$SECONDS
"$SALLYPORT" store check --config "$CONFIG" --json >check.json || { cat check.json; fail 'a whole store has faults'; }
jq -r '"figures: store check: \(.entries) entries, \(.registers) registers, \(.sessions) sessions, \(.frames) frames, \(.texts) texts"' check.json
jq -e '.good and .sessions == 2 and .recordings == 2 and .texts > 1 and .registers > 2' check.json >/dev/null || { cat check.json; fail 'not all was looked at'; }

# While it runs, nobody else may look.
serve
code=0
"$SALLYPORT" store check --config "$CONFIG" >check.txt 2>&1 || code=$?
equal 'exit code beside a bastion that runs' "$code" 1
contains 'the message' "$(cat check.txt)" 'another sallyport'
stop_bastion TERM

# Without the old store's contents: each recording is named, here and in the log.
cp -a "$STATE" whole
"$SALLYPORT" store rebuild --config "$CONFIG" >rebuild.txt || { cat rebuild.txt; fail 'a rebuild from a whole store loses something'; }
contains 'the rebuild' "$(cat rebuild.txt)" '2 whole, 0 not'
"$SALLYPORT" store check --config "$CONFIG" >check.txt || { cat check.txt; fail 'a rebuilt store has faults'; }
rm -rf "$STATE/store"
code=0
"$SALLYPORT" store rebuild --config "$CONFIG" --json >rebuild.json || code=$?
equal 'exit code of a rebuild from nothing' "$code" 3
equal 'recordings named' "$(jq '.recordings_lost | length' rebuild.json)" 2
"$SALLYPORT" store check --config "$CONFIG" --json >check.json || { cat check.json; fail 'what is known to be lost is a fault'; }
equal 'registers' "$(jq .registers check.json)" "$(jq .registers check.json)"

# One byte of the log.
bundle=$(find "$STATE/log/tile/entries" -type f | sort | tail -n 1)
size=$(stat -c %s "$bundle")
printf 'X' | dd of="$bundle" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
code=0
"$SALLYPORT" store check --config "$CONFIG" --json >check.json || code=$?
equal 'exit code with a changed log' "$code" 3
jq -e '.faults | length >= 1 and all(.at | startswith("log/"))' check.json >/dev/null || { cat check.json; fail 'the fault has no place'; }
code=0
"$SALLYPORT" store rebuild --config "$CONFIG" >rebuild.txt 2>&1 || code=$?
equal 'exit code of a rebuild from a changed log' "$code" 1
contains 'the message' "$(cat rebuild.txt)" 'bring back a copy of the log'
