# 512 MiB each way while the client asks for new keys every 16 MiB: every byte arrives. REKEY_MIB: another size; 10240 on demand.
size=${REKEY_MIB:-512}
ready
policies=$(dirname "$(find "$PWD" -name '*.cedar' -print -quit)")
cat >"$policies/60-transfer.cedar" <<'POLICY'
@id("transfer")
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"transfer", resource is Sallyport::Target);
POLICY
stop_bastion TERM
serve
trust_bastion
mapfile -t options < <(ssh_options | sed 's/^LogLevel=ERROR$/LogLevel=DEBUG1/')
# scp and sftp name the port their own way.
for index in "${!options[@]}"; do [ "${options[index]}" != -p ] || options[index]=-P; done
place="$TARGET_LOGIN+db1@127.0.0.1"
mkdir there
chmod 777 there
head -c "${size}M" /dev/urandom >noise
digest=$(sha256sum <noise)

# moved WHAT FILE COMMAND...: runs a transfer, compares, and counts the exchanges of keys.
moved() {
  local what=$1 file=$2 began=$SECONDS exchanges
  shift 2
  timeout 280 "$@" >moved.log 2>&1 || { tail -n 5 moved.log; fail "$what ends with $?"; }
  equal "$what" "$(sha256sum <"$file")" "$digest"
  rm -f "$file"
  exchanges=$(grep -c 'SSH2_MSG_NEWKEYS received' moved.log || true)
  # A client counts both directions together and asks at the next packet; half of them is plenty.
  [ "$exchanges" -ge $((size / 32)) ] || fail "$what: new keys $exchanges times only"
  echo "figures: $what: $size MiB in $((SECONDS - began)) s, new keys $exchanges times"
}
limit=(-o RekeyLimit=16M)
moved 'a command, up' there/up scp -O "${options[@]}" "${limit[@]}" noise "$place:$PWD/there/up"
moved 'a command, down' down scp -O "${options[@]}" "${limit[@]}" "$place:$PWD/noise" down
echo "put $PWD/noise $PWD/there/up" >up.batch
echo "get $PWD/noise $PWD/down" >down.batch
moved 'sftp, up' there/up sftp "${options[@]}" "${limit[@]}" -b up.batch "$place"
moved 'sftp, down' down sftp "${options[@]}" "${limit[@]}" -b down.batch "$place"
rm -f noise
