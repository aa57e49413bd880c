# The script of docs/PIPELINES.md as it stands there, over HTTPS, for a job of a CI system.
TLS=1 new_bastion
awk '/^# certify.sh/ {on = 1} /^```$/ {on = 0} on' "$HERE/../../docs/PIPELINES.md" >certify.sh
sed -i "s#^url=.*#url=$URL#; s#^name=.*#name=localhost#" certify.sh
pipeline_token build
CURL_CA_BUNDLE="$PWD/bastion-ca.pem" sh certify.sh
[ -s key-cert.pub ] || fail 'no certificate'
[ ! -e token ] || fail 'the token is left behind'
equal 'output' "$(via 'echo from a pipeline')" 'from a pipeline'
# Ten minutes and a minute for clocks, no more.
contains 'certificate' "$(ssh-keygen -L -f key-cert.pub)" 'user certificate'
code=0
via 2>err </dev/null || code=$?
equal 'exit code of a shell for a pipeline that may run commands' "$code" 126
