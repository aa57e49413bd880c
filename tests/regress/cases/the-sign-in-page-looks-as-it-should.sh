# The page in a real browser: shown whole, without a script, and what stands on it.
new_bastion
trust_bastion
new_key
mapfile -t options < <(ssh_options)
# A prompt that waits: its link, and time to look at it.
cat >hold.exp <<'EXPECT'
set timeout 60
spawn -noecho {*}$argv
expect "Press Enter to sign in with corp: " { after 1200; send "\r" } timeout { exit 2 }
expect -re {(http[^ \r\n]*/sign-in/[A-Za-z0-9_-]+)} {} timeout { exit 3 }
set file [open link w]; puts -nonewline $file $expect_out(1,string); close $file
expect eof
EXPECT
start hold expect hold.exp ssh -o BatchMode=no "${options[@]}" "$TARGET_LOGIN+db1@127.0.0.1"
eventually 20 test -s link || { cat hold.log; fail 'no link'; }
link=$(cat link)
# Without the flags that keep it from looking for its maker's servers it would.
browser=(chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
  --disable-component-update --disable-sync --user-data-dir="$PWD/browser" --window-size=800,700)
timeout 60 "${browser[@]}" --dump-dom "$link" >dom.html 2>browser.log || { cat browser.log; fail 'the browser'; }
timeout 60 "${browser[@]}" --screenshot="$PWD/page.png" "$link" >>browser.log 2>&1 || { cat browser.log; fail 'the browser'; }
contains 'page' "$(cat dom.html)" 'Sign in to an SSH connection'
contains 'its button' "$(cat dom.html)" '<button>Sign in with corp</button>'
contains 'the key' "$(cat dom.html)" "$(ssh-keygen -l -f key.pub | cut -d' ' -f2)"
contains 'the client' "$(cat dom.html)" 'SSH-2.0-OpenSSH_'
contains 'the address' "$(cat dom.html)" 'from the same address as this browser'
lacks 'scripts' "$(cat dom.html)" '<script'
# Painted: a page without its style would be white all over.
equal 'kind of picture' "$(head -c 8 page.png | od -An -tx1 | tr -d ' ')" 89504e470d0a1a0a
[ "$(stat -c %s page.png)" -gt 8000 ] || fail "the picture has $(stat -c %s page.png) bytes"
headers=$(curl -sSI -X GET "$link" | tr -d '\r')
contains 'headers' "$headers" "default-src 'none'"
contains 'headers' "$headers" 'referrer-policy: no-referrer'
contains 'headers' "$headers" 'cache-control: no-store'
echo "figures: a page of $(stat -c %s dom.html) bytes, painted as $(stat -c %s page.png)"
