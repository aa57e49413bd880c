#!/usr/bin/env bash
# Runs every test: format, lints, dependencies, unit and integration tests, then the built binary against real
# OpenSSH and a certified OpenID provider. Needs a Rust toolchain; installs the rest (Debian, as root or with sudo).
#
# One target directory and one profile (release) for lints, tests and the binary, so that dependencies are built once.
# Works without a terminal, without standard input and from any directory. Exit code 0 only if every step held.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 2
exec </dev/null
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}" DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)

failed=()
report=()

# step SECONDS NAME COMMAND...: runs one step within its time, goes on when it fails, remembers.
step() {
  local limit=$1 name=$2 began=$SECONDS code=0
  shift 2
  printf '\n== %s\n' "$name"
  timeout --kill-after=20 "$limit" "$@" || code=$?
  if [ "$code" = 0 ]; then
    report+=("ok      $((SECONDS - began)) s  $name")
  else
    [ "$code" = 124 ] && echo "$name: not done after $limit s"
    report+=("FAILED  $((SECONDS - began)) s  $name (exit code $code)")
    failed+=("$name")
  fi
}

# Installs what is missing, and says what and why.
install_tools() {
  local packages=() tool path package why
  # command : Debian package : what needs it
  while IFS=: read -r tool package why; do
    [ -n "$tool" ] || continue
    PATH="$PATH:/usr/sbin:/sbin" command -v "$tool" >/dev/null && continue
    echo "missing $tool: $package ($why)"
    packages+=("$package")
  done <<'TOOLS'
cc:build-essential:the cryptographic library and zstd are compiled from C
git:git:a push through the bastion
rsync:rsync:a copy through the bastion
openssl:openssl:certificates of the issuer, random numbers
openssl:openssl:certificates, nonces and digests of the tests
rsync:rsync:a transfer through the bastion
curl:curl:a pipeline signs in with nothing but curl and ssh-keygen
ssh:openssh-client:every session of the tests is made with the stock client
sshd:openssh-server:the real target behind the bastion
zstd:zstd:a raw recording is read without our code
asciinema:asciinema:plays what we export
expect:expect:sessions with a terminal
jq:jq:reads what --json prints
strace:strace:shows that a sync comes before each acknowledgement
mount:mount:a full disk and a read-only one
python3:python3:dependency rules, byte comparisons
node:nodejs:runs oidc-provider, the certified issuer
npm:npm:fetches oidc-provider
systemd-analyze:systemd:how closed the systemd unit is
ps:procps:memory and process checks
plink:putty-tools:signs in at the prompt as PuTTY does
dbclient:dropbear-bin:signs in at the prompt as dropbear does, and is a target without certificates
pip3:python3-pip:installs paramiko, which signs in at the prompt too, AutoGen, an agent, and libraries of the client matrix
ssh1:openssh-client-ssh1:OpenSSH 7.5, an old client of the matrix
xauth:xauth:a target gives a program the way to a display
Xvfb:xvfb:the screen that is shown at
xdpyinfo:x11-utils:asks for the screen from a target
lftp:lftp:a client of the matrix
sshfs:sshfs:a client of the matrix
mosh:mosh:is refused by name
ruby:ruby:runs net-ssh, a client of the matrix
java:default-jre-headless:runs JSch, a client of the matrix
ecj:ecj:compiles what uses JSch
ansible:ansible-core:a play over held connections
chromium:chromium:looks at the page that signs people in
go:golang-go:builds the third verifier of evidence
TOOLS
  # Libraries, which have no command of their own. path : Debian package : what needs it
  while IFS=: read -r path package why; do
    [ -e "$path" ] && continue
    echo "missing $path: $package ($why)"
    packages+=("$package")
  done <<'LIBRARIES'
/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog:golang-golang-x-mod-dev:the third verifier of evidence
/usr/share/gocode/src/golang.org/x/crypto/ssh:golang-golang-x-crypto-dev:a client of the matrix
/usr/share/gocode/src/github.com/pkg/sftp:golang-github-pkg-sftp-dev:its transfers
/usr/share/doc/ruby-net-ssh:ruby-net-ssh:a client of the matrix
/usr/share/doc/ruby-net-sftp:ruby-net-sftp:its transfers
/usr/share/doc/ruby-ed25519:ruby-ed25519:its keys
/usr/share/doc/ruby-bcrypt-pbkdf:ruby-bcrypt-pbkdf:its keys
/usr/include/libssh/server.h:libssh-dev:a target of another making
/usr/share/java/jsch.jar:libjsch-java:a client of the matrix
LIBRARIES
  [ "${#packages[@]}" = 0 ] && { echo "every tool is here"; return 0; }
  command -v apt-get >/dev/null || { echo "no apt-get: install these yourself: ${packages[*]}"; return 1; }
  # RUNLEVEL=1 keeps apt from starting the SSH daemon it installs: the tests run one of their own, on loopback.
  "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${packages[@]}"
}

install_components() {
  local missing=() component
  for component in rustfmt clippy; do
    cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || missing+=("$component")
  done
  [ "${#missing[@]}" = 0 ] && return 0
  echo "missing ${missing[*]}: format and lints"
  rustup component add "${missing[@]}"
}

dependency_rules() {
  if cargo deny --version >/dev/null 2>&1; then
    cargo deny --offline check bans licenses sources
  else
    # Compiling cargo-deny takes longer than all the tests; the script holds the same rules of deny.toml.
    echo "cargo-deny is not installed: tests/deny.py reads deny.toml instead"
    python3 tests/deny.py
  fi
}

unit_tests() {
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --release --no-fail-fast
  else
    echo "cargo-nextest is not installed: cargo test instead"
    cargo test --locked --release --no-fail-fast --lib --bins --tests
  fi
}

# `timeout` runs programs, not functions: these are handed to it through bash.
export -f dependency_rules unit_tests

printf '== tools\n'
install_tools || { echo "tools are missing: nothing was tested"; exit 1; }
install_components || { echo "rustfmt or clippy is missing: nothing was tested"; exit 1; }

step 60 'format' cargo fmt --check
step 60 'dependency rules' bash -c dependency_rules
step 1800 'lints' cargo clippy --locked --release --all-targets -- -D warnings
step 2400 'tests in process' bash -c unit_tests
step 300 'documentation examples' cargo test --locked --release --doc
step 1200 'binary' cargo build --locked --release
step 2400 'tests with real programs' bash tests/regress/run.sh

printf '\n== summary (%s s)\n' "$SECONDS"
printf '%s\n' "${report[@]}"
[ "${#failed[@]}" = 0 ]
