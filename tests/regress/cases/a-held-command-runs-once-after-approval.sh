# Nothing runs before somebody else agrees; what they agreed to runs once, at a real sshd.
new_bastion
hold_all_commands
serve
two_people bob alice
counter="$PWD/counter"
: >"$counter"
chmod 666 "$counter"
printf 'one\n' | via "cat >>'$counter'; exit 3" >out 2>err &
waiting=$!
eventually 20 grep -q 'sallyport: held ' err || fail "nothing was held: $(cat err)"
equal 'counter while it is held' "$(cat "$counter")" ''
id=$(sed -n 's/.*sallyport: held \([0-9A-Z]*\): needs 1 approval, expires in 15 min.*/\1/p' err)
digest=$(approver approvals --json | jq -er --arg id "$id" '.approvals[] | select(.id == $id) | .digest[:8]')
code=0
console approve "$id" --digest "$digest" >own 2>&1 || code=$?
equal 'exit code of approving oneself' "$code" 4
approver approve "$id" --digest "$digest" >approved 2>&1 || fail "approve: $(cat approved)"
code=0
wait "$waiting" || code=$?
equal 'exit code of what was held' "$code" 3
equal 'counter afterwards' "$(cat "$counter")" 'one'
code=0
approver approve "$id" --digest "$digest" >again 2>&1 || code=$?
equal 'exit code of approving twice' "$code" 1
equal 'counter at the end' "$(cat "$counter")" 'one'
