# The script of docs/PIPELINES.md as it stands there, against the running bastion.
new_bastion
awk '/^# certify.sh/ {on = 1} /^```$/ {on = 0} on' "$HERE/../../docs/PIPELINES.md" >certify.sh
sed -i "s#^url=.*#url=http://127.0.0.1:$HTTP_PORT#; s#^name=.*#name=localhost#" certify.sh
ssh-keygen -q -t ed25519 -N '' -f key
id_token pipeline:build "$(openssl rand -hex 16)" | tr -d '\n' >token
sh certify.sh
[ -s key-cert.pub ] || fail 'no certificate'
[ ! -e token ] || fail 'the token is left behind'
equal 'output' "$(via 'echo from a pipeline')" 'from a pipeline'
