# Both streams apart, the exit code, and the same in the recording.
ready
code=0
via 'echo out; echo err >&2; exit 7' >out 2>err || code=$?
equal 'exit code' "$code" 7
equal 'stdout' "$(cat out)" out
equal 'stderr' "$(cat err)" err
recording_of_last
equal 'recorded stdout' "$(in_recording stdout)" out
equal 'recorded stderr' "$(in_recording stderr)" err
