# pty-req with its modes, and window-change.
ready
trust_bastion
mapfile -t options < <(ssh_options)
cat >terminal.exp <<'EXPECT'
set timeout 20
set env(TERM) vt220
set stty_init {rows 41 columns 101 -ixon intr ^K}
spawn -noecho ssh {*}$argv -tt
expect -re {[$#] $} {} timeout { exit 2 }
send "PS1=; echo size=\$(stty size) term=\$TERM\r"
expect "size=41 101 term=vt220" {} timeout { exit 3 }
send "stty -a\r"
expect -re {intr = \^K} {} timeout { exit 4 }
expect -re {[^a-z]-ixon} {} timeout { exit 5 }
stty rows 30 columns 90 < $spawn_out(slave,name)
exec kill -WINCH [exp_pid]
send "sleep 0.5; echo again=\$(stty size)\r"
expect "again=30 90" {} timeout { exit 6 }
send "exit 9\r"
expect eof
exit [lindex [wait] 3]
EXPECT
code=0
expect terminal.exp "${options[@]}" "$TARGET_LOGIN+db1@127.0.0.1" >terminal.log 2>&1 || code=$?
[ "$code" = 9 ] || { cat terminal.log; fail "step $code"; }
recording_of_last
contains 'recorded screen' "$(in_recording all)" 'size=41 101'
grep -q '"r", *"90x30"' last.cast || fail 'the new size is not in the recording'
