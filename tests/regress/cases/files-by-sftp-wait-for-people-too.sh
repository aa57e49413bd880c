# A rule may hold SFTP: sftp and scp wait as a shell does, then go on byte for byte, or fail.
new_bastion
hold_all_commands
policies=$(dirname "$(find "$PWD" -name '*.toml' -print -quit)")/policies
cat >"$policies/20-files.cedar" <<'POLICY'
@id("files") permit (principal, action == Sallyport::Action::"sftp", resource is Sallyport::Target);
@id("hold-files") @require_approval("1")
forbid (principal, action == Sallyport::Action::"sftp", resource) unless { context.approval.count >= 1 };
POLICY
serve
two_people bob alice
mapfile -t options < <(ssh_options)
place="$TARGET_LOGIN+db1@127.0.0.1"
drop="$PWD/drop"
mkdir -m 777 "$drop"
head -c 700000 /dev/urandom >noise
copy() { timeout 100 scp "${options[@]/#-p/-P}" "$@"; }
held_id() { sed -n 's/.*sallyport: held \([0-9A-Z]*\): .*/\1/p' "$1"; }

copy noise "$place:$drop/one" >out 2>err </dev/null &
waiting=$!
eventually 20 grep -q 'sallyport: held ' err || fail "nothing was held: $(cat err)"
id=$(held_id err)
listed=$(approver approvals --json | jq -ec --arg id "$id" '.approvals[] | select(.id == $id)')
equal 'what is asked for' "$(jq -r .action <<<"$listed")" sftp
[ ! -e "$drop/one" ] || fail 'it was there before anybody agreed'
approver approve "$id" --digest "$(jq -r '.digest[:8]' <<<"$listed")" >approved 2>&1 || fail "approve: $(cat approved)"
wait "$waiting" || fail "scp: $(cat err)"
cmp noise "$drop/one" || fail 'scp changed bytes'

copy noise "$place:$drop/two" >out 2>err2 </dev/null &
waiting=$!
eventually 20 grep -q 'sallyport: held ' err2 || fail "nothing was held: $(cat err2)"
approver deny "$(held_id err2)" "--reason 'not today'" >denied 2>&1 || fail "deny: $(cat denied)"
code=0
wait "$waiting" || code=$?
[ "$code" -ne 0 ] || fail 'scp did not fail'
contains 'the reason' "$(cat err2)" 'not today'
[ ! -e "$drop/two" ] || fail 'a denied file arrived'
