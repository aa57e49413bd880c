# More sign-ins at once than a stock sshd takes (MaxStartups 10:30:100): what it turns away is dialled again.
ready
all=24 waiting=()
for n in $(seq "$all"); do
  via 'echo here' >"said.$n" 2>"err.$n" &
  waiting+=($!)
done
for one in "${waiting[@]}"; do
  wait "$one" || fail "a command failed: $(cat err.*)"
done
equal 'what they said' "$(cat said.* | sort | uniq -c | tr -s ' ')" " $all here"
echo "figures: $all commands at once, $(grep -c 'drop connection' sshd-auth.log || true) connections turned away by the target"
