# Sourced by run.sh and by every case: real programs around the built binary, and what a case may say.
#
# Flags of the binary stand in this file only.
# shellcheck shell=bash

NODE="${NODE:-node}"
TARGET_LOGIN=sallyport-test
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
STARTED=()
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)

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

# secret VALUE...: what no log, error or argument may ever hold; `secrets.sh` looks for it when all cases are done.
secret() {
  printf '%s\n' "$@" >>"$SUITE/.secrets"
}

# watch_arguments: notes what stands in the arguments of every process that runs the bastion's program, for as long as the suite runs.
watch_arguments() {
  local process
  # A kill reaches the shell, not this loop of its pipe: it ends with the suite by itself.
  while sleep 0.2 && [ -d "/proc/$PPID" ]; do
    for process in /proc/[0-9]*; do
      [ "$process/exe" -ef "$SALLYPORT" ] && tr '\0' ' ' <"$process/cmdline" && echo
    done 2>/dev/null
  done | awk '!seen[$0]++ { print; fflush() }'
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
  for pid in "${STARTED[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${STARTED[@]}"; do
    eventually 5 gone "$pid" || kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  STARTED=()
}

gone() {
  # A zombie has ended; its parent has merely not asked yet.
  [ ! -e "/proc/$1" ] || [ "$(awk '{print $3}' "/proc/$1/stat" 2>/dev/null)" = Z ]
}

# ---- what all cases share: the issuer and the account on the target ----

