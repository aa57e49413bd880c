# The client has ended its input long before the command ends; the code must come before the end of the channel.
ready
master
for i in $(seq 1 40); do
  code=0
  via -S master -- "echo $i; exit $((i % 100 + 1))" </dev/null >out || code=$?
  equal "exit code of run $i" "$code" "$((i % 100 + 1))"
  equal "output of run $i" "$(cat out)" "$i"
done
via -S master -O exit -- 2>/dev/null || true
