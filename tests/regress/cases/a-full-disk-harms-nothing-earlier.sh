# A disk of 160 MiB fills up under sessions: with what they record, then to the last byte by somebody else. Nothing earlier is damaged, people
# are told, and all it needs to work again is room.
new_bastion
stop_bastion TERM
mv "$STATE" state.before && mkdir "$STATE"
"${as_root[@]}" mount -t tmpfs -o "size=160m,mode=700,uid=$(id -u),gid=$(id -g)" small "$STATE" ||
  fail 'cannot mount: run where mount is permitted (root, or a container with CAP_SYS_ADMIN)'
# The mount goes before the folder does.
trap 'code=$?; case_down "$code"; cd /; "${as_root[@]}" umount -l "$STATE"; exit "$code"' EXIT
cp -a state.before/. "$STATE"/
# The reserves of the bastion are switched off, as far as they go: it is to meet the end of the disk.
sed -i 's/^\[limits\]$/[limits]\ndisk_reserve = "2 MiB"\ndisk_last = "1 MiB"/' "$CONFIG"
serve
sign_in alice
via 'echo before; seq 1 20000' >before
early=$(last_session | jq -er .session)

# Sessions write until they cannot.
began=$SECONDS
writers=()
for writer in 1 2 3; do
  via 'head -c 200000000 /dev/urandom' >"out.$writer" 2>"err.$writer" &
  writers+=($!)
done
for writer in "${writers[@]}"; do
  wait "$writer" && fail 'a session went on although it could not be recorded'
done
contains 'what a cut session hears' "$(cat err.1 err.2 err.3)" 'sallyport:'
lacks 'what a cut session hears' "$(cat err.1 err.2 err.3)" panicked

# And then the last byte.
dd if=/dev/zero of="$STATE/filler" bs=1M 2>/dev/null || true
dd if=/dev/zero of="$STATE/filler.2" bs=512 2>/dev/null || true
equal 'bytes free' "$(df --output=avail -B1 "$STATE" | tail -n 1 | tr -d ' ')" 0
timeout 20 bash -c "$(declare -f via ssh_options trust_bastion public_key fail); SSH_PORT=$SSH_PORT STATE=$STATE TARGET_LOGIN=$TARGET_LOGIN; via 'echo late'" >late 2>late.err && fail 'a session begins on a full disk'
# Whether it lives on or has ended, nothing but room is needed.
rm "$STATE/filler" "$STATE/filler.2"
"${as_root[@]}" mount -o remount,size=400m "$STATE"
lived='went on without a restart'
if gone "$BASTION" || ! timeout 20 bash -c "$(declare -f via ssh_options trust_bastion public_key fail); SSH_PORT=$SSH_PORT STATE=$STATE TARGET_LOGIN=$TARGET_LOGIN; via 'echo after'" >after 2>after.err; then
  lived='needed a restart'
  gone "$BASTION" || stop_bastion TERM
  serve
fi
equal 'a session with room' "$(via 'echo after')" after
console export "$early" --format raw >early.zst || fail 'the recording of before is gone'
zstd -dcq early.zst >early.cast
in_recording stdout early.cast >early
same_bytes 'what was recorded before' before early
stop_bastion TERM
"$SALLYPORT" store check --config "$CONFIG" >check.txt || { cat check.txt; fail 'something was damaged'; }
echo "figures: full disk: $(cat out.1 out.2 out.3 | wc -c) bytes shown before it was full, the bastion $lived; $((SECONDS - began)) s"
grep -h sallyport: err.1 err.2 err.3 late.err | sort | uniq -c
