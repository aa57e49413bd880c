#!/usr/bin/env bash
# Measures the built bastion against direct SSH and a stock jump host, with the stock client: `bash tests/bench/run.sh [ROW...]`.
# Prints Markdown. ROUNDS (default 5), MIB (512), FILES (2000), IDLE (200), STORM (200), LOG_MIB (100) make a shorter run.
# SALLYPORT: the binary, a release build. Needs the tools of tests/run.sh; nothing else should run on the machine meanwhile.
set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 2
exec </dev/null
PATH="$PATH:/usr/sbin:/sbin"
SUITE=$(mktemp -d /tmp/sallyport-bench.XXXXXX) || exit 2
chmod 755 "$SUITE"
# What is measured is not the disk of the target: its files lie in memory.
FILES_AT=$(mktemp -d /dev/shm/sallyport-bench.XXXXXX) || exit 2
chmod 777 "$FILES_AT"
export SUITE
export SALLYPORT="${SALLYPORT:-${CARGO_TARGET_DIR:-$PWD/target}/release/sallyport}"
[ -x "$SALLYPORT" ] || { echo "no binary at $SALLYPORT: cargo build --release"; exit 1; }
# shellcheck source=tests/regress/lib.sh
. "$here/../regress/lib.sh"
trap 'end_started; rm -rf "$FILES_AT"; suite_down' EXIT
suite_up >&2 || { echo "the programs that the benchmark needs did not start"; exit 1; }

prepare() {
  mkdir -p "$SUITE/bench" && cd "$SUITE/bench" || return 1
  SSHD_LINES=$'MaxStartups 1000\nMaxSessions 1000' new_bastion || return 1
  # The same target under a second name, whose content is kept as a digest only.
  sed -n '/^\[\[target\]\]/,$p' "$CONFIG" | sed 's/"db1"/"digest1"/' >second
  cat second >>"$CONFIG"
  sed -i 's/^drain = .*/&\nconnections_per_person = 1000/' "$CONFIG"
  local policies
  policies=$(dirname "$(find "$PWD" -name '*.cedar' -print -quit)")
  rm -f "$policies"/*.cedar
  cat >"$policies/10-bench.cedar" <<'POLICY'
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("kept-whole")
permit (principal, action in [Sallyport::Action::"exec", Sallyport::Action::"shell", Sallyport::Action::"sftp"], resource == Sallyport::Target::"db1");
@id("kept-as-a-digest") @record("digest")
permit (principal, action in [Sallyport::Action::"exec", Sallyport::Action::"sftp"], resource == Sallyport::Target::"digest1");
POLICY
  stop_bastion TERM
  "$SALLYPORT" check --config "$CONFIG" >check.log 2>&1 || { cat check.log; return 1; }
  serve
  sign_in alice
  ssh-keygen -q -t ed25519 -N '' -C '' -f plain
  install -m 644 plain.pub authorized
  local direct jump
  direct=$(free_port) jump=$(free_port)
  sed -e "s|^ListenAddress.*|ListenAddress 127.0.0.1:$direct|" -e "s|^AuthorizedKeysFile.*|AuthorizedKeysFile $PWD/authorized|" sshd_config >direct_config
  echo 'StrictModes no' >>direct_config
  sed "s|^ListenAddress.*|ListenAddress 127.0.0.1:$jump|" direct_config >jump_config
  start direct /usr/sbin/sshd -D -f "$PWD/direct_config" -E "$PWD/direct-auth.log"
  start jump /usr/sbin/sshd -D -f "$PWD/jump_config" -E "$PWD/jump-auth.log"
  JUMP=$PID
  eventually 10 listens "$direct" && eventually 10 listens "$jump" || return 1
  printf '@cert-authority localhost,db1,digest1 %s\n' "$(cat "$(public_key host_ca)")" >known_hosts
  echo "direct,stock $(cut -d' ' -f1,2 sshd_host_key.pub)" >>known_hosts
  cat >config <<OPTIONS
Host *
    UserKnownHostsFile $PWD/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
    IdentitiesOnly yes
    IdentityAgent none
    LogLevel ERROR
    AddressFamily inet
    ConnectTimeout 60
Host direct proxyjump stock
    HostName 127.0.0.1
    IdentityFile $PWD/plain
    User $TARGET_LOGIN
Host direct proxyjump
    Port $direct
    HostKeyAlias direct
Host stock
    Port $jump
    HostKeyAlias stock
Host proxyjump
    ProxyJump stock
Host bastion bastion-digest outer
    HostName localhost
    Port $SSH_PORT
    HostKeyAlias localhost
Host bastion
    User $TARGET_LOGIN+db1
Host bastion-digest
    User $TARGET_LOGIN+digest1
Host outer
    User jump
Host jump
    HostName db1
    HostKeyAlias db1
Host jump-digest
    HostName digest1
    HostKeyAlias digest1
Host jump jump-digest
    User $TARGET_LOGIN
    ProxyJump outer
Host bastion bastion-digest outer jump jump-digest
    IdentityFile $PWD/key
    CertificateFile $PWD/key-cert.pub
OPTIONS
  # ProxyJump starts a client of its own, which must read the same file.
  jq -n --arg config "$PWD/config" --arg files "$FILES_AT" --arg state "$STATE" --argjson bastion "$BASTION" --argjson jump "$JUMP" \
    --arg binary "$SALLYPORT" '{$config, $files, $state, $bastion, $jump, $binary}' >place.json
}
prepare >"$SUITE/prepare.log" 2>&1 || { cat "$SUITE/prepare.log"; exit 1; }
PYTHONDONTWRITEBYTECODE=1 python3 "$here/bench.py" "$SUITE/bench/place.json" "$@"
