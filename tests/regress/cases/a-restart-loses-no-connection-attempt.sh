# A service manager holds the sockets: whoever connects while the bastion restarts waits, and gets in.
ready
stop_bastion TERM
start manager python3 "$HERE/manager.py" "$PWD/notified" "ssh=$SSH_PORT" "http=${URL##*:}" -- "$SALLYPORT" serve --config "$CONFIG"
MANAGER=$PID
eventually 20 grep -qs READY=1 notified || { cat manager.log; fail 'never ready'; }
contains 'log' "$(cat manager.log)" 'listens on a socket of the service manager'
equal 'through a handed-over socket' "$(via 'echo here')" here
trust_bastion
# One client after the other, three at a time, over three restarts.
clients() {
  local n
  for n in $(seq 1 12); do
    if [ "$(via "echo $1.$n" 2>>"lost.$1")" = "$1.$n" ]; then echo ok; else echo "lost $1.$n"; fi >>attempts
  done
}
: >attempts
tried() { [ "$(wc -l <attempts)" -ge "$1" ]; }
ready_again() { [ "$(grep -c READY=1 notified)" -gt "$1" ]; }
for lane in 1 2 3; do clients "$lane" & lanes+=("$!"); done
for restart in 1 2 3; do
  eventually 30 tried $((restart * 7)) || fail 'the clients stand still'
  kill -USR1 "$MANAGER"
  eventually 30 ready_again "$restart" || fail "restart $restart is never ready"
done
wait "${lanes[@]}"
equal 'restarts' "$(grep -c restarted notified)" 3
equal 'ends' "$(grep -c '^exit 0' notified)" 3
equal 'attempts that got in, of 36' "$(grep -c ok attempts)" 36
equal 'HTTP too' "$(curl -sS -o /dev/null -w '%{http_code}' "$URL/v1/ca")" 200
echo "36 connections over 3 restarts, none lost"
kill -TERM "$MANAGER"
eventually 30 gone "$MANAGER" || fail 'the manager does not end'
