# Never on first use, never after a change: the connection ends before anybody signs in there.
ready
equal 'with the right key' "$(via 'echo once')" once
kill "$SSHD" && eventually 5 gone "$SSHD"
rm sshd_host_key sshd_host_key.pub
ssh-keygen -q -t ed25519 -N '' -f sshd_host_key
: >sshd-auth.log
run_sshd
code=0
via 'echo twice' >out 2>err || code=$?
[ "$code" != 0 ] || fail 'a changed host key was accepted'
equal 'stdout' "$(cat out)" ''
contains 'stderr' "$(cat err)" 'sallyport:'
lacks 'log of sshd' "$(cat sshd-auth.log)" 'Accepted'
