# Unknown and forbidden read the same; nobody signs in at the target.
ready bob
trust_bastion
mapfile -t options < <(ssh_options)
for name in "$TARGET_LOGIN+db1" "$TARGET_LOGIN+nosuch" root+db1; do
  code=0
  ssh "${options[@]}" "$name@127.0.0.1" 'echo never' >out 2>err || code=$?
  equal "exit code for $name" "$code" 126
  equal "stdout for $name" "$(cat out)" ''
  equal "stderr for $name" "$(tr -d '\r' <err)" "sallyport: no target '${name##*+}' for you"
done
lacks 'log of sshd' "$(cat sshd-auth.log)" 'Accepted'
