# Long frames lie in files beside sled. A bit of one turns on the disk: the check names that recording and no other, who replays it hears
# that it cannot be read and gets no other bytes, and a rebuild keeps what stands before it and all else.
ready
via 'echo short' >out
short=$(last_session | jq -er .session)
via 'head -c 1000000 /dev/urandom' >random
long=$(last_session | jq -er .session)
stop_bastion TERM
"$SALLYPORT" store check --config "$CONFIG" >check.txt || { cat check.txt; fail 'a whole store has faults'; }
files=$(find "$STATE/store/long" -type f | wc -l)
[ "$files" -ge 1 ] || fail 'no long frame lies beside sled'
file=$(find "$STATE/store/long" -type f -size +500k | head -n 1)
equal 'rights of the file' "$(stat -c %a "$file")" 600

python3 -c 'import sys; f = open(sys.argv[1], "r+b"); f.seek(0, 2); at = f.tell() // 2; f.seek(at); b = f.read(1)[0]; f.seek(at); f.write(bytes([b ^ 1]))' "$file"
code=0
"$SALLYPORT" store check --config "$CONFIG" --json >check.json || code=$?
equal 'exit code of a check that finds a fault' "$code" 3
jq -e '.recordings == 2 and (.faults | length == 1 and (.[0].at | startswith("recording ")) and (.[0].what | contains("damaged")))' check.json >/dev/null || { cat check.json; fail 'not that recording alone is named'; }

serve
code=0
console export "$long" --format raw >damaged.zst 2>damaged.err || code=$?
[ "$code" != 0 ] || fail 'a damaged recording is given out as a whole one'
contains 'what the reviewer hears' "$(cat damaged.err)" 'the recording cannot be read; tell the operator'
contains 'what the operator hears' "$(cat serve.log)" 'Damaged'
console export "$short" --format raw >short.zst
zstd -dcq short.zst >short.cast
equal 'the other recording' "$(in_recording stdout short.cast)" short
equal 'a new session' "$(via 'echo up')" up
stop_bastion TERM

code=0
"$SALLYPORT" store rebuild --config "$CONFIG" --json >rebuild.json || code=$?
equal 'exit code of a rebuild that loses something' "$code" 3
equal 'recordings named' "$(jq '.recordings_lost | length' rebuild.json)" 1
"$SALLYPORT" store check --config "$CONFIG" >check.txt || { cat check.txt; fail 'what is known to be lost is a fault'; }
