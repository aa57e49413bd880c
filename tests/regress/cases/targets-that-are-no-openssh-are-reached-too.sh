# dropbear, a server in Go and one of libssh, which know no certificates, by a lasting key; asyncssh's, which knows them, by a certificate.
new_bastion
homes="$HERE/matrix/.clients"
export PYTHONPATH="$homes/python"
python3 -c 'import asyncssh' 2>/dev/null ||
  timeout 200 python3 -m pip install -q --disable-pip-version-check --no-warn-script-location --root-user-action=ignore --upgrade \
    --target "$homes/python" asyncssh >pip.log 2>&1 || { cat pip.log; fail 'asyncssh cannot be installed'; }
mkdir -p "$homes"
HOME="$PWD" GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$homes/go" GOFLAGS='' go build -o server-go "$HERE/targets/server.go" >go.log 2>&1 ||
  { cat go.log; fail 'the server in Go does not build'; }

cc -O1 -Wall -Wno-deprecated-declarations -o server-libssh "$HERE/targets/libssh_server.c" -lssh >cc.log 2>&1 || { cat cc.log; fail 'the server of libssh does not build'; }

for name in dropbear golang libssh asyncssh; do
  ssh-keygen -q -t ed25519 -N '' -C "$name" -f "host-$name"
  declare "$name=$(free_port)"
done
ssh-keygen -q -t ed25519 -N '' -C 'of the bastion' -f lasting
ssh-keygen -q -t ecdsa -N '' -C 'of the bastion' -f lasting-ecdsa
# Where dropbear looks for keys; nothing else on this machine does.
home=$(getent passwd "$TARGET_LOGIN" | cut -d: -f6)
trap 'code=$?; rm -rf "$home/.ssh"; case_down "$code"; exit "$code"' EXIT
install -d -m 700 -o "$TARGET_LOGIN" "$home/.ssh"
install -m 600 -o "$TARGET_LOGIN" lasting-ecdsa.pub "$home/.ssh/authorized_keys"
# The private file holds this half as well, where the search for secrets takes it for the other.
rm lasting-ecdsa.pub
dropbearconvert openssh dropbear host-dropbear host-dropbear.db 2>/dev/null
start dropbear dropbear -F -E -s -p "127.0.0.1:$dropbear" -r host-dropbear.db -P dropbear.pid
start golang ./server-go "$golang" host-golang lasting.pub
start libssh ./server-libssh "$libssh" host-libssh lasting.pub
echo "cert-authority $(cat "$(public_key target_ca)")" >authorities
start asyncssh python3 "$HERE/targets/asyncssh_server.py" "$asyncssh" host-asyncssh authorities
for name in dropbear golang libssh asyncssh; do
  eventually 20 listens "${!name}" || { cat "$name.log"; fail "$name does not listen"; }
  cat >>"$CONFIG" <<TARGET

[[target]]
name = "$name"
address = "127.0.0.1:${!name}"
logins = ["$TARGET_LOGIN"]
labels = { env = "test" }
shell = "posix"
host_key = "$(cut -d' ' -f1,2 "host-$name.pub")"
allow_loopback = true
TARGET
  case $name in
    dropbear) echo "key_file = \"$PWD/lasting-ecdsa\"" >>"$CONFIG" ;;
    golang | libssh) echo "key_file = \"$PWD/lasting\"" >>"$CONFIG" ;;
  esac
done
stop_bastion TERM
code=0
"$SALLYPORT" check --offline --config "$CONFIG" >check.log 2>&1 || code=$?
equal 'what check ends with' "$code" 0
contains check "$(cat check.log)" 'target[dropbear].key_file: is a lasting key'
serve
sign_in alice
trust_bastion
mapfile -t options < <(ssh_options)
at() { timeout 60 ssh "${options[@]}" "$TARGET_LOGIN+$1@127.0.0.1" "${@:2}"; }

head -c 1048576 /dev/urandom >noise
for name in dropbear golang libssh asyncssh; do
  code=0
  at "$name" 'echo out; echo err >&2; exit 7' >out 2>err || code=$?
  [ "$code" = 7 ] || { cat err "$name.log"; fail "$name: the command ends with $code"; }
  equal "$name, output" "$(cat out)" out
  equal "$name, error output" "$(cat err)" err
  at "$name" cat <noise >back || fail "$name: cat"
  cmp noise back || fail "$name: bytes differ"
done
equal 'a terminal at dropbear' "$(at dropbear -tt 'test -t 0 && echo a terminal' | tr -d '\r')" 'a terminal'
echo "put noise up" >batch
timeout 60 sftp -q "${options[@]/#-p/-P}" -b batch "$TARGET_LOGIN+asyncssh@127.0.0.1" >sftp.log 2>&1 || { cat sftp.log; fail 'sftp at asyncssh'; }
cmp noise up || fail 'sftp at asyncssh: bytes differ'

# The record says that it was a lasting key, and the list of targets says so too.
equal 'how was signed in' "$(grep -raohE '"key_file":(true|false)' "$STATE/log" | sort -u | paste -sd' ')" '"key_file":false "key_file":true'
console targets >targets.log
contains targets "$(grep dropbear targets.log)" key
# A key that others may read is used for nothing.
chmod 644 lasting
! at golang true 2>refused.log || fail 'signed in with a key that others may read'
contains 'the refusal' "$(cat refused.log)" 'there is nothing to sign in at golang with'
contains 'the log' "$(cat serve.log)" 'error=Certificate(Signer(Rights'
