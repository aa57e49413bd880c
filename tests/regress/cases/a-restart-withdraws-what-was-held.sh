# kill -9 while a command is held: after the restart the request is withdrawn, a late vote finds nothing, nothing runs.
new_bastion
hold_all_commands
serve
two_people bob alice
counter="$PWD/counter"
: >"$counter"
chmod 666 "$counter"
via "echo one >>'$counter'" >out 2>err </dev/null &
waiting=$!
eventually 20 grep -q 'sallyport: held ' err || fail "nothing was held: $(cat err)"
id=$(sed -n 's/.*sallyport: held \([0-9A-Z]*\): .*/\1/p' err)
digest=$(approver approvals --json | jq -er --arg id "$id" '.approvals[] | select(.id == $id) | .digest[:8]')
stop_bastion KILL
wait "$waiting" || true
serve
code=0
approver approve "$id" --digest "$digest" >late 2>&1 || code=$?
equal 'exit code of a late vote' "$code" 1
contains 'a late vote' "$(cat late)" "no open request $id for you"
equal 'open requests' "$(approver approvals --json | jq -c .approvals)" '[]'
equal 'counter' "$(cat "$counter")" ''
"$SALLYPORT" store check --config "$CONFIG" >check 2>&1 && fail 'a running bastion lets its store be checked'
stop_bastion TERM
"$SALLYPORT" store check --config "$CONFIG" >check 2>&1 || fail "store check: $(cat check)"
# It can be asked for anew.
serve
via "echo two >>'$counter'" >out 2>anew </dev/null &
waiting=$!
eventually 20 grep -q 'sallyport: held ' anew || fail "nothing was held: $(cat anew)"
id=$(sed -n 's/.*sallyport: held \([0-9A-Z]*\): .*/\1/p' anew)
digest=$(approver approvals --json | jq -er --arg id "$id" '.approvals[] | select(.id == $id) | .digest[:8]')
approver approve "$id" --digest "$digest" >approved 2>&1 || fail "approve: $(cat approved)"
wait "$waiting" || fail "what was approved did not run: $(cat anew)"
equal 'counter at the end' "$(cat "$counter")" two
