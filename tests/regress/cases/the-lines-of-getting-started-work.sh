# Every line of docs/GETTING-STARTED.md, taken out of the document and run in its order, each role in a folder of its own.
python3 "$HERE/document.py" "$HERE/../../docs/GETTING-STARTED.md" lines
SSH_PORT=$(free_port) SSHD_PORT=$(free_port) http_port=$(free_port)
mkdir -p bastion client/.ssh target/etc/ssh bin
ln -s "$SALLYPORT" bin/sallyport

# What differs from the document, and nothing else does: names, addresses, ports, folders; the issuer is on loopback and
# so is the host; and a yes is said beforehand where a person would be asked.
as_here() {
  sed -e "s#https://login.example.com#$PEOPLE#; s# --single-tenant# --single-tenant --internal --ssh-listen 127.0.0.1:$SSH_PORT#" \
    -e "s#bastion\.example\.com#localhost#g; s#00u1abcd#alice#; s#-p 2222#-p $SSH_PORT#" \
    -e "s#\[::\]:8443#127.0.0.1:$http_port#; s#:8443#:$http_port#" \
    -e "s#10\.0\.3\.4#127.0.0.1:$SSHD_PORT --allow-loopback --yes#; s# --setup\$# --setup --yes#" \
    -e "s#/etc/sallyport#$PWD/bastion#g; s#/etc/ssh#$PWD/target/etc/ssh#g; s#deploy#$TARGET_LOGIN#g" "$1"
}

# The host: a stock sshd that knows nothing of the bastion. `systemctl reload` tells it to read its settings again.
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f target/host_key
cat >target/etc/ssh/sshd_config <<CONFIG
ListenAddress 127.0.0.1:$SSHD_PORT
HostKey $PWD/target/host_key
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile none
UsePAM no
PidFile $PWD/target/pid
CONFIG
start sshd /usr/sbin/sshd -D -f "$PWD/target/etc/ssh/sshd_config" -E "$PWD/sshd-auth.log"
eventually 10 listens "$SSHD_PORT" || fail 'sshd does not listen'
printf '#!/bin/sh\nexec /usr/sbin/sshd -f %s/target/etc/ssh/sshd_config "$@"\n' "$PWD" >bin/sshd
cat >bin/systemctl <<STUB
#!/bin/sh
kill -HUP "\$(cat $PWD/target/pid)"
for try in \$(seq 200); do
  [ "\$(grep -c 'Server listening' $PWD/sshd-auth.log)" -lt 2 ] || exit 0
  sleep 0.05
done
exit 1
STUB
# The person: a browser that fills the issuer's forms in. The stock ssh looks for its files in the folder of the account,
# not in \$HOME: here they are named.
cat >bin/xdg-open <<STUB
#!/bin/bash
. $HERE/lib.sh
redirect=\$(sed -n 's/.*redirect_uri=\([^&]*\).*/\1/p' <<<"\$1" | sed 's/%/\\\\x/g')
curl -sS "\$(walk "\$(mktemp -p "$SUITE")" "\$1" alice "\$(printf %b "\$redirect")")"
STUB
cat >bin/ssh <<STUB
#!/bin/sh
exec /usr/bin/ssh -F $PWD/client/.ssh/config -o UserKnownHostsFile=$PWD/client/.ssh/known_hosts -o IdentityAgent=none \
  -o BatchMode=yes "\$@"
STUB
chmod 755 bin/*
make_tls tls
cp tls.pem tls.crt

for block in lines/*.sh; do
  role=$(basename "$block" .sh | cut -d. -f2-)
  as_here "$block" >"$block.here"
  case $role in
    bastion) command=(env SALLYPORT_CONFIG="$PWD/bastion/sallyport.toml") ;;
    bastion.serve)
      # The shell gives way, so that what is ended is the bastion.
      sed -i 's#^sallyport serve#exec &#' "$block.here"
      start serve env SALLYPORT_CONFIG="$PWD/bastion/sallyport.toml" PATH="$PWD/bin:$PATH" sh -eu "$block.here"
      eventually 20 listens "$SSH_PORT" || { cat serve.log; fail 'the bastion does not listen'; }
      continue ;;
    client) command=(env -u SSH_AUTH_SOCK HOME="$PWD/client" SSL_CERT_FILE="$PWD/tls-ca.pem" DISPLAY=:0) ;;
    target) command=(env) ;;
    *) fail "nobody plays $role" ;;
  esac
  folder=${role%%.*}
  [ "$role" != target ] || cp client/db1.sh target/db1.here
  if [ "$role" = target ]; then sed "s#/etc/ssh#$PWD/target/etc/ssh#g" target/db1.here >target/db1.sh; fi
  (cd "$folder" && PATH="$OLDPWD/bin:$PATH" timeout 60 "${command[@]}" sh -eu "$OLDPWD/$block.here") >"$block.out" 2>&1 ||
    { cat "$block.here" "$block.out"; fail "$block"; }
  # The certificate of the bastion's HTTPS is there from the first step on.
  [ -e bastion/tls.crt ] || { cp tls.crt bastion/ && install -m 600 tls.key bastion/tls.key; }
done

last=$(cat "$block.out")
contains 'targets check' "$last" 'signed in, and it runs what it is asked for'
contains 'the session' "$last" "$(hostname)"
contains 'its record' "$last" 'exit 0'
contains 'who' "$(cat lines/*client*.out)" 'alice@example.com'
