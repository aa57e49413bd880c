# Keystrokes pass while output floods.
ready
trust_bastion
mapfile -t options < <(ssh_options)
cat >flood.exp <<'EXPECT'
set timeout 20
match_max 100000
spawn -noecho ssh {*}$argv -tt {echo begin; yes; echo "ended"; exit 5}
expect "y\r\ny\r\n" {} timeout { exit 2 }
send "\003"
expect eof {} timeout { exit 3 }
exit [lindex [wait] 3]
EXPECT
code=0
expect flood.exp "${options[@]}" "$TARGET_LOGIN+db1@127.0.0.1" >flood.log 2>&1 || code=$?
# The interrupt ends the shell that runs the command too.
case $code in 130 | 255) ;; *) tail -c 300 flood.log; fail "code $code" ;; esac
