# sd_notify: ready, alive, reloading, stopping. A long session is told, cut after the grace, its recording sealed, exit 0.
ready
stop_bastion TERM
start manager python3 "$HERE/manager.py" "$PWD/notified" -- "$SALLYPORT" serve --config "$CONFIG"
MANAGER=$PID
heard() { eventually 20 grep -qs "$1" notified || { cat notified manager.log; fail "the manager never hears $1"; }; }
heard '^READY=1|STATUS=serving$'
heard '^WATCHDOG=1'
kill -HUP "$MANAGER"
heard '^RELOADING=1|MONOTONIC_USEC=[0-9]'
heard '^READY=1|STATUS=serving; reloaded, changed: nothing'
printf 'permit (\n' >policies/90-faulty.cedar
kill -HUP "$MANAGER"
heard '^READY=1|STATUS=serving; the last reload was refused'
rm policies/90-faulty.cedar

via 'echo begun; exec sleep 300' >out 2>err &
client=$!
eventually 10 grep -qs begun out || fail 'the session does not begin'
kill -TERM "$MANAGER"
heard '^STOPPING=1|EXTEND_TIMEOUT_USEC=32000000|STATUS=stopping: 1 sessions are open, 2 s at most'
heard '^exit 0'
code=0
wait "$client" || code=$?
equal 'exit code' "$code" 255
contains 'stderr' "$(cat err)" 'sallyport: the bastion is stopping: this session is cut in 2 s; come to an end'
contains 'stderr' "$(cat err)" 'sallyport: the session was cut: the bastion is stopping'
serve
recording_of_last
equal 'recorded' "$(in_recording stdout)" begun
stop_bastion TERM
# With an hour of grace, a second signal ends it at once.
sed -i 's/^drain = "2s"/drain = "1h"/' "$CONFIG"
serve
# What the first session left would pass for the second's.
rm out err
via 'echo begun; exec sleep 300' >out 2>err &
client=$!
eventually 10 grep -qs begun out || fail 'the session does not begin'
kill -TERM "$BASTION"
eventually 10 grep -qs 'is cut in 60 min' err || fail 'nobody is told'
kill -TERM "$BASTION"
eventually 20 gone "$BASTION" || fail 'a second signal does not cut'
code=0
wait "$BASTION" || code=$?
equal 'exit code' "$code" 0
