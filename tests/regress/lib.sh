# Sourced by run.sh and by every case: real programs around the built binary, and what a case may say.
#
# Flags of the binary stand in this file only.
# shellcheck shell=bash

NODE="${NODE:-node}"
TARGET_LOGIN=sallyport-test
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
STARTED=()

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# equal WHAT GOT WANT
equal() {
  [ "$2" = "$3" ] || fail "$1: got '$2', want '$3'"
}

# contains WHAT TEXT PART
contains() {
  case $2 in *"$3"*) ;; *) fail "$1: no '$3' in: $2" ;; esac
}

# lacks WHAT TEXT PART
lacks() {
  case $2 in *"$3"*) fail "$1: '$3' in: $2" ;; esac
}

# eventually SECONDS COMMAND...: asks again until it holds; fails when the time is over.
eventually() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$until" ] || return 1
    sleep 0.05
  done
}

# A TCP port on loopback that nobody has at this moment.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

listens() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# start NAME COMMAND...: runs it in the background, output to NAME.log; its process id is left in $PID.
start() {
  local name=$1
  shift
  "$@" >"$name.log" 2>&1 </dev/null &
  PID=$!
  STARTED+=("$PID")
}

# Ends what `start` started, by process id: first asked, then killed.
end_started() {
  local pid
  for pid in "${STARTED[@]}"; do kill "$pid" 2>/dev/null; done
  for pid in "${STARTED[@]}"; do
    eventually 5 gone "$pid" || kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  STARTED=()
}

gone() {
  # A zombie has ended; its parent has merely not asked yet.
  [ ! -e "/proc/$1" ] || [ "$(awk '{print $3}' "/proc/$1/stat" 2>/dev/null)" = Z ]
}

# ---- what all cases share: the issuer and the account on the target ----

suite_up() {
  mkdir -p "$SUITE/work"
  (cd "$HERE/node" && { [ -d node_modules/oidc-provider ] ||
    timeout 300 npm install --no-package-lock --no-audit --no-fund --loglevel=error; }) || return 1
  id "$TARGET_LOGIN" >/dev/null 2>&1 || make_account || return 1
  cd "$SUITE" || return 1
  ISSUER_PORT=$(free_port)
  start_issuer "$ISSUER_PORT"
  cd - >/dev/null || return 1
  export ISSUER_PORT ISSUER ISSUER_CA
}

suite_down() {
  end_started
  [ -n "${KEEP:-}" ] && echo "kept: $SUITE" && return
  rm -rf "$SUITE"
}

# An account with no password that can be typed: the certificate is the only way in.
make_account() {
  if [ "$(id -u)" = 0 ]; then
    echo "makes the account $TARGET_LOGIN, which the real sshd lets in"
    useradd --system --create-home --shell /bin/bash --password '*' "$TARGET_LOGIN"
  else
    echo "makes the account $TARGET_LOGIN with sudo, which the real sshd lets in"
    sudo -n useradd --system --create-home --shell /bin/bash --password '*' "$TARGET_LOGIN"
  fi
}

# start_issuer PORT: oidc-provider over HTTPS under a certificate authority of this run.
start_issuer() {
  ISSUER="https://localhost:$1"
  ISSUER_CA="$PWD/issuer-ca.pem"
  make_tls issuer
  start issuer env NODE_NO_WARNINGS=1 "$NODE" "$HERE/node/issuer.mjs" "$1" "$PWD/issuer.pem" "$PWD/issuer.key"
  eventually 20 grep -q '^ready' issuer.log || { cat issuer.log; return 1; }
}

# make_tls NAME: NAME.pem and NAME.key for localhost, signed by NAME-ca.pem.
make_tls() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=throw-away $1" \
    -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign' \
    -keyout "$1-ca.key" -out "$1-ca.pem" 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=localhost' \
    -keyout "$1.key" -out "$1.csr" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA "$1-ca.pem" -CAkey "$1-ca.key" -CAcreateserial -days 2 -out "$1.pem" \
    -extfile <(printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n') 2>/dev/null
  chmod 600 "$1.key" "$1-ca.key"
}

