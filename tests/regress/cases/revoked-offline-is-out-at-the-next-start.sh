# `sallyport revoke` works while the bastion is stopped, and only then; what it did holds from the next start on.
new_bastion
sign_in alice
equal 'before' "$(via 'echo in')" in
code=0
"$SALLYPORT" revoke corp:alice --reason 'left' --config "$CONFIG" >revoke.log 2>&1 || code=$?
equal 'exit code while it runs' "$code" 1
contains 'what it says' "$(cat revoke.log)" 'the bastion runs, ask it: ssh BASTION revoke'
equal 'nothing was done' "$(via 'echo still in')" 'still in'
stop_bastion TERM

"$SALLYPORT" revoke corp:alice --reason 'left' --config "$CONFIG" >revoke.log || { cat revoke.log; fail 'revoke'; }
contains 'what it says' "$(cat revoke.log)" 'revoked corp:alice: serial'
contains 'the list' "$("$SALLYPORT" revoke --list --config "$CONFIG")" 'identity  corp:alice'
serve
code=0
via 'echo no' >out 2>err || code=$?
equal 'exit code' "$code" 255
equal 'output' "$(cat out)" ''
person_token alice
! exchange local random >refused.log || fail 'a revoked identity signed in'
contains 'why' "$(jq -r .code reply.json)" revoked
stop_bastion TERM

"$SALLYPORT" reinstate corp:alice --reason 'a mistake' --config "$CONFIG" >/dev/null || fail 'reinstate'
serve
code=0
via true 2>err || code=$?
equal 'a void certificate stays void' "$code" 255
sign_in alice
equal 'after' "$(via 'echo in again')" 'in again'
