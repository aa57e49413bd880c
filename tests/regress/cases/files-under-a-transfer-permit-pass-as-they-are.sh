# Without a permit what rsync carries is masked; with one it arrives byte for byte, and the recording has its digest only.
ready
trust_bastion
make_transport
mkdir tree
token=ghp_$(openssl rand -hex 18)
echo "token $token" >tree/notes
via 'rm -rf moved'
rsync -a -e "$PWD/transport" tree/ "$TARGET_LOGIN+db1@127.0.0.1:moved/"
fetch() {
  rm -rf back
  timeout 30 rsync -a --whole-file -e "$PWD/transport" "$TARGET_LOGIN+db1@127.0.0.1:moved/" back/ >fetch.log 2>&1
}
fetch && fail 'what was masked arrived whole'
! grep -qs "$token" -r back || fail 'a secret came through without a permit'
policies=$(dirname "$(find "$PWD" -name '*.cedar' -print -quit)")
cat >"$policies/60-transfer.cedar" <<'POLICY'
@id("users-move-files")
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"transfer", resource is Sallyport::Target)
when { context.command.programs.contains("rsync") };
POLICY
kill -HUP "$BASTION"
eventually 10 grep -q 'reloaded.*policy' serve.log || fail 'no reload'
fetch || { cat fetch.log; fail 'rsync with a permit'; }
diff -r tree back || fail 'rsync brings back something else'
recording_of_last
lacks 'the recording' "$(cat last.cast)" "$token"
contains 'the recording' "$(in_recording markers)" 'stdout: '
contains 'the recording' "$(in_recording markers)" 'bytes not kept, SHA-256 '
# The same program called by hand is not the permitted one, and cat is none at all.
lacks 'cat' "$(via 'cat moved/notes')" "$token"
contains 'the decision' "$(console sessions show "$(console sessions list --json | jq -er '(if type == "array" then . else .sessions end) | sort_by(.session) | .[-2].session')")" users-move-files
via 'rm -rf moved'
