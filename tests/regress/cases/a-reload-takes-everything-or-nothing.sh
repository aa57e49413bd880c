# SIGHUP: new rules take effect and end what they forbid; a fault anywhere keeps the old set, and each fault is said.
ready
via 'echo begun; exec sleep 300' >out 2>err &
client=$!
eventually 10 grep -q begun out || fail 'the session does not begin'

# Two faults in two files: neither takes effect, nor does the good part of the config.
cp -r policies policies.good
cp "$CONFIG" good.toml
printf '@id("no") forbid (principal in Sallyport::Group::"srre", action, resource);\n' >policies/90-faulty.cedar
sed -i 's/name = "db1"/name = "db2"/; s/^env = .*//' "$CONFIG"
printf '\n[[group]]\nname = "no members"\n' >>"$CONFIG"
kill -HUP "$BASTION"
eventually 10 grep -q 'everything stays as it was' serve.log || fail 'the refusal is not said'
contains 'log' "$(cat serve.log)" 'group[3].name'
contains 'log' "$(cat serve.log)" 'group[3].members'
equal 'still there' "$(via 'echo still')" still
kill -0 "$client" || fail 'the session was ended'

# The config is good again, and the policy names a group that does not exist: said with its place.
cp good.toml "$CONFIG"
kill -HUP "$BASTION"
eventually 10 grep -q '90-faulty.cedar:1:' serve.log || fail 'the fault of the policy is not said'
equal 'still there' "$(via 'echo still')" still

# Good rules, of which one forbids what runs.
cat >policies/90-faulty.cedar <<'CEDAR'
@id("no-sleep") forbid (principal, action == Sallyport::Action::"exec", resource)
when { context.command.raw == "echo begun; exec sleep 300" };
CEDAR
kill -HUP "$BASTION"
code=0
wait "$client" || code=$?
equal 'exit code' "$code" 255
contains 'stderr' "$(cat err)" 'sallyport: the session was cut: the policy was changed and does not allow it any more'
equal 'the rest' "$(via 'echo still')" still
code=0
via 'echo begun; exec sleep 300' 2>denied || code=$?
equal 'exit code' "$code" 126
contains 'denied' "$(cat denied)" 'no-sleep'

# An address is named as needing a restart.
sed -i "s/^listen = \"127.0.0.1:$SSH_PORT\"/listen = \"127.0.0.1:1\"/" "$CONFIG"
kill -HUP "$BASTION"
eventually 10 grep -q 'needs a restart.*ssh.listen' serve.log || fail 'what needs a restart is not said'
