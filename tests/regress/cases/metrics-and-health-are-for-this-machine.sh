# Metrics and health on a socket of the file system, which a dead process has left there too; a refused reload shows.
ready
stop_bastion TERM
printf '\n[ops]\nlisten = "unix:%s"\n' "$PWD/ops.sock" >>"$CONFIG"
serve
ops() { curl -sS --unix-socket ops.sock "http://x$1"; }
is_ready() { [ "$(ops /health/ready 2>/dev/null)" = ok ]; }
eventually 10 is_ready || fail 'never ready'
equal 'a session' "$(via 'echo one')" one
contains 'metrics' "$(ops /metrics)" 'sallyport_sessions_total{outcome="success"} 1'
equal 'mode' "$(stat -c %a ops.sock)" 660
printf 'permit (\n' >policies/90-faulty.cedar
kill -HUP "$BASTION"
refused() { ops /metrics | grep -q '^sallyport_reload_last_success 0$'; }
eventually 10 refused || fail 'a refused reload does not show'
rm policies/90-faulty.cedar
kill -HUP "$BASTION"
done_again() { ops /metrics | grep -q '^sallyport_reload_last_success 1$'; }
eventually 10 done_again || fail 'a good reload does not show'
# Killed, it leaves its socket behind.
stop_bastion KILL
[ -S ops.sock ] || fail 'no socket was left'
serve
eventually 10 is_ready || fail 'never ready again'
# Not for strangers.
sed -i 's/^listen = "unix:.*/listen = "0.0.0.0:9464"/' "$CONFIG"
code=0
"$SALLYPORT" check --offline --config "$CONFIG" 2>faults >/dev/null || code=$?
equal 'exit code' "$code" 2
contains 'fault' "$(cat faults)" 'ops.listen: is not on loopback'
