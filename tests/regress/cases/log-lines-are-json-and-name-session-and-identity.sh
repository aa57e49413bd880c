# --log-format json: one object a line; what happens in a session names it and the identity; no secret is in it.
ready
stop_bastion TERM
start serve env SALLYPORT_LOG=debug "$SALLYPORT" --log-format json serve --config "$CONFIG"
BASTION=$PID
eventually 20 listens "$SSH_PORT" || fail 'the bastion does not listen'
sign_in alice
equal 'a session' "$(via 'echo one')" one
eventually 10 grep -q '"session ended"' serve.log || fail 'no end of a session in the log'
code=0
via -l nosuchaccount+db1 -- true 2>/dev/null || code=$?
equal 'exit code' "$code" 255
eventually 10 grep -q 'target not usable' serve.log || fail 'the refused login is not in the log'
stop_bastion TERM
jq -es 'length > 5 and all(.[]; .timestamp and .level and .target and .message)' serve.log >/dev/null || fail 'not a list of events'
equal 'lines' "$(jq -c . serve.log | wc -l)" "$(wc -l <serve.log)"
for event in 'session ended' 'target not usable'; do
  jq -es --arg event "$event" 'map(select(.message == $event)) | length > 0 and all(.[];
    .span.name == "session" and (.span.session | length) == 26 and (.span.identity | startswith("corp/"))
    and .spans[0].name == "connection" and (.spans[0].identity | startswith("corp/")) and .spans[0].source)' \
    serve.log >/dev/null || { grep "$event" serve.log; fail "'$event' does not say where it belongs"; }
done
# The token, its nonce and the command are nobody's business here.
for secret in "$(cat token)" "$(cut -d. -f3 token)" "$(base64url <random)" 'echo one'; do
  ! grep -qF -- "$secret" serve.log || fail 'a secret is in the log'
done
