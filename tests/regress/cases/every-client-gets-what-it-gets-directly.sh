# Each client people use, by both ways in: the same output, exit code and bytes as directly; what is refused, with its words.
# MATRIX_WRITE=1 puts what was found into the table; MATRIX_ONLY="go putty" tries only those.
new_bastion
trust_bastion
policies=$(dirname "$(find "$PWD" -name '*.cedar' -print -quit)")
# Code editors open ports on the target's loopback; that is nothing a bastion records, so it is granted apart.
cat >"$policies/60-forward.cedar" <<'POLICY'
@id("forward-to-the-target-itself")
permit (principal in Sallyport::Group::"users", action in [Sallyport::Action::"forward", Sallyport::Action::"unrecorded"], resource is Sallyport::Target);
POLICY
stop_bastion TERM
serve

# The target's sshd once more, for what `direct` is: it takes the key itself. It shows a key of an older kind too, for JSch,
# and takes keys below a folder that others may write to.
direct=$(free_port) socks=$(free_port)
ssh-keygen -q -t ecdsa -m PEM -N '' -C '' -f direct_ecdsa
sed -e "s|^ListenAddress.*|ListenAddress 127.0.0.1:$direct|" -e "s|^AuthorizedKeysFile.*|AuthorizedKeysFile $PWD/authorized|" sshd_config >direct_config
printf '%s\n' "HostKey $PWD/direct_ecdsa" 'StrictModes no' >>direct_config
start direct /usr/sbin/sshd -D -f "$PWD/direct_config" -E "$PWD/direct-auth.log"
eventually 10 listens "$direct" || { cat direct.log direct-auth.log; fail 'the second sshd does not listen'; }

# The certificate is for clients that know it; the others go by a plain key, proved at one sign-in at the prompt.
sign_in alice
mv key certified
mv key-cert.pub certified-cert.pub
mv key.pub certified.pub
new_key
ssh-keygen -q -t ecdsa -m PEM -N '' -C '' -f key.pem
install -m 644 <(cat key.pub key.pem.pub) authorized
puttygen key -o key.ppk 2>/dev/null
dropbearconvert openssh dropbear key key.db 2>/dev/null
export LIB="$HERE/lib.sh"
mapfile -t options < <(ssh_options | awk '/^CertificateFile/ { held = ""; next } held != "" { print held } { held = $0 } END { print held }')
code=0
at_prompts alice ssh -o BatchMode=no "${options[@]}" "$TARGET_LOGIN+db1@127.0.0.1" true || code=$?
[ "$code" = 0 ] || { cat client.log; fail "the sign-in at the prompt ends with $code"; }

printf '@cert-authority localhost,db1 %s\n' "$(cat "$(public_key host_ca)")" >known_hosts
echo "direct $(cut -d' ' -f1,2 sshd_host_key.pub)" >>known_hosts
cat >config <<CONFIG
Host *
    UserKnownHostsFile $PWD/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
    IdentitiesOnly yes
    ConnectTimeout 20
    LogLevel ERROR
Host m-direct
    HostName 127.0.0.1
    Port $direct
    HostKeyAlias direct
    IdentityFile $PWD/key
Host m-target m-bastion m-certified
    HostName localhost
    AddressFamily inet
    Port $SSH_PORT
    HostKeyAlias localhost
Host m-jump
    HostName db1
    HostKeyAlias db1
    ProxyCommand ssh -F $PWD/config -W %h:%p m-certified
Host m-target m-jump m-certified
    IdentityFile $PWD/certified
    CertificateFile $PWD/certified-cert.pub
Host m-bastion
    IdentityFile $PWD/key
Host m-target
    User $TARGET_LOGIN+db1
Host m-direct m-jump
    User $TARGET_LOGIN
Host m-bastion m-certified
    User jump
CONFIG
start socks ssh -F config -N -D "127.0.0.1:$socks" m-bastion
eventually 20 listens "$socks" || { cat socks.log; fail 'no SOCKS port'; }

# What PuTTY is told, since it knows no certificates: the key of each place, as it shows it.
print_of() { ssh-keygen -l -f - | cut -d' ' -f2; }
shown=$(ssh-keyscan -p "$SSH_PORT" -t ed25519 127.0.0.1 2>/dev/null | cut -d' ' -f2,3 | print_of)
inner=$(ssh -F config -o ProxyCommand="ssh -F config -W %h:%p m-bastion" -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile="$PWD/inner" \
  -o HostKeyAlgorithms=ssh-ed25519 -i key m-jump true && cut -d' ' -f2,3 inner | print_of) || fail 'no key inside the jump'

# The libraries, once for this machine.
homes="$HERE/matrix/.clients"
mkdir -p "$homes/node"
export PYTHONPATH="$homes/python" NODE_CLIENTS="$homes/node"
python3 -c 'import paramiko, asyncssh, ssh, ssh2' 2>/dev/null ||
  timeout 200 python3 -m pip install -q --disable-pip-version-check --no-warn-script-location --root-user-action=ignore --upgrade \
    --target "$homes/python" paramiko asyncssh ssh-python ssh2-python >pip.log 2>&1 || cat pip.log
[ -d "$homes/node/node_modules/ssh2" ] ||
  (cd "$homes/node" && timeout 200 npm install --omit=optional --no-package-lock --no-audit --no-fund --loglevel=error ssh2 >"$WORK/npm.log" 2>&1) || cat npm.log
HOME="$PWD" GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$homes/go" GOFLAGS='' go build -o client-go "$HERE/matrix/go/client.go" >go.log 2>&1 || cat go.log
ecj -17 -proc:none -cp /usr/share/java/jsch.jar -d . "$HERE/matrix/Client.java" >ecj.log 2>&1 || cat ecj.log

head -c 1048576 /dev/urandom >noise
mkdir remote
chmod 777 remote
jq -n --arg login "$TARGET_LOGIN" --arg remote "$PWD/remote" --arg only "${MATRIX_ONLY:-}" --argjson direct "$direct" --argjson bastion "$SSH_PORT" \
  --argjson socks "$socks" --arg a "$(print_of <sshd_host_key.pub)" --arg b "$shown" --arg c "$inner" \
  '{$login, $remote, $only, $direct, $bastion, $socks, fingerprints: {direct: $a, bastion: $b, inner: $c}}' >place.json
arguments=("$PWD")
[ -z "${MATRIX_WRITE:-}" ] || arguments+=(--write)
PYTHONDONTWRITEBYTECODE=1 python3 "$HERE/matrix/matrix.py" "${arguments[@]}" >matrix.log 2>&1 || { cut -c1-500 matrix.log; fail 'a cell is not as the table has it'; }
sed 's/^\([a-z0-9.O-]*: \)/figures: \1/' matrix.log
