# A clean stop in the middle of a session: the client is told, the recording is whole up to the cut and sealed.
ready
via 'echo begun; sleep 300; echo never' >out 2>err &
client=$!
eventually 10 grep -q begun out || fail 'the session does not begin'
stop_bastion TERM
code=0
wait "$client" || code=$?
equal 'exit code' "$code" 255
contains 'stderr' "$(cat err)" 'sallyport:'
serve
recording_of_last
equal 'recorded' "$(in_recording stdout)" begun
