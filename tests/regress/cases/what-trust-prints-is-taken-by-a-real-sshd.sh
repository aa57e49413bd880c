# `trust` in each of its forms makes a bare sshd into a target: what it prints is run, and `targets check` signs in.
new_bastion
sign_in alice
kill "$SSHD" && eventually 10 gone "$SSHD"
mkdir bin
# The commands as printed, against a folder of our own in place of /etc/ssh. This is all that differs.
printf '#!/bin/sh\nexec /usr/sbin/sshd -f %s/etc/ssh/sshd_config "$@"\n' "$PWD" >bin/sshd
printf '#!/bin/sh\ntouch %s/reloaded\n' "$PWD" >bin/systemctl
chmod 755 bin/*
bare() {
  rm -rf etc reloaded && mkdir -p etc/ssh
  grep -vE '^(TrustedUserCAKeys|PermitUser)' sshd_config >etc/ssh/sshd_config
}
here() { sed "s#/etc/ssh#$PWD/etc/ssh#g"; }
run_here() { PATH="$PWD/bin:$PATH" sh -e "$1" >run.log 2>&1 || { cat "$1" run.log; fail "$1"; }; }
judge() {
  [ -e reloaded ] || fail "$1: sshd was not reloaded"
  local settings
  settings=$(/usr/sbin/sshd -T -f "$PWD/etc/ssh/sshd_config") || fail "$1: sshd -T"
  contains "$1" "$settings" "trustedusercakeys $PWD/etc/ssh/sallyport_target_ca.pub"
  contains "$1" "$settings" "revokedkeys $PWD/etc/ssh/sallyport_revoked_keys"
  contains "$1" "$settings" 'permituserrc no'
  contains "$1" "$settings" 'permituserenvironment no'
  if /usr/sbin/sshd -t -f "$PWD/sshd_config" -o PerSourcePenaltyExemptList=127.0.0.1 2>/dev/null; then
    contains "$1" "$settings" '127.0.0.1'
  fi
  start sshd /usr/sbin/sshd -D -f "$PWD/etc/ssh/sshd_config" -E "$PWD/sshd-auth.log"
  eventually 10 listens "$SSHD_PORT" || fail "$1: sshd does not listen"
  equal "$1" "$(via 'echo in')" in
  kill "$PID" && eventually 10 gone "$PID"
}

bare
console trust db1 | here >block.sh
run_here block.sh
run_here block.sh
judge 'the shell block, twice'
bare
console trust db1 --format cloud-init | here | "$NODE" "$HERE/node/apply.mjs" cloud-init / >commands.sh
run_here commands.sh
judge cloud-init
bare
console trust db1 --format ansible | here | "$NODE" "$HERE/node/apply.mjs" ansible / >commands.sh
run_here commands.sh
judge ansible