# id_token PERSON NONCE [CLIENT]: walks the authorization code flow with curl where a browser would; prints the ID token.
id_token() {
  local who=$1 nonce=$2 client=${3:-sallyport} jar page verifier challenge location code step
  local redirect=http://127.0.0.1:7000/callback
  jar=$(mktemp -p "$SUITE") page=$(mktemp -p "$SUITE")
  verifier=$(openssl rand -hex 32)
  challenge=$(printf %s "$verifier" | openssl dgst -sha256 -binary | base64url)
  ask() { curl -sS --cacert "$ISSUER_CA" -b "$jar" -c "$jar" -o "$page" -w '%{redirect_url}' "$@"; }
  location=$(ask -G "$ISSUER/auth" -d client_id="$client" -d response_type=code -d max_age=28800 \
    --data-urlencode 'scope=openid email profile ci' --data-urlencode "redirect_uri=$redirect" \
    --data-urlencode "nonce=$nonce" -d state=x -d code_challenge="$challenge" -d code_challenge_method=S256)
  for step in 1 2 3 4 5 6 7 8; do
    case $location in
      "$redirect"*) break ;;
      */interaction/*)
        ask "$location" >/dev/null
        if grep -q 'value="login"' "$page"; then
          location=$(ask "$location" -d prompt=login --data-urlencode "login=$who" -d password=any)
        else
          location=$(ask "$location" -d prompt=consent)
        fi ;;
      http*) location=$(ask "$location") ;;
      *) echo "the issuer leads nowhere at step $step" >&2; cat "$page" >&2; return 1 ;;
    esac
  done
  code=$(sed -n 's/.*[?&]code=\([^&]*\).*/\1/p' <<<"$location")
  [ -n "$code" ] || { echo "no code in '$location'" >&2; return 1; }
  curl -sS --cacert "$ISSUER_CA" "$ISSUER/token" -d grant_type=authorization_code -d client_id="$client" \
    --data-urlencode "code=$code" --data-urlencode "redirect_uri=$redirect" -d code_verifier="$verifier" | jq -er .id_token
}

base64url() {
  base64 -w0 | tr '+/' '-_' | tr -d '='
}

# bound_nonce PUBLIC_KEY_FILE SALT_HEX: the nonce that binds an ID token to a key.
bound_nonce() {
  { printf sallyport-bind-v1; awk '{print $2}' "$1" | base64 -d; printf %s "$2" | xxd_back; } | openssl dgst -sha256 -binary | base64url
}

xxd_back() {
  python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))'
}

# ---- what each case has for itself: a target, a bastion, a person's key ----

