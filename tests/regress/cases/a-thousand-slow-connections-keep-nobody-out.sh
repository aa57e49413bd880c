# A thousand connections that say nothing, or next to nothing, from one address and from a hundred: a person elsewhere gets in within the grace.
new_bastion
trust_bastion
new_key
mapfile -t options < <(ssh_options)
export LIB="$HERE/lib.sh"
# Somebody whose key is remembered, with no certificate at all.
at_prompts alice ssh -o BatchMode=no "${options[@]}" "$TARGET_LOGIN+db1@127.0.0.1" true || { cat client.log; fail 'the sign-in'; }
grace=30

# flood SOURCES: the crowd comes, then the person; how long they waited and what became of the crowd are figures.
flood() {
  local began
  start "crowd$1" python3 "$HERE/slow.py" "$SSH_PORT" 1000 "$1" 12
  eventually 20 grep -q ready "crowd$1.log" || { cat "crowd$1.log"; fail 'the crowd did not come'; }
  began=$(date +%s%N)
  timeout "$grace" ssh "${options[@]}" -o BindAddress=127.0.0.2 "$TARGET_LOGIN+db1@127.0.0.1" true ||
    fail "kept out by $1 addresses for ${grace} s"
  echo "figures: from $1 address(es): $(( ($(date +%s%N) - began) / 1000000 )) ms for a person's 'true', crowd: $(wait_for "crowd$1")"
}

wait_for() {
  eventually 30 grep -q taken "$1.log" || fail "the crowd does not end: $(cat "$1.log")"
  grep taken "$1.log"
}

flood 1
flood 100
stop_bastion TERM
# What was turned away is counted in the ledger.
python3 "$HERE/log.py" kinds "$STATE/log" >kinds || fail 'the log cannot be read'
grep -q '^limits.refused ' kinds || { cat kinds; fail 'the refusals are not in the ledger'; }
