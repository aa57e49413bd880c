# Nothing installed but ssh and a browser: a plain key, a link, six digits; afterwards the key is known until the sign-in ends.
new_bastion
trust_bastion
new_key
# The first of two options counts: no prompt unless `asked` says so.
mapfile -t options < <(ssh_options)
plain() { ssh "${options[@]}" "$@"; }
asked=(ssh -o BatchMode=no "${options[@]}")
export LIB="$HERE/lib.sh"

# BatchMode answers no prompt: refused at once, and the other ways are named where the client shows it.
code=0
plain "$TARGET_LOGIN+db1@127.0.0.1" true </dev/null 2>batch.log || code=$?
equal 'code without a prompt' "$code" 255

# Without a terminal the answer is empty and comes at once: that is no person.
code=0
SSH_ASKPASS_REQUIRE=force SSH_ASKPASS=/bin/true DISPLAY=none setsid ssh -o BatchMode=no -o LogLevel=INFO "${options[@]}" \
  "$TARGET_LOGIN+db1@127.0.0.1" true </dev/null 2>quick.log || code=$?
equal 'code of an answer that came too quickly' "$code" 255
contains 'what it hears' "$(cat quick.log)" 'no terminal to sign in with'

code=0
at_prompts alice "${asked[@]}" "$TARGET_LOGIN+db1@127.0.0.1" 'echo "this is" "$(id -un)"; exit 7' || code=$?
[ "$code" = 7 ] || { cat client.log; fail "the first session ends with $code"; }
contains 'output' "$(cat client.log)" "this is $TARGET_LOGIN"

# Known from now on, without a prompt; also to the console, which says how.
equal 'the next session' "$(plain "$TARGET_LOGIN+db1@127.0.0.1" 'echo again')" again
fingerprint=$(ssh-keygen -l -f key.pub | cut -d' ' -f2)
known() { plain console@127.0.0.1 "$@"; }
equal 'the remembered key' "$(known keys --json | jq -r '.keys[] | .fingerprint + " " + .flow')" "$fingerprint local"

# Also after a restart: it is in the log.
stop_bastion TERM
serve
equal 'after a restart' "$(plain "$TARGET_LOGIN+db1@127.0.0.1" 'echo still')" still

# Dropped, it is gone at once.
known keys drop "$fingerprint" >dropped.log 2>&1 || true
contains 'what drop says' "$(cat dropped.log)" "Dropped $fingerprint"
code=0
plain "$TARGET_LOGIN+db1@127.0.0.1" true 2>/dev/null || code=$?
equal 'code with a dropped key' "$code" 255

# Three times wrong digits end it.
code=0
WRONG=3 at_prompts alice "${asked[@]}" "$TARGET_LOGIN+db1@127.0.0.1" true || code=$?
equal 'code after wrong digits' "$code" 255
contains 'after one' "$(cat client.log)" 'Those are not the digits.'
contains 'after two' "$(cat client.log)" 'one try is left'

# A browser at another address: said on the page, and in every record.
BROWSER='--interface 127.0.0.9' at_prompts alice "${asked[@]}" console@127.0.0.1 whoami || { cat client.log; fail 'whoami'; }
contains 'whoami' "$(cat client.log)" 'flow remote'