# start_sshd CA_PUB [LINES]: a real sshd on loopback that trusts one authority and nothing else. Sets SSHD_PORT; log: sshd-auth.log.
start_sshd() {
  [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
  SSHD_PORT=$(free_port)
  ssh-keygen -q -t ed25519 -N '' -C target -f sshd_host_key
  # sshd reads its authorities only where nobody else may write.
  install -m 644 "$1" sshd_ca.pub
  cat >sshd_config <<CONFIG
ListenAddress 127.0.0.1:$SSHD_PORT
HostKey $PWD/sshd_host_key
TrustedUserCAKeys $PWD/sshd_ca.pub
AuthorizedPrincipalsFile none
AuthorizedKeysFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
PermitUserRC no
PermitUserEnvironment no
UsePAM no
PrintMotd no
PidFile none
LogLevel VERBOSE
AcceptEnv LANG LC_* COLORTERM SALLYPORT_* DEPLOY_*
Subsystem sftp internal-sftp
${2:-}
CONFIG
  run_sshd
}

# run_sshd: starts the sshd that start_sshd has set up. Its process id: $SSHD.
run_sshd() {
  local sshd=(/usr/sbin/sshd)
  [ "$(id -u)" = 0 ] || sshd=(sudo -n /usr/sbin/sshd)
  start sshd "${sshd[@]}" -D -f "$PWD/sshd_config" -E "$PWD/sshd-auth.log"
  SSHD=$PID
  eventually 10 listens "$SSHD_PORT" || { cat sshd.log sshd-auth.log; fail "sshd does not listen"; }
}

# new_bastion: a working folder of its own, one real target db1, served. Sets SSH_PORT, HTTP_PORT, STATE, CONFIG.
new_bastion() {
  SSH_PORT=$(free_port) HTTP_PORT=$(free_port)
  STATE="$PWD/state" CONFIG="$PWD/sallyport.toml"
  "$SALLYPORT" init --name localhost --issuer "$ISSUER" --client-id sallyport --state "$STATE" --config "$CONFIG" \
    --ssh-listen "127.0.0.1:$SSH_PORT" --http-listen "127.0.0.1:$HTTP_PORT" --issuer-ca-file "$ISSUER_CA" >init.log 2>&1 ||
    { cat init.log; fail "init"; }
  start_sshd "$STATE/keys/target-ca.pub" "${SSHD_LINES:-}"
  "$SALLYPORT" target add db1 "127.0.0.1:$SSHD_PORT" --config "$CONFIG" --login "$TARGET_LOGIN" --allow-loopback --yes \
    >target.log 2>&1 || { cat target.log; fail "target add"; }
  serve
}

# serve: starts the bastion on the folder made by new_bastion. Its process id: $BASTION.
serve() {
  start serve "$SALLYPORT" serve --config "$CONFIG"
  BASTION=$PID
  eventually 20 listens "$SSH_PORT" || { cat serve.log; fail "the bastion does not listen"; }
}

# stop_bastion SIGNAL: sends it and waits until the process has ended.
stop_bastion() {
  kill "-$1" "$BASTION"
  eventually 40 gone "$BASTION" || fail "the bastion does not end on $1"
  wait "$BASTION" 2>/dev/null || true
}

# sign_in_ci PERSON: a fresh key in $PWD/key, a certificate for it from an ID token on standard input.
sign_in_ci() {
  rm -f key key.pub key-cert.pub
  id_token "$1" "$(openssl rand -hex 16)" >token
  "$SALLYPORT" login --ci "file:$PWD/token" --bastion "http://127.0.0.1:$HTTP_PORT" --key-file "$PWD/key" >login.log 2>&1 ||
    { cat login.log; fail "login"; }
  rm -f token
  [ -s key-cert.pub ] || fail "login left no certificate"
}

# ssh as a user of the bastion would have it, with nothing from this machine's own configuration.
ssh_options() {
  printf '%s\n' -F none -p "$SSH_PORT" -o "UserKnownHostsFile=$PWD/known_hosts" -o StrictHostKeyChecking=yes \
    -o HostKeyAlias=localhost -o IdentitiesOnly=yes -o IdentityAgent=none -o "IdentityFile=$PWD/key" \
    -o "CertificateFile=$PWD/key-cert.pub" -o BatchMode=yes -o ConnectTimeout=20 -o LogLevel=ERROR
}

trust_bastion() {
  [ -s known_hosts ] || printf '@cert-authority localhost %s\n' "$(cat "$STATE/keys/host-ca.pub")" >known_hosts
}

# via [OPTIONS --] COMMAND...: the stock ssh to the login on db1 through the bastion.
via() {
  local options extra=()
  if [[ " $* " == *" -- "* ]]; then
    while [ "$1" != -- ]; do extra+=("$1"); shift; done
    shift
  fi
  trust_bastion
  mapfile -t options < <(ssh_options)
  ssh "${options[@]}" "${extra[@]}" "$TARGET_LOGIN+db1@127.0.0.1" "$@"
}

# console COMMAND...: the bastion's own commands.
console() {
  local options
  trust_bastion
  mapfile -t options < <(ssh_options)
  ssh "${options[@]}" console@127.0.0.1 "$@"
}

# last_session: the newest session's row, as JSON.
last_session() {
  console sessions list --json | jq -cer '(if type == "array" then . else .sessions end) | max_by(.opened)'
}

# recording_of_last [FILE]: exports the newest session's recording as stored, once it is sealed; unpacks it to FILE (last.cast).
recording_of_last() {
  local id
  eventually 15 last_is_sealed || fail "the newest session is not closed: $(last_session)"
  id=$(last_session | jq -er .id)
  console export "$id" --format raw >last.cast.zst || fail "export of $id"
  zstd -dcq last.cast.zst >"${1:-last.cast}" || fail "zstd does not read the export of $id"
}

last_is_sealed() {
  last_session | jq -e '.state == "closed"' >/dev/null
}

# in_recording STREAM [FILE]: the exact bytes of `stdout`, `stderr`, `input` or `all` in a recording; or its `markers`.
in_recording() {
  python3 "$HERE/cast.py" "$1" "${2:-last.cast}"
}

# same_bytes WHAT FILE FILE
same_bytes() {
  cmp -- "$2" "$3" || fail "$1 differ"
}

# A bastion with one person signed in: what most cases begin with.
ready() {
  new_bastion
  sign_in_ci "${1:-alice}"
}

# master: one connection that later calls of `via` share, with `via -S master --`.
master() {
  via -M -S "$PWD/master" -f -N --
  eventually 10 test -S master || fail "no master connection"
}

# The most memory the bastion has had, in MiB.
peak_mib() {
  awk '/^VmHWM/ {print int($2 / 1024)}' "/proc/$BASTION/status"
}

# What a case leaves behind: nothing that runs; its logs when it failed.
case_down() {
  end_started
  [ "$1" = 0 ] && return
  local log
  for log in serve.log sshd-auth.log sshd.log; do
    [ -s "$log" ] && { echo "-- $log"; tail -n 25 "$log"; }
  done
  return 0
}
