# A stolen token that was used is worth nothing, whatever happened to the process in between.
new_bastion
awk '/^# certify.sh/ {on = 1} /^```$/ {on = 0} on' "$HERE/../../docs/PIPELINES.md" >certify.sh
sed -i "s#^url=.*#url=http://127.0.0.1:$HTTP_PORT#; s#^name=.*#name=localhost#; /^rm -f/d" certify.sh
ssh-keygen -q -t ed25519 -N '' -f key
id_token pipeline:build "$(openssl rand -hex 16)" | tr -d '\n' >token
sh certify.sh >first 2>&1 || { cat first reply.json; fail 'the first use'; }
rm proof.sig
! sh certify.sh >second 2>&1 || fail 'the second use gave a certificate'
stop_bastion KILL
serve
rm -f proof.sig
! sh certify.sh >third 2>&1 || fail 'the third use, after a restart, gave a certificate'
contains 'the refusal' "$(cat reply.json)" '"code"'
