# What waits for people may mean something else once a file of that account has changed: they read which did, and a change withdraws it.
new_bastion
hold_all_commands
policies=$(dirname "$(find "$PWD" -name '*.toml' -print -quit)")/policies
cat >"$policies/20-files.cedar" <<'POLICY'
@id("files") permit (principal, action == Sallyport::Action::"sftp", resource is Sallyport::Target);
POLICY
serve
two_people bob alice
mapfile -t options < <(ssh_options)
place="$TARGET_LOGIN+db1@127.0.0.1"
drop="$PWD/drop"
mkdir -m 777 "$drop"
files() { timeout 60 sftp -q "${options[@]/#-p/-P}" -b - "$place"; }
held_id() { sed -n 's/.*sallyport: held \([0-9A-Z]*\): .*/\1/p' "$1"; }
echo 'echo one' >script
files <<<"put script $drop/before" || fail 'sftp'

via "sh $drop/before" >out 2>err </dev/null &
waiting=$!
eventually 20 grep -q 'sallyport: held ' err || fail "nothing was held: $(cat err)"
mapfile -t theirs < <(cd approver && ssh_options)
printf 'no\r' | timeout 60 ssh -tt -o "UserKnownHostsFile=$PWD/known_hosts" "${theirs[@]}" console@127.0.0.1 approve "$(held_id err)" >view 2>&1 || true
contains 'what the approver reads' "$(tr -d '\r\n' <view)" "sftp write $drop/before: ok, 9 bytes written"
files <<<"put script $drop/meanwhile" || fail 'sftp'
code=0
wait "$waiting" || code=$?
equal 'exit code' "$code" 75
contains 'the reason' "$(cat err)" 'the requester did something else there meanwhile'
equal 'what ran' "$(cat out)" ''

# Once nothing changes any more it runs.
via "sh $drop/before" >out2 2>err2 </dev/null &
waiting=$!
eventually 20 grep -q 'sallyport: held ' err2 || fail "nothing was held: $(cat err2)"
id=$(held_id err2)
digest=$(approver approvals --json | jq -er --arg id "$id" '.approvals[] | select(.id == $id) | .digest[:8]')
approver approve "$id" --digest "$digest" >approved 2>&1 || fail "approve: $(cat approved)"
wait "$waiting" || fail "what was approved did not run: $(cat err2)"
equal 'what ran' "$(cat out2)" one
