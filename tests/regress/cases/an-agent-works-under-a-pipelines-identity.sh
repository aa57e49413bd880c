# An AutoGen agent whose tool is plain ssh, with the tool of docs/AGENTS.md and the starter policies: what is harmless runs, what is privileged waits for a person.
python3 -m pip install -q --disable-pip-version-check --no-warn-script-location --root-user-action=ignore --target python autogen-agentchat autogen-ext >pip.log 2>&1 ||
  { cat pip.log; fail 'autogen cannot be installed'; }

# On the target `sudo` is a stand-in that counts how often it runs.
mkdir bin
counter="$PWD/counter"
: >"$counter"
chmod 666 "$counter"
printf '#!/bin/sh\necho "$*" >>"%s"\necho "done: $*"\n' "$counter" >bin/sudo
chmod 755 bin bin/sudo
TARGET_ENV=production SSHD_LINES="SetEnv PATH=$PWD/bin:/usr/bin:/bin" new_bastion
cat >>"$CONFIG" <<'CONFIG'

[[group]]
name = "admins"
members = ["corp/approvers-team"]

[[person]]
corp = "alice"
actions_actor_id = "583231"
CONFIG
stop_bastion TERM
serve

sign_in bob
mkdir approver
mv key key.pub key-cert.pub approver/
sign_in_pipeline build
trust_bastion
make_transport
awk '/^```python$/ {inside = 1; next} /^```$/ {inside = 0} inside' "$HERE/../../docs/AGENTS.md" >tool.py
[ -s tool.py ] || fail 'docs/AGENTS.md has no tool'

start agent env PYTHONPATH="$PWD/python" python3 "$HERE/agent.py" tool.py "$PWD/transport" "$TARGET_LOGIN+db1@127.0.0.1" \
  'uptime -p' 'sudo -n systemctl restart app' 'sudo -n systemctl stop db'
agent=$PID

# waiting COMMAND: the request for it is open; its row is left in request.json.
waiting() {
  approver approvals --json | jq -ce --arg command "$1" '.approvals[] | select(.command == $command)' >request.json
}
field() {
  jq -er ".$1" request.json
}
eventually 60 waiting 'sudo -n systemctl restart app' || { cat agent.log; fail 'the privileged command was not held'; }
equal 'what ran before anybody agreed' "$(cat "$counter")" ''
equal 'the reason' "$(field reason)" "step 2 of the 'runbook'"
equal 'approvals that are needed' "$(field quorum)" 1
approver approve "$(field id)" --digest "$(field 'digest[:8]')" >approved 2>&1 || fail "approve: $(cat approved)"
eventually 60 waiting 'sudo -n systemctl stop db' || { cat agent.log; fail 'the second privileged command was not held'; }
equal 'what ran' "$(cat "$counter")" '-n systemctl restart app'
approver deny "$(field id)" --reason "'use the deploy job, it drains first'" >denied 2>&1 || fail "deny: $(cat denied)"

eventually 60 gone "$agent" || fail 'the agent does not come to an end'
wait "$agent" || { cat agent.log; fail 'the agent'; }
tail -n 1 agent.log >answers.json
came() {
  jq -er ".came[$1]" answers.json
}
contains 'the harmless one' "$(came 0)" 'exit status 0'
contains 'the harmless one' "$(came 0)" 'up '
lacks 'the harmless one' "$(came 0)" 'sallyport'
contains 'the approved one' "$(came 1)" 'exit status 0'
contains 'the approved one' "$(came 1)" 'done: -n systemctl restart app'
contains 'the denied one' "$(came 2)" 'exit status 126 (refused: do not try the same again)'
contains 'the denied one' "$(came 2)" 'use the deploy job, it drains first'
equal 'the last word' "$(jq -er .last answers.json)" 'done'
equal 'what ran in the end' "$(cat "$counter")" '-n systemctl restart app'
rm -rf python
