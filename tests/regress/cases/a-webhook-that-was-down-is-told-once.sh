# A receiver that is down for 60 s hears of a held command once, with a signature that it can check with its own code.
new_bastion
hold_all_commands
port=$(free_port)
openssl rand -base64 32 >secret
secret "$(cat secret)"
chmod 600 secret
cat >>"$CONFIG" <<CONFIG

[[notify]]
name = "hook"
kind = "webhook"
url = "http://127.0.0.1:$port/in"
secret_file = "$PWD/secret"
internal = true
CONFIG
"$SALLYPORT" check --config "$CONFIG" >check 2>&1 || fail "check: $(cat check)"
serve
sign_in alice
trust_bastion
began=$SECONDS
via -o SetEnv=SALLYPORT_WAIT=80s -- 'echo run' >out 2>err </dev/null &
waiting=$!
eventually 20 grep -q 'sallyport: held ' err || fail "nothing was held: $(cat err)"
until [ $((SECONDS - began)) -ge 60 ]; do sleep 1; done
start receiver python3 "$HERE/webhook.py" "$port" secret
eventually 60 grep -q '^delivered approval.requested signature good$' receiver.log || fail "not told: $(cat receiver.log serve.log)"
code=0
wait "$waiting" || code=$?
equal 'exit code when nobody agreed' "$code" 75
eventually 30 grep -q '^delivered approval.resolved signature good$' receiver.log || fail "not told of the end: $(cat receiver.log)"
stop_bastion TERM
equal 'deliveries' "$(grep -c '^delivered approval.requested' receiver.log)" 1
# What is looked through afterwards for secrets is what was produced; this is where one was kept.
rm secret
