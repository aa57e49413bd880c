# The client sends, the target echoes, nobody reads for four seconds: nothing hangs, nothing is lost, memory stays bounded.
ready
count=$(head -c 200M /dev/zero | via cat | (sleep 4; wc -c))
equal 'bytes' "$count" 209715200
peak=$(peak_mib)
echo "peak memory: $peak MiB"
[ "$peak" -lt 300 ] || fail "the bastion had $peak MiB"
