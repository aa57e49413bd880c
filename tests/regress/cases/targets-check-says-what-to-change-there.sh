# Each login that is open is tried at a real sshd: one is good, one has no account, and then three faults of a target.
ready alice
code=0
console targets check >check.log 2>err || code=$?
equal 'exit code' "$code" 1
contains 'the good one' "$(grep "^db1 *$TARGET_LOGIN " check.log)" good
contains 'the other' "$(cat check.log)" "nosuchaccount is refused, and $TARGET_LOGIN is let in: it is this account"
# It was a session like any other: decided, recorded, with its certificate of two minutes.
contains 'its own record' "$(console sessions --target db1)" "$TARGET_LOGIN"
id=$(console sessions list --json | jq -er --arg login "$TARGET_LOGIN" '[.sessions[] | select(.login == $login)] | max_by(.session).session')
console export "$id" --format raw | zstd -dcq >last.cast
equal 'what ran' "$(in_recording stdout | cut -d- -f1-2)" sallyport-check

again() {
  kill "$SSHD" && eventually 10 gone "$SSHD"
  sed -i "/^ForceCommand/d" sshd_config
  [ -z "${1:-}" ] || echo "$1" >>sshd_config
  run_sshd
  code=0
  console targets check db1 >check.log 2>err || code=$?
}
again 'ForceCommand /bin/echo welcome'
contains 'a forced command' "$(cat check.log)" "another command runs than the one that is asked for: echo gave 'welcome'"

ssh-keygen -q -t ed25519 -N '' -C other -f other
cp other.pub sshd_ca.pub
again
equal 'exit code' "$code" 1
contains 'another authority' "$(cat check.log)" "TrustedUserCAKeys is missing or another bastion's: 'trust db1' prints the block"
serial=$(grep -o "serial [0-9]*'" check.log | head -n 1 | tr -d "'")
contains 'the log of the target' "$(cat sshd-auth.log)" "$serial"

cp other sshd_host_key && cp other.pub sshd_host_key.pub
again
contains 'another host key' "$(cat check.log)" "shows $(ssh-keygen -l -f other.pub | cut -d' ' -f2): not the configured host key"
kill "$SSHD" && eventually 10 gone "$SSHD"
console targets check >check.log 2>err && fail 'a dead target is good'
contains 'a dead target' "$(cat check.log)" 'cannot be reached: Connection refused'