suite_up() {
  mkdir -p "$SUITE/cases"
  (cd "$HERE/node" && { [ -d node_modules/oidc-provider ] && [ -d node_modules/yaml ] ||
    timeout 300 npm install --no-package-lock --no-audit --no-fund --loglevel=error; }) || return 1
  id "$TARGET_LOGIN" >/dev/null 2>&1 || make_account || return 1
  cd "$SUITE" || return 1
  start_issuers || return 1
  cd - >/dev/null || return 1
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

# start_issuers: oidc-provider twice, for people and for pipelines, on loopback.
start_issuers() {
  local people pipelines
  people=$(free_port) pipelines=$(free_port)
  PEOPLE="http://127.0.0.1:$people" PIPELINES="http://127.0.0.1:$pipelines"
  export PEOPLE PIPELINES
  start issuers env SECRETS="$SUITE/.secrets" NODE_NO_WARNINGS=1 "$NODE" "$HERE/node/issuer.mjs" "$people" "$pipelines"
  eventually 20 grep -qs '^ready' issuers.log || { cat issuers.log; return 1; }
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

# walk JAR URL LOGIN REDIRECT: signs LOGIN in where a browser would show pages; prints the address at REDIRECT it ends at.
walk() {
  local jar=$1 location=$2 who=$3 redirect=$4 page step
  page=$(mktemp -p "$SUITE")
  ask() { curl -sS -b "$jar" -c "$jar" -o "$page" -w '%{redirect_url}' "$@"; }
  for step in 1 2 3 4 5 6 7 8; do
    case $location in
      "$redirect"*) echo "$location"; return 0 ;;
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
  echo "the issuer never comes to an end: $location" >&2
  return 1
}

# page_sign_in LINK LOGIN [CURL OPTIONS]: signs LOGIN in on the bastion's own page, as a browser would; prints the digits on it.
page_sign_in() {
  local link=$1 who=$2 jar page back
  shift 2
  jar=$(mktemp -p "$SUITE") page=$(mktemp -p "$SUITE")
  curl -sS "$@" -b "$jar" -c "$jar" "$link" -o "$page"
  grep -q 'Sign in with' "$page" || { cat "$page" >&2; return 1; }
  back=$(walk "$jar" "$(curl -sS "$@" -b "$jar" -c "$jar" -X POST -o /dev/null -w '%{redirect_url}' "$link")" \
    "$who" "${link%/*}/return") || return 1
  curl -sS "$@" -b "$jar" -c "$jar" "$back" -o "$page"
  sed -n 's/.*class="digits">\([0-9]*\) \([0-9]*\)<.*/\1\2/p' "$page" | grep -x '[0-9]\{6\}' || { cat "$page" >&2; return 1; }
}

# at_prompts LOGIN COMMAND...: runs a client in a terminal, answers the bastion's prompts as LOGIN would; its output: client.log.
at_prompts() {
  local code=0
  expect "$HERE/sign_in.exp" "$@" >client.log 2>&1 || code=$?
  return "$code"
}

# id_token ISSUER LOGIN CLIENT NONCE: an ID token by the authorization code flow, with curl in place of a browser.
id_token() {
  local issuer=$1 who=$2 client=$3 nonce=$4 jar verifier challenge code scope='openid'
  local redirect=http://127.0.0.1:7000/callback
  [ "$issuer" != "$PEOPLE" ] || scope='openid email profile'
  jar=$(mktemp -p "$SUITE")
  verifier=$(openssl rand -hex 32)
  challenge=$(printf %s "$verifier" | openssl dgst -sha256 -binary | base64url)
  code=$(walk "$jar" "$(curl -sS -b "$jar" -c "$jar" -o /dev/null -w '%{redirect_url}' -G "$issuer/auth" \
    --data-urlencode "client_id=$client" -d response_type=code -d max_age=28800 --data-urlencode "scope=$scope" \
    --data-urlencode "redirect_uri=$redirect" --data-urlencode "nonce=$nonce" -d state=x \
    -d code_challenge="$challenge" -d code_challenge_method=S256)" "$who" "$redirect" | sed -n 's/.*[?&]code=\([^&]*\).*/\1/p')
  [ -n "$code" ] || { echo "no code for $who" >&2; return 1; }
  curl -sS "$issuer/token" -d grant_type=authorization_code --data-urlencode "client_id=$client" \
    --data-urlencode "code=$code" --data-urlencode "redirect_uri=$redirect" -d code_verifier="$verifier" | jq -jer .id_token
}

base64url() {
  base64 -w0 | tr '+/' '-_' | tr -d '='
}

# bound_nonce PUBLIC_KEY_FILE RANDOM_FILE: the nonce that binds a person's ID token to a key.
bound_nonce() {
  { printf sallyport-bind-v1; awk '{print $2}' "$1" | base64 -d; cat "$2"; } | openssl dgst -sha256 -binary | base64url
}

# bound_audience PUBLIC_KEY_FILE: the audience that binds a pipeline's ID token to a key.
bound_audience() {
  ssh-keygen -l -f "$1" | awk '{sub("SHA256:", "", $2); print "https://localhost/ssh#sha256:" $2}'
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

# new_bastion: a folder of its own, one real target db1, served. Sets SSH_PORT, URL, STATE, CONFIG.
# TARGET_ENV: the label of db1 (test). TLS: set, the bastion speaks HTTPS under bastion-ca.pem. SSHD_LINES: more for sshd_config.
new_bastion() {
  local http_port tls=''
  SSH_PORT=$(free_port) http_port=$(free_port)
  STATE="$PWD/state" CONFIG="$PWD/sallyport.toml" URL="http://127.0.0.1:$http_port"
  if [ -n "${TLS:-}" ]; then
    make_tls bastion
    tls=$(printf 'tls_cert_file = "%s"\ntls_key_file = "%s"' "$PWD/bastion.pem" "$PWD/bastion.key")
    URL="https://localhost:$http_port"
  fi
  # The keys, the log's origin and the starter policies are init's; the config is ours from here on.
  "$SALLYPORT" init --name localhost --issuer "$PEOPLE" --client-id sallyport --single-tenant --internal --dir "$PWD" \
    >init.log 2>&1 || { cat init.log; fail 'init'; }
  start_sshd "$(public_key target_ca)" "${SSHD_LINES:-}"
  mkdir -m 755 checkpoint
  cat >"$CONFIG" <<CONFIG
name = "localhost"
state = "$STATE"

[ledger]
last_checkpoint_file = "$PWD/checkpoint/last"

[ssh]
listen = "127.0.0.1:$SSH_PORT"

[http]
listen = "127.0.0.1:$http_port"
$tls

[limits]
drain = "2s"

[[issuer]]
name = "corp"
profile = "generic"
url = "$PEOPLE"
client_id = "sallyport"
single_tenant = true
internal = true

[[issuer]]
name = "actions"
profile = "github"
url = "$PIPELINES"
require = { repository_owner_id = "1234" }
internal = true

[[group]]
name = "users"
members = ["corp/sre-team"]

[[group]]
name = "auditors"
members = ["corp/auditors-team"]

[[target]]
name = "db1"
address = "127.0.0.1:$SSHD_PORT"
logins = ["$TARGET_LOGIN", "nosuchaccount"]
default_login = "$TARGET_LOGIN"
labels = { env = "${TARGET_ENV:-test}", ci_issuer = "actions", ci_repository = "4711", ci_environment = "production", ci_login = "$TARGET_LOGIN" }
shell = "posix"
host_key = "$(cut -d' ' -f1,2 sshd_host_key.pub)"
allow_loopback = true
CONFIG
  serve
}

# hold_all_commands: whoever signs in may run anything at a target, once somebody else has agreed. To be served anew.
hold_all_commands() {
  local policies
  policies=$(dirname "$(find "$PWD" -name '*.cedar' -print -quit)")
  rm -f "$policies"/*.cedar
  cat >"$policies/10-held.cedar" <<'POLICY'
@id("certify") permit (principal, action == Sallyport::Action::"certify", resource);
@id("everything") permit (principal, action == Sallyport::Action::"exec", resource is Sallyport::Target);
@id("hold-all") @require_approval("1")
forbid (principal, action == Sallyport::Action::"exec", resource) unless { context.approval.count >= 1 };
@id("approve") permit (principal, action == Sallyport::Action::"approve", resource);
POLICY
  stop_bastion TERM
}

# two_people APPROVER REQUESTER: both sign in; the approver's key is in ./approver, the requester's here.
two_people() {
  sign_in "$1"
  mkdir approver
  mv key key.pub key-cert.pub approver/
  sign_in "$2"
  trust_bastion
}

# reload_policy: the bastion takes up the policies as they are now.
reload_policy() {
  local before
  before=$(grep -c 'reloaded.*policy' serve.log || true)
  kill -HUP "$BASTION"
  reloaded() { [ "$(grep -c 'reloaded.*policy' serve.log || true)" -gt "$before" ]; }
  eventually 10 reloaded || { tail -n 20 serve.log; fail 'no reload'; }
}

# jump_config [LINE...]: ./config leads to db1 by way of the bastion, as whoever is signed in here; the lines are for db1.
jump_config() {
  printf '@cert-authority localhost,db1 %s\n' "$(cat "$(public_key host_ca)")" >jump_hosts
  cat >config <<CONFIG
Host db1
    User $TARGET_LOGIN
$(printf '    %s\n' "$@")
Host bastion
    HostName 127.0.0.1
    Port $SSH_PORT
    HostKeyAlias localhost
Host *
    UserKnownHostsFile $PWD/jump_hosts
    StrictHostKeyChecking yes
    BatchMode yes
    IdentitiesOnly yes
    IdentityAgent none
    IdentityFile $PWD/key
    CertificateFile $PWD/key-cert.pub
    LogLevel ERROR
CONFIG
}

# make_transport: ./transport is the stock ssh with the options of whoever is signed in here, for programs that start their own.
make_transport() {
  local options
  mapfile -t options < <(ssh_options)
  printf '#!/bin/bash\nexec ssh %s "$@"\n' "$(printf '%q ' "${options[@]}")" >transport
  chmod +x transport
}

# approver COMMAND...: the console, as whoever's key is in ./approver.
approver() {
  local options
  trust_bastion
  mapfile -t options < <(cd approver && ssh_options)
  ssh -o "UserKnownHostsFile=$PWD/known_hosts" "${options[@]}" console@127.0.0.1 "$@"
}

# public_key NAME: where the bastion keeps that public key.
public_key() {
  find "$STATE" -name "$1.pub" -print -quit
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

# exchange FLOW [NONCE_RANDOM_FILE]: trades ./token, for ./key, as docs/PIPELINES.md says; leaves key-cert.pub, or reply.json.
exchange() {
  local now more=()
  now=$(date +%s)
  [ -z "${2:-}" ] || more=(--data-urlencode "nonce_random=$(base64url <"$2")")
  rm -f proof proof.sig key-cert.pub
  printf 'sallyport-proof-v1\n%s\n%s\n%s\n' localhost "$(sha256sum <token | cut -d' ' -f1)" "$now" >proof
  ssh-keygen -q -Y sign -f key -n sallyport proof 2>/dev/null
  [ ! -s bastion-ca.pem ] || more+=(--cacert bastion-ca.pem)
  curl -sS "$URL/v1/certificates" -o reply.json \
    --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:token-exchange \
    --data-urlencode subject_token_type=urn:ietf:params:oauth:token-type:id_token --data-urlencode subject_token@token \
    --data-urlencode public_key@key.pub --data-urlencode proof@proof.sig -d proof_time="$now" -d flow="$1" "${more[@]}"
  jq -er .access_token reply.json >key-cert.pub 2>/dev/null || { rm -f key-cert.pub; cat reply.json; return 1; }
}

# person_token LOGIN, pipeline_token LOGIN: an ID token in ./token, bound to ./key (a new one).
person_token() {
  new_key
  openssl rand 32 >random
  id_token "$PEOPLE" "$1" sallyport "$(bound_nonce key.pub random)" >token
}

pipeline_token() {
  new_key
  id_token "$PIPELINES" "$1" "$(bound_audience key.pub)" "$(openssl rand -hex 8)" >token
}

# sallyport_login [OPTIONS]: `sallyport login` into files below this folder, which is its HOME.
sallyport_login() {
  HOME="$PWD" "$SALLYPORT" login "$URL" --no-browser --files "$@"
}

# taken_from_home: ./key and ./key-cert.pub are what the last sallyport_login left.
taken_from_home() {
  local certificate
  certificate=$(find .ssh -name '*-cert.pub' -print -quit)
  [ -n "$certificate" ] || fail 'login left no certificate'
  cp -p "$certificate" key-cert.pub
  cp -p "${certificate%-cert.pub}" key
}

new_key() {
  rm -f key key.pub key-cert.pub
  ssh-keygen -q -t ed25519 -N '' -C '' -f key
}

# sign_in LOGIN, sign_in_pipeline LOGIN: a certificate in key-cert.pub.
sign_in() {
  person_token "$1"
  exchange local random || fail "sign-in of $1"
}

sign_in_pipeline() {
  pipeline_token "$1"
  exchange ci || fail "sign-in of $1"
}

# ssh as a user of the bastion would have it, with nothing from this machine's own configuration.
ssh_options() {
  printf '%s\n' -F none -p "$SSH_PORT" -o "UserKnownHostsFile=$PWD/known_hosts" -o StrictHostKeyChecking=yes \
    -o HostKeyAlias=localhost -o IdentitiesOnly=yes -o IdentityAgent=none -o "IdentityFile=$PWD/key" \
    -o "CertificateFile=$PWD/key-cert.pub" -o BatchMode=yes -o ConnectTimeout=20 -o LogLevel=ERROR
}

# Many may do so at once: the file is there whole or not at all.
trust_bastion() {
  [ -s known_hosts ] && return
  printf '@cert-authority localhost %s\n' "$(cat "$(public_key host_ca)")" >"known_hosts.$BASHPID"
  mv "known_hosts.$BASHPID" known_hosts
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
  console sessions list --json | jq -cer '(if type == "array" then . else .sessions end) | max_by(.session)'
}

# recording_of_last [FILE]: exports the newest session's recording as stored, once it is sealed; unpacks it to FILE (last.cast).
recording_of_last() {
  local id
  eventually 15 last_is_sealed || fail "the newest session is not closed: $(last_session)"
  id=$(last_session | jq -er .session)
  console export "$id" --format raw >last.cast.zst || fail "export of $id"
  zstd -dcq last.cast.zst >"${1:-last.cast}" || fail "zstd does not read the export of $id"
}

last_is_sealed() {
  last_session | jq -e '.ended != null' >/dev/null
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
  sign_in "${1:-alice}"
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
