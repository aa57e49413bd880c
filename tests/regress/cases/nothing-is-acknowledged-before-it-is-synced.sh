# The system calls themselves: a certificate is not answered before the entries about it are synced, and nothing of a durable session is
# shown before its frames are. A kill cannot show that (the page cache survives it); a lost sync can only be seen here.
command -v strace >/dev/null || fail 'strace is not installed: tests/run.sh installs it'
TARGET_ENV=production new_bastion
stop_bastion TERM
start serve strace -f -qq -s 600 -yy -o trace -e trace=write,writev,pwrite64,pwritev,sendto,sendmsg,fdatasync,fsync \
  "$SALLYPORT" serve --config "$CONFIG"
eventually 60 listens "$SSH_PORT" || { cat serve.log; fail 'the bastion does not listen'; }
sign_in_pipeline build
for round in 1 2 3; do
  via 'head -c 150000 /dev/urandom' >"out.$round"
  equal 'bytes shown' "$(stat -c %s "out.$round")" 150000
done
# Little at a time, whose frames are short: those lie in sled's own file.
via 'for i in $(seq 60); do head -c 2000 /dev/urandom; sleep 0.05; done' >out.short
equal 'bytes shown' "$(stat -c %s out.short)" 120000
BASTION=$(pgrep -P "$PID" -x sallyport)
kill -TERM "$BASTION"
eventually 40 gone "$PID" || fail 'the bastion does not end'
python3 "$HERE/synced.py" trace "$STATE" "$SSH_PORT" "${URL##*:}"
# Judged without its syncs, the same trace must fail: else the judge sees nothing.
for which in log/tail store/sled/db store/long; do
  grep -v "sync(.*$which" trace >"unsynced"
  python3 "$HERE/synced.py" unsynced "$STATE" "$SSH_PORT" "${URL##*:}" >judged.txt && { cat judged.txt; fail "a trace without a sync of $which is taken for good"; }
  contains "without syncs of $which" "$(cat judged.txt)" "$which"
done
