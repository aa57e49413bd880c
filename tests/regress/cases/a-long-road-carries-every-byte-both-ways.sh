# 25 ms each way before the bastion and behind it: nothing hangs, nothing is lost, an unread channel stops no other.
ms=${DELAY_MS:-25} mib=${LONG_ROAD_MIB:-24}
ready
trust_bastion
near=$(free_port) far=$(free_port) whole=$(free_port) direct=$(free_port)
# The target is behind the far road for the bastion; by the direct way both roads are one.
start far python3 "$HERE/delay.py" "$far" "$SSHD_PORT" "$ms"
start near python3 "$HERE/delay.py" "$near" "$SSH_PORT" "$ms"
start whole python3 "$HERE/delay.py" "$whole" "$direct" "$((2 * ms))"
ssh-keygen -q -t ed25519 -N '' -f plain
install -m 644 plain.pub authorized
sed -e "s|^ListenAddress.*|ListenAddress 127.0.0.1:$direct|" -e "s|^AuthorizedKeysFile.*|AuthorizedKeysFile $PWD/authorized|" sshd_config >direct_config
echo 'StrictModes no' >>direct_config
start direct /usr/sbin/sshd -D -f "$PWD/direct_config" -E "$PWD/direct.err"
for port in "$near" "$far" "$whole" "$direct"; do
  eventually 20 listens "$port" || fail "nothing listens at $port"
done
stop_bastion TERM
sed -i "s|^address = .*|address = \"127.0.0.1:$far\"|" "$CONFIG"
serve
SSH_PORT=$near
mapfile -t options < <(ssh_options)
bastion=(ssh "${options[@]}" "$TARGET_LOGIN+db1@127.0.0.1")
echo "direct $(cut -d' ' -f1,2 sshd_host_key.pub)" >direct_hosts
straight=(ssh -F none -p "$whole" -i plain -o IdentitiesOnly=yes -o UserKnownHostsFile=direct_hosts -o HostKeyAlias=direct -o BatchMode=yes "$TARGET_LOGIN@127.0.0.1")
for n in $(seq 1 97); do echo "Nov 28 07:41:$((n % 60)) host12 app[$((n * 47))]: request $((n * 7919)) finished in $n ms, status 200, path /static/app-$n.js"; done >some
while cat some; do :; done 2>/dev/null | head -c "${mib}M" >text || true
chmod 644 text
chmod 755 .
sum=$(sha256sum <text)
millis() {
  local began
  began=$(date +%s%N)
  "$@"
  echo "$((($(date +%s%N) - began) / 1000000))" >took
}
down() { "$@" "cat $PWD/text" | sha256sum >got; }
up() { "$@" sha256sum <text >got; }
for way in down up; do
  millis "$way" "${straight[@]}"
  equal "$way, direct" "$(cat got)" "$sum"
  direct_ms=$(cat took)
  millis "$way" "${bastion[@]}"
  equal "$way, by the bastion" "$(cat got)" "$sum"
  echo "figures: $((4 * ms)) ms there and back, $(wc -c <text) bytes $way: direct $direct_ms ms, bastion $(cat took) ms"
done
# Both ways at once to a reader that begins late.
back=$("${bastion[@]}" cat <text | (sleep 2; sha256sum))
equal 'both ways at once' "$back" "$sum"
# By SFTP, and what comes back.
sftp_options=("${options[@]/#-p/-P}")
printf 'put text arrived\nget arrived back\nrm arrived\n' >batch
sftp -q -b batch "${sftp_options[@]}" "$TARGET_LOGIN+db1@127.0.0.1" >sftp.log 2>&1 || { cat sftp.log; fail 'sftp'; }
equal 'sftp there and back' "$(sha256sum <back)" "$sum"
# A channel that nobody reads does not stop its neighbours on the connection.
mux=(ssh "${options[@]}" -o ControlPath="$PWD/mux" "$TARGET_LOGIN+db1@127.0.0.1")
ssh "${options[@]}" -o ControlMaster=yes -o ControlPath="$PWD/mux" -o ControlPersist=yes "$TARGET_LOGIN+db1@127.0.0.1" true
mkfifo unread
"${mux[@]}" 'cat /dev/zero' >unread 2>/dev/null &
flood=$!
STARTED+=("$flood")
exec 7<unread
head -c 4M <&7 >/dev/null
for n in 1 2 3; do
  equal 'beside an unread channel' "$(timeout 20 "${mux[@]}" "echo $n")" "$n"
done
exec 7<&-
"${mux[@]}" -O exit 2>/dev/null
wait "$flood" || true
