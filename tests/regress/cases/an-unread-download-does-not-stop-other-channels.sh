# One connection: a download that nobody reads beside a command that must answer.
ready
master
mkfifo unread
via -S master -- 'head -c 300M /dev/zero' >unread &
download=$!
exec 3<unread
head -c 100000 <&3 >/dev/null
sleep 1
began=$(date +%s%N)
equal 'answer' "$(via -S master -- 'echo here')" here
took=$((($(date +%s%N) - began) / 1000000))
echo "answered after $took ms"
[ "$took" -lt 5000 ] || fail "an answer took $took ms"
exec 3<&-
kill "$download" 2>/dev/null || true
via -S master -O exit -- 2>/dev/null || true
