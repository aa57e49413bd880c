# One machine with many faults: dead and changed targets, a certificate that has ended, an issuer that is down. All are named.
TLS=1 new_bastion
"$SALLYPORT" check --config "$CONFIG" >good.log 2>&1 || { cat good.log; fail 'a bastion without faults has some'; }
contains 'what was looked at' "$(cat good.log)" '1 target, 2 issuers, the bastion'\''s own host certificate'

ssh-keygen -q -t ed25519 -N '' -C other -f other
dead=$(free_port) down=$(free_port)
cp -rp . ../broken && cd ../broken
# Ended yesterday, for another name, and the key beside it is another's.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=old' -addext 'subjectAltName=DNS:old.example.com' \
  -not_before 20200101000000Z -not_after 20200201000000Z -keyout old.key -out old.pem 2>/dev/null || python3 - <<'PY'
# An OpenSSL before 3.4 cannot date a certificate back: a CA's signing command can.
import os, subprocess
def run(*words): subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=old", "-keyout", "old.key", "-out", "old.csr")
open("ca.cnf", "w").write("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=DNS:old.example.com\n")
open("index.txt", "w").close(); open("serial", "w").write("01\n")
run("openssl", "ca", "-batch", "-config", "ca.cnf", "-extensions", "x", "-selfsign", "-keyfile", "old.key", "-in", "old.csr", "-out", "old.pem", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-notext")
PY
cp old.pem bastion.pem
CONFIG="$PWD/sallyport.toml"
sed -i "s#/check-names-every-fault-in-one-go/#/broken/#g; s#$PIPELINES#http://127.0.0.1:$down#; \
  s#^host_key = .*#host_key = \"$(cut -d' ' -f1,2 other.pub)\"#" "$CONFIG"
printf '\n[[target]]\nname = "db2"\naddress = "127.0.0.1:%s"\nlogins = ["x"]\nhost_key = "%s"\nallow_loopback = true\n' \
  "$dead" "$(cut -d' ' -f1,2 sshd_host_key.pub)" >>"$CONFIG"
chmod 644 state/keys/target_ca
code=0
"$SALLYPORT" check --config "$CONFIG" >faults.log 2>&1 || code=$?
equal 'exit code' "$code" 2
for fault in \
  'target[db1].host_key: 127.0.0.1:'"$SSHD_PORT shows $(ssh-keygen -l -f sshd_host_key.pub | cut -d' ' -f2): not the configured host key" \
  "target[db2].address: 127.0.0.1:$dead cannot be reached" \
  "issuer[actions].url: http://127.0.0.1:$down/.well-known/openid-configuration: no answer" \
  'has ended on 2020-02-01' 'is for old.example.com, and clients come to localhost' \
  'http.tls_cert_file' 'keys/target_ca has mode 0644'; do
  contains 'faults' "$(cat faults.log)" "$fault"
done
"$SALLYPORT" check --config "$CONFIG" --json >faults.json && fail 'good?'
equal 'as JSON' "$(jq -r '.faults | length' faults.json) faults" "$(grep -o '[0-9]* faults' faults.log)"
"$SALLYPORT" check --config "$CONFIG" --offline >offline.log 2>&1 || true
lacks 'offline' "$(cat offline.log)" 'target[db2]'
contains 'offline' "$(cat offline.log)" '2 targets and 2 issuers were not asked (--offline)'
