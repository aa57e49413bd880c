# Without an HTTP side of its own the bastion runs the issuer's device flow, if the config says that it may; what comes of it counts for less.
new_bastion
trust_bastion
new_key
stop_bastion TERM
mapfile -t options < <(ssh_options)
asked=(ssh -o BatchMode=no "${options[@]}")
sed -i '/^\[http\]/,/^$/d; s/^client_id = "sallyport"$/&\ndevice = true/' "$CONFIG"
"$SALLYPORT" check --offline --config "$CONFIG" >check.log 2>&1 || true
serve

# device_walk ADDRESS CODE LOGIN: what a person does on the issuer's device page.
device_walk() {
  local jar page location
  jar=$(mktemp -p "$SUITE") page=$(mktemp -p "$SUITE")
  curl -sS -b "$jar" -c "$jar" "$1" -o "$page"
  xsrf=$(sed -n 's/.*name="xsrf" value="\([^"]*\)".*/\1/p' "$page" | head -n 1)
  curl -sS -b "$jar" -c "$jar" "$1" -o "$page" -d xsrf="$xsrf" --data-urlencode "user_code=$2"
  location=$(curl -sS -b "$jar" -c "$jar" "$1" -o "$page" -w '%{redirect_url}' -d xsrf="$xsrf" --data-urlencode "user_code=$2" -d confirm=yes)
  # The last page leads nowhere: whether it was the right one, the client says.
  walk "$jar" "$location" "$3" none: >walk.log 2>&1 || true
}
cat >device.exp <<'EXPECT'
set timeout 60
spawn -noecho {*}$argv
expect "Press Enter to sign in with corp: " { after 1200; send "\r" } timeout { exit 92 }
expect -re {code\r\n\r\n *(http[^ \r\n]+)\r\n *([A-Z0-9-]+)\r\n.*Then press Enter here: } {} timeout { exit 93 }
set file [open told w]; puts $file "$expect_out(1,string) $expect_out(2,string)"; close $file
send "\r"
expect eof
exit [lindex [wait] 3]
EXPECT
expect device.exp "${asked[@]}" console@127.0.0.1 whoami >client.log 2>&1 &
client=$!
eventually 20 test -s told || { cat client.log; fail 'no code'; }
read -r address code <told
device_walk "$address" "$code" alice
wait "$client" || { cat client.log; fail 'whoami'; }
contains 'whoami' "$(cat client.log)" 'flow device'
# Production, approvals and certificates are not for this flow: the starter policies say so.
equal 'the key is known' "$(ssh "${options[@]}" console@127.0.0.1 keys --json | jq -r '.keys[0].flow')" device
