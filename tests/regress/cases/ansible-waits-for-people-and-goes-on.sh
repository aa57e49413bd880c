# Ansible over held connections: with pipelining each task is a command with its input, which waits, runs once, or fails as one task does.
new_bastion
hold_all_commands
serve
two_people bob alice
make_transport
counter="$PWD/counter"
: >"$counter"
chmod 666 "$counter"
cat >inventory <<INVENTORY
db1 ansible_host=127.0.0.1 ansible_port=$SSH_PORT ansible_user=$TARGET_LOGIN+db1 ansible_python_interpreter=/usr/bin/python3
INVENTORY
cat >play.yml <<PLAY
- hosts: db1
  gather_facts: false
  tasks:
    - name: the one that is agreed to
      ansible.builtin.shell: echo ran >>$counter
    - name: the one that is not
      ansible.builtin.shell: echo ran too >>$counter
PLAY
export HOME=$PWD ANSIBLE_PIPELINING=1 ANSIBLE_SSH_EXECUTABLE="$PWD/transport" ANSIBLE_SSH_ARGS='' ANSIBLE_NOCOLOR=1 ANSIBLE_LOCALHOST_WARNING=0
export ANSIBLE_REMOTE_TMP="/tmp/ansible-$SSH_PORT"
start play ansible-playbook -i inventory play.yml
play=$PID

# next_request: the oldest open request, in request.json.
next_request() {
  approver approvals --json | jq -ce '.approvals[0] // empty' >request.json
}
field() {
  jq -er ".$1" request.json
}
# Until a request carries the second task: its input says which it is.
count=0
while eventually 40 next_request; do
  count=$((count + 1))
  [ "$count" -le 10 ] || fail 'Ansible asks for more than ten commands'
  if [ -s "$counter" ] && [ "$(field input)" -gt 1000 ]; then
    approver deny "$(field id)" --reason "'not this one'" >denied 2>&1 || fail "deny: $(cat denied)"
    break
  fi
  [ "$(field input)" = 0 ] || equal 'what ran before its task was agreed to' "$(cat "$counter")" ''
  approver approve "$(field id)" --digest "$(field 'digest[:8]')" >approved 2>&1 || fail "approve: $(cat approved)"
done
eventually 60 gone "$play" || { cat play.log; fail 'Ansible does not come to an end'; }
code=0
wait "$play" || code=$?
[ "$code" != 0 ] || { cat play.log; fail 'Ansible takes a denial for a success'; }
equal 'what ran' "$(cat "$counter")" ran
contains 'Ansible' "$(cat play.log)" 'changed: [db1]'
contains 'Ansible' "$(cat play.log)" 'not this one'
echo "figures: a play of two tasks took $count requests"
