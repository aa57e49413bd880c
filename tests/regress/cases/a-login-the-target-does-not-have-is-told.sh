# Permitted by policy, unknown to the target: a line of ours, no hang, and the bastion goes on.
ready
trust_bastion
mapfile -t options < <(ssh_options)
code=0
timeout 30 ssh "${options[@]}" nosuchaccount+db1@127.0.0.1 true >out 2>err || code=$?
[ "$code" != 0 ] && [ "$code" != 124 ] || fail "exit code $code"
contains 'stderr' "$(cat err)" 'sallyport:'
equal 'another login' "$(via 'echo here')" here
