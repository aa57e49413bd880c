# durable: what the client has seen is on disk, so a kill at any moment loses none of it.
TARGET_ENV=production new_bastion
sign_in_pipeline build
via 'for i in $(seq 1 60); do echo "line $i"; sleep 0.05; done' >out 2>/dev/null &
client=$!
eventually 20 grep -qx 'line 20' out || fail 'the session does not begin'
stop_bastion KILL
wait "$client" || true
serve
sign_in carol
recording_of_last
in_recording stdout >recorded
cmp -n "$(stat -c %s out)" out recorded || fail 'the client saw what the recording lacks'
