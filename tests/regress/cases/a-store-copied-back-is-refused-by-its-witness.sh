# An old copy of the whole state folder, with no checkpoint kept outside: the witness knows more, and the bastion does not start.
ready carol
console evidence trust >trust
port=$(free_port)
start w1 "$SALLYPORT" witness --dir "$PWD/w1" --name w1.example.com/w --log trust --listen "127.0.0.1:$port"
W1=$PID
eventually 10 listens "$port" || fail "w1: $(cat w1.log)"
{
  grep ^log trust
  echo "$("$SALLYPORT" witness --dir "$PWD/w1" --name w1.example.com/w --log trust --print-key | sed 's/^witness [^ ]*/witness w1/') http://127.0.0.1:$port/"
  echo 'quorum w1'
} >witnessed
sed -i "/^last_checkpoint_file/d; s|^\[ledger\]|[ledger]\nwitness_file = \"$PWD/witnessed\"|" "$CONFIG"
stop_bastion TERM
serve
eventually 40 grep -q 'checkpoint cosigned' serve.log || fail "nothing is cosigned: $(cat serve.log)"
stop_bastion TERM
cp -a "$STATE" older
# Its own restart is no reason to refuse.
serve
console whoami >/dev/null || fail 'a restart with everything in place'
# The first is that of the copy; the witness must have seen more than that.
more() { [ "$(grep -c 'checkpoint cosigned' serve.log)" -ge 2 ]; }
eventually 40 more || fail "nothing more is cosigned: $(cat serve.log)"
stop_bastion TERM
mv "$STATE" newer
cp -a older "$STATE"
code=0
timeout 30 "$SALLYPORT" serve --config "$CONFIG" >refused.log 2>&1 || code=$?
equal 'exit code with an old copy' "$code" 1
contains 'why' "$(cat refused.log)" 'witness w1 has signed'
contains 'what to do' "$(cat refused.log)" 'Bring back the newer copy'
diff -r older/log "$STATE/log" || fail 'something was written to a log that was refused'
# The newer copy is taken again, and so is it while the witness is away.
rm -r "$STATE"
mv newer "$STATE"
serve
console whoami >/dev/null || fail 'the newer copy'
stop_bastion TERM
kill "$W1"
eventually 10 gone "$W1"
serve
console whoami >/dev/null || fail 'a witness that is away keeps the bastion from serving'
stop_bastion TERM
# Where the newer copy is gone, what the witness was heard to have signed is enough to go on as another log.
rm -r "$STATE"
cp -a older "$STATE"
code=0
"$SALLYPORT" store succeed --config "$CONFIG" >out 2>&1 || code=$?
equal 'exit code where nothing here shows a loss' "$code" 1
contains 'what is missing' "$(cat out)" '--witnessed N'
signed=$(sed -n 's/.*witness w1 has signed \([0-9]*\) entries.*/\1/p' refused.log)
"$SALLYPORT" store succeed --config "$CONFIG" --witnessed "$signed" >out || fail "store succeed: $(cat out)"
contains 'what the witness knew' "$(cat out)" "$signed entries were signed"
serve
console whoami >/dev/null || fail 'the log that goes on'
stop_bastion TERM
