# Unknown and forbidden read the same; nobody signs in at the target.
ready
code=0
mapfile -t options < <(ssh_options)
ssh "${options[@]}" root+db1@127.0.0.1 'echo never' >out 2>err || code=$?
equal 'exit code for a login that is not permitted' "$code" 126
contains 'stderr' "$(cat err)" 'sallyport:'
equal 'stdout' "$(cat out)" ''
code=0
ssh "${options[@]}" deploy+nosuch@127.0.0.1 'echo never' >out 2>err || code=$?
equal 'exit code for a target that does not exist' "$code" 126
contains 'stderr' "$(cat err)" "sallyport: no target 'nosuch' for you"
lacks 'log of sshd' "$(cat sshd-auth.log)" 'Accepted'
