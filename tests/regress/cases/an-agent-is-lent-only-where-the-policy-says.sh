# ssh -A: nothing without a permit of agent; with one, the stock agent's own key signs for a program at the target, and each use is a record.
ready
trust_bastion
eval "$(ssh-agent -s)" >/dev/null
STARTED+=("$SSH_AGENT_PID")
ssh-keygen -q -t ed25519 -N '' -C onward -f onward
ssh-keygen -q -t ed25519 -N '' -C tied -f tied
ssh-add -q onward 2>/dev/null
# To be used for the bastion itself, and from nowhere behind it.
ssh-add -q -H "$PWD/known_hosts" -h localhost tied 2>tied.log || { cat tied.log; fail 'no key with a destination'; }
mapfile -t options < <(ssh_options)
options=("${options[@]/#IdentityAgent=none/IdentityAgent=$SSH_AUTH_SOCK}")
place="$TARGET_LOGIN+db1@127.0.0.1"
lent() { timeout 60 ssh "${options[@]}" -A "$place" "$@"; }
logged() { grep -raqF -- "$1" "$STATE/log"; }
uses() { grep -raoF -- '"kind":"channel.agent"' "$STATE/log" | wc -l; }

equal 'without a permit' "$(lent 'echo "${SSH_AUTH_SOCK-none}"')" none
refused() { grep -raoP '"action":"agent".*?"outcome":"\Kdeny' "$STATE/log" | grep -q .; }
eventually 5 refused || fail 'the refusal is not recorded'
equal 'uses without a permit' "$(uses)" 0
! logged permit-agent-forwarding || fail 'a certificate with agent forwarding was made'

policies=$(dirname "$(find "$PWD" -name '*.cedar' -print -quit)")
cat >"$policies/60-agent.cedar" <<'POLICY'
@id("lend-the-agent")
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"agent", resource is Sallyport::Target);
POLICY
reload_policy

equal 'without -A' "$(via -- 'echo "${SSH_AUTH_SOCK-none}"')" none
! logged permit-agent-forwarding || fail 'a certificate of a session that asked for no agent'
# The client ties the agent to the host key that it saw, the bastion's: the other key is not to be had from behind it.
equal 'the keys at the target' "$(lent 'ssh-add -l')" "$(ssh-keygen -lf onward.pub)"
twice() { [ "$(uses)" = 2 ]; }
eventually 10 twice || fail "$(uses) records of one use"
# A signature by the agent's key for a file at the target, checked here.
lent "t=\$(mktemp -d) && cd \$t && cat >key.pub && echo payload >file && ssh-keygen -q -Y sign -f key.pub -n file file 2>err || { cat err >&2; exit 9; }; cat file.sig; rm -r \$t" <onward.pub >file.sig ||
  fail 'no signature'
printf 'me %s\n' "$(cut -d' ' -f1,2 onward.pub)" >signers
echo payload | ssh-keygen -q -Y verify -f signers -I me -n file -s file.sig || fail 'the signature is not by that key'
equal 'in a terminal' "$(lent -tt 'ssh-add -l' 2>/dev/null | tr -d '\r')" "$(ssh-keygen -lf onward.pub)"
# Many uses of one session, in turn and at once.
equal 'forty in turn' "$(lent 'for n in $(seq 40); do ssh-add -l; done' | sort -u)" "$(ssh-keygen -lf onward.pub)"
equal 'six at once' "$(lent 'for n in 1 2 3 4 5 6; do ssh-add -l & done; wait' | sort | uniq -c | awk '{print $1}')" 6
eventually 5 logged '"to_agent":' || fail 'no record of what went over it'
opened=$(grep -raoF -- '"what":"opened"' "$STATE/log" | wc -l)
all_closed() { [ "$(grep -raoF -- '"to_agent":' "$STATE/log" | wc -l)" = "$opened" ]; }
eventually 10 all_closed || fail "of $opened uses not all have ended"
[ "$opened" -ge 49 ] || fail "only $opened uses are recorded"
# Through a jump it is the same.
jump_config "ForwardAgent yes" "IdentityAgent $SSH_AUTH_SOCK"
equal 'through a jump' "$(timeout 60 ssh -F config -J bastion db1 ssh-add -l)" "$(ssh-keygen -lf onward.pub)"
# An agent that has gone is a no for the program that asks, and no more than that.
kill "$SSH_AGENT_PID"
away() { ! ssh-add -l 2>/dev/null >&2; }
eventually 5 away || fail 'the agent does not end'
equal 'without an agent' "$(lent 'ssh-add -l >&2; echo "$?, and on"' 2>/dev/null)" '2, and on'
