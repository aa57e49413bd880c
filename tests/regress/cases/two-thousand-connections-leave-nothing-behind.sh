# Connections that end in every way, politely and not: afterwards descriptors, tasks and the target's processes are as before, and memory
# stays where it was. SOAK: how many (2000; 100000 on demand, with CASE_LIMIT to match).
soak=${SOAK:-2000}
new_bastion
stop_bastion TERM
printf '\n[ops]\nlisten = "unix:%s"\n' "$PWD/ops.sock" >>"$CONFIG"
echo 'MaxStartups 200' >>sshd_config
kill "$SSHD"
eventually 10 gone "$SSHD" || fail 'the target does not end'
run_sshd
serve
sign_in alice
HOME="$PWD" GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$HERE/matrix/.clients/go" GOFLAGS='' go build -o soak "$HERE/soak/soak.go" >go.log 2>&1 ||
  { cat go.log; fail 'the client does not build'; }

gauge() { curl -sS --unix-socket ops.sock http://x/metrics | awk -v name="$1" 'index($0, name) == 1 && $1 !~ /^#/ { sum += $2 } END { print sum + 0 }'; }
descriptors() { find "/proc/$BASTION/fd" -mindepth 1 | wc -l; }
pss_kib() { awk '/^Pss:/ { print $2 }' "/proc/$BASTION/smaps_rollup"; }
# Of this target alone: a program that another case's client left is not ended by a real sshd either, and shares the account.
left_at_target() {
  local id
  {
    pgrep -P "$SSHD" || true
    for id in $(pgrep -u "$TARGET_LOGIN" || true); do
      "${as_root[@]}" cat "/proc/$id/environ" 2>/dev/null | grep -qazE "^SSH_CONNECTION=.* $SSHD_PORT\$" && echo "$id" || true
    done
  } | wc -l
}
quiet() { [ "$(gauge sallyport_sessions_open)" = 0 ] && [ "$(left_at_target)" = 0 ]; }
as_before() { [ "$(gauge sallyport_tasks)" -le "$tasks" ] && [ "$(descriptors)" -le "$open" ]; }

# What is made once and kept counts as before: caches, threads, the stores' own files.
timeout 120 ./soak "$SSH_PORT" "$TARGET_LOGIN" key 160 16 >warm.log 2>&1 || { cat warm.log; fail 'the first connections'; }
eventually 60 quiet || fail "sessions or processes stay: $(gauge sallyport_sessions_open) open, $(left_at_target) at the target"
# A task more or less may be under way at any moment: the least of some looks.
least() { for _ in 1 2 3 4 5 6 7 8; do "$@"; sleep 0.25; done | sort -n | head -n 1; }
tasks=$(least gauge sallyport_tasks) open=$(least descriptors) memory=$(pss_kib)
[ "$tasks" -gt 0 ] || fail 'no count of tasks'

half=$((soak / 2))
began=$SECONDS
timeout $((600 + half / 20)) ./soak "$SSH_PORT" "$TARGET_LOGIN" key "$half" 16 >first.log 2>&1 || { cat first.log; fail 'the first half'; }
halfway=$(pss_kib)
timeout $((600 + half / 20)) ./soak "$SSH_PORT" "$TARGET_LOGIN" key "$half" 16 >second.log 2>&1 || { cat second.log; fail 'the second half'; }
took=$((SECONDS - began))
eventually 60 quiet || fail "sessions or processes stay: $(gauge sallyport_sessions_open) open, $(left_at_target) at the target"
eventually 30 as_before || fail "tasks $tasks before, $(gauge sallyport_tasks) after; descriptors $open before, $(descriptors) after"
after=$(pss_kib)
echo "figures: $((half * 2)) connections in $took s; tasks $tasks and $(least gauge sallyport_tasks), descriptors $open and $(least descriptors), PSS $memory, $halfway and $after KiB"
# The log's own tree and index grow with what is recorded; a leak of a connection would be tens of KiB each.
[ $((after - halfway)) -lt $((half * 8 + 32768)) ] || fail "the second half took $((after - halfway)) KiB more"
