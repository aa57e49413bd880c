# git talks to and fro, and what is held has all its input before people are asked: a push waits, then fails, and nothing is half done.
new_bastion
trust_bastion
sign_in alice
via 'rm -rf held.git; git init -q --bare held.git'
hold_all_commands
serve
two_people bob alice
make_transport
git init -q work
git -C work -c user.name=t -c user.email=t@example.com commit -q --allow-empty -m first
export GIT_SSH="$PWD/transport" GIT_SSH_VARIANT=ssh
place="ssh://$TARGET_LOGIN+db1@127.0.0.1/~/held.git"

next_request() {
  approver approvals --json | jq -ce '.approvals[0] // empty' >request.json
}
# agreed NAME: what was started as NAME waits, is agreed to, and comes to an end; its exit code is left in $code.
agreed() {
  local pid=$PID
  eventually 40 next_request || { cat "$1.log"; fail "$1: nothing was held"; }
  approver approve "$(jq -er .id request.json)" --digest "$(jq -er '.digest[:8]' request.json)" >approved 2>&1 || fail "approve: $(cat approved)"
  eventually 60 gone "$pid" || { cat "$1.log"; fail "$1 does not come to an end"; }
  code=0
  wait "$pid" || code=$?
}
start push git -C work push -q "$place" HEAD:refs/heads/main
agreed push
[ "$code" != 0 ] || fail 'a push that was held says it is done'
contains 'push' "$(cat push.log)" 'sallyport: held '

# What needs no answers goes on: with the older protocol the list of branches comes first.
start list git -c protocol.version=0 ls-remote "$place"
agreed list
# It says goodbye to a connection that has ended: whether that kills it (SIGPIPE) is a matter of a moment.
case $code in 0 | 141) ;; *) fail "exit code of ls-remote: $code" ;; esac
lacks 'branches' "$(cat list.log)" refs/heads/main

start check "$PWD/transport" "$TARGET_LOGIN+db1@127.0.0.1" 'git --git-dir=held.git fsck --strict 2>/dev/null && git --git-dir=held.git for-each-ref | wc -l; rm -rf held.git'
agreed check
equal 'exit code of the check' "$code" 0
equal 'branches after all' "$(tail -n 1 check.log)" 0
