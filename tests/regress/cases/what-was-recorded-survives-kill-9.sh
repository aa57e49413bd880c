# No goodbye at all: what was recorded for more than the flush bound is there, sealed as recovered.
ready
via 'for i in $(seq 1 100); do echo "line $i"; sleep 0.1; done' >out 2>/dev/null &
client=$!
eventually 20 grep -qx 'line 30' out || fail 'the session does not begin'
stop_bastion KILL
wait "$client" || true
serve
recording_of_last
in_recording stdout >recorded
grep -qx 'line 15' recorded || fail "the recording ends early: $(tail -n 1 recorded)"
cmp -n "$(stat -c %s recorded)" recorded out || fail 'the recording is no beginning of what the client saw'
equal 'a new session' "$(via 'echo up')" up
