# A store that cannot be read: moved aside, made anew from the log, said loudly; a used token stays used, and the same folder that
# is lost altogether names every recording that went with it.
ready

# The port is open a moment before the store is.
says() {
  eventually 20 grep -qF "$1" serve.log || fail "the bastion does not say: $1"
}

via 'echo before the damage' >out
session=$(last_session | jq -er .session)
cp token used-token
cp key used-key && cp key.pub used-key.pub
stop_bastion TERM
"$SALLYPORT" store check --config "$CONFIG" >check.txt || { cat check.txt; fail 'a whole store has faults'; }
contains 'the check' "$(cat check.txt)" 'no fault'

# sled's snapshot is damaged: nothing is lost, because all else is read without it.
snapshot=$(find "$STATE/store/sled" -name 'snap.*' | head -n 1)
[ -n "$snapshot" ] || fail 'sled has no snapshot to damage'
printf 'damage' | dd of="$snapshot" bs=1 seek=3 conv=notrunc 2>/dev/null
code=0
"$SALLYPORT" store check --config "$CONFIG" --json >check.json || code=$?
equal 'exit code of a check that finds a fault' "$code" 3
jq -e '.faults[] | select(.mend == "sallyport store rebuild")' check.json >/dev/null || { cat check.json; fail 'no mend is named'; }
serve
says 'the store is damaged: it was moved aside'
says 'nothing is lost'
[ -n "$(find "$STATE" -maxdepth 1 -name 'store.damaged-*')" ] || fail 'the damaged store is gone'
console export "$session" --format raw >again.cast.zst
zstd -dcq again.cast.zst >again.cast
equal 'the recording of before' "$(in_recording stdout again.cast)" 'before the damage'
cp used-token token && cp used-key key && cp used-key.pub key.pub
exchange local random && fail 'a token that was used is taken again'
sign_in alice
equal 'a new session' "$(via 'echo up')" up
stop_bastion TERM
"$SALLYPORT" store check --config "$CONFIG" >check.txt || { cat check.txt; fail 'the new store has faults'; }

# The database itself is gone: every recording is named, and the bastion still serves.
find "$STATE/store/sled" -type f -name db -exec truncate -s 100 {} \;
find "$STATE/store/sled" -name 'snap.*' -delete
serve
says 'something is lost'
equal 'another session' "$(via 'echo up again')" 'up again'
stop_bastion TERM
"$SALLYPORT" store check --config "$CONFIG" >check.txt || { cat check.txt; fail 'what is known to be lost is a fault'; }
contains 'the check' "$(cat check.txt)" 'lost before'

# Nothing there at all is not taken for new.
mv "$STATE/store" "$STATE/store.elsewhere"
code=0
"$SALLYPORT" store check --config "$CONFIG" >check.txt || code=$?
equal 'exit code of a check without a store' "$code" 3
serve
says 'the store is missing'
