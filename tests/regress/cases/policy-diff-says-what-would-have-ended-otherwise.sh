# What was asked of a bastion is put to another set of rules: what ends otherwise is named, what cannot be put again is counted.
ready
mapfile -t options < <(ssh_options)
trust_bastion
place="$TARGET_LOGIN+db1@127.0.0.1"
old=$(dirname "$(find "$PWD" -name '*.cedar' -print -quit)")
via 'uptime -p' >out
via 'echo one two' >out
code=0
via 'exit 7' || code=$?
equal 'exit code' "$code" 7
printf 'pwd\n' | timeout 30 sftp -q "${options[@]/#-p/-P}" -b - "$place" >out || fail 'sftp'
# What is denied has left no text.
code=0
sign_in carol
via uptime 2>err || code=$?
equal 'exit code of a denial' "$code" 126
! timeout 30 ssh "${options[@]}" -W build.example.com:443 "$place" </dev/null 2>err || fail 'a forward was carried'
cp -r "$old" new
cat >new/90-hold.cedar <<'POLICY'
@id("hold-unknown") @require_approval("1")
forbid (principal, action == Sallyport::Action::"exec", resource is Sallyport::Target)
unless { context.command.harmless || context.approval.count >= 1 };
POLICY

diff() {
  code=0
  "$SALLYPORT" policy diff --config "$CONFIG" "$@" >told 2>err || code=$?
}
diff "$old" new
equal 'exit code of two sets' "$code" 3
equal 'what is said of the rules' "$(cat told)" 'added    hold-unknown'
diff "$old" "$old"
equal 'exit code of the same set' "$code" 0
equal 'what is said of the same' "$(cat told)" 'the same rules'
# While it runs the store is its own.
diff "$old" new --replay 30d
equal 'exit code beside a bastion that runs' "$code" 1
stop_bastion TERM
diff "$old" new --replay 30d
equal 'exit code of a replay' "$code" 3
contains 'the counts' "$(cat told)" '6 requests, 4 put again, 1 answered otherwise'
contains 'the counts' "$(cat told)" 'not put again: 2 whose text is not kept, 0 whose'
contains 'the one' "$(cat told)" '`exit 7`'
contains 'the one' "$(cat told)" 'hold: 1 of whoever may approve must agree within 15 min, by hold-unknown'
lacks 'the harmless ones' "$(cat told)" 'uptime'
diff "$old" new --replay 30d --json
equal 'as JSON' "$(jq -c '[.replayed.asked, .replayed.put, .replayed.without_text, (.replayed.differ | length), .replayed.differ[0].old.verdict, .replayed.differ[0].new.verdict]' told)" '[6,4,2,1,"allow","hold"]'
cat >new/91-no-files.cedar <<'POLICY'
@id("no-files")
forbid (principal, action == Sallyport::Action::"sftp", resource is Sallyport::Target);
POLICY
diff "$old" new --replay 30d --json
equal 'files' "$(jq -c '.replayed.differ[] | select(.action == "sftp") | [.what, .old.verdict, .new.verdict, .new.rules]' told)" '[null,"allow","deny",["no-files"]]'
diff "$old" new --replay 0s
contains 'a span' "$(cat told)" '0 requests'
serve
