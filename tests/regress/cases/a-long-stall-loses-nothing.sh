# One connection on which nobody reads for long, on either side, while others of its channels are used: every byte arrives once somebody
# reads, and little is held meanwhile. STALL_S=7200 CASE_LIMIT=9000 for hours of it.
ready
stall=${STALL_S:-15}
# From the client to the target keep-alives go unanswered only if the bastion is stuck.
via -M -S "$PWD/master" -f -N -o ServerAliveInterval=10 -o ServerAliveCountMax=3 --
eventually 10 test -S master || fail 'no master connection'
# The same bytes every time: of as many random ones, one part in a thousand has something that the masker hides.
head -c 33554432 /dev/zero | openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 0123456789abcdef0123456789abcdef >noise
digest=$(sha256sum <noise | cut -d' ' -f1)
install -m 644 noise "$PWD/noise.there"
chmod 755 "$PWD"
pss_kib() { awk '/^Pss:/ { print $2 }' "/proc/$BASTION/smaps_rollup"; }
before=$(pss_kib)
(via -S "$PWD/master" -- "cat $PWD/noise.there" | (sleep "$stall" && sha256sum | cut -d' ' -f1 >down.sum)) 2>down.err &
down=$!
via -S "$PWD/master" -- "sleep $stall && sha256sum" <noise 2>up.err | cut -d' ' -f1 >up.sum &
up=$!
began=$SECONDS looks=0 held=0
while [ $((SECONDS - began)) -lt $((stall - 3)) ]; do
  # Before anybody reads: what has passed is in the store's cache.
  now=$(($(pss_kib) - before))
  [ "$now" -le "$held" ] || held=$now
  equal "a command after $((SECONDS - began)) s" "$(via -S "$PWD/master" -- 'echo on')" on
  looks=$((looks + 1))
  sleep $((stall / 15 + 1))
done
wait "$down" || fail "down: $(cat down.err)"
wait "$up" || fail "up: $(cat up.err)"
equal 'what was read late' "$(cat down.sum)" "$digest"
equal 'what was taken late' "$(cat up.sum)" "$digest"
# With what the store keeps of the recordings of random bytes in memory.
[ "$held" -lt 32768 ] || fail "$held KiB were held for two channels that nobody read"
echo "figures: nobody read for $stall s on either side; $looks commands beside it, $held KiB more"
