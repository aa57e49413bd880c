# A client that keeps its connection open signs in at a real sshd once, as without a bastion; each command is a session of its own.
new_bastion
serve
sign_in alice
trust_bastion
mapfile -t options < <(ssh_options)
place="$TARGET_LOGIN+db1@127.0.0.1"
accepted() { grep -c '^Accepted publickey' sshd-auth.log || true; }
master=(-o ControlMaster=no -o "ControlPath=$PWD/master")
ssh "${options[@]}" -o ControlMaster=yes -o "ControlPath=$PWD/master" -o ControlPersist=60 -N -f "$place" >master.log 2>&1 || { cat master.log; fail 'no connection'; }
for n in 1 2 3 4 5; do
  code=0
  out=$(printf 'in\n' | ssh "${options[@]}" "${master[@]}" "$place" "cat; echo $n; exit $n") || code=$?
  equal "output of command $n" "$out" "in
$n"
  equal "exit code of command $n" "$code" "$n"
done
printf 'a file\n' >file
ssh "${options[@]}" "${master[@]}" "$place" "cat >again-$$" <file || fail "the way up"
equal 'the file' "$(ssh "${options[@]}" "${master[@]}" "$place" "cat again-$$; rm again-$$")" 'a file'
equal 'sign-ins at the target' "$(accepted)" 1
equal 'sessions' "$(console sessions list --json | jq '.sessions | length')" 7
# Two at once: the second does not wait for the first.
ssh "${options[@]}" "${master[@]}" "$place" 'sleep 5; echo slow' >slow &
slow=$!
eventually 10 eval 'pgrep -P "$(pgrep -u "$TARGET_LOGIN" -f "sleep 5; echo slow" | head -n 1)" >/dev/null' || fail 'the slow one does not run'
equal 'the quick one' "$(ssh "${options[@]}" "${master[@]}" "$place" 'echo quick')" quick
kill -0 "$slow" 2>/dev/null || fail 'the quick one waited'
wait "$slow" || fail 'the slow one'
equal 'the slow one' "$(cat slow)" slow
equal 'sign-ins at the target' "$(accepted)" 2
ssh "${options[@]}" "${master[@]}" -O exit "$place" 2>/dev/null
eventually 10 eval '! pgrep -P "$SSHD" >/dev/null' || fail 'connections to the target stay'
