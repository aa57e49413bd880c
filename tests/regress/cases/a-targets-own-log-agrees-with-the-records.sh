# A real sshd's log against a bundle: they agree, until somebody signs in past the bastion, or a line is taken out.
ready
for _ in 1 2 3; do via true; done
sign_in carol
sleep 1
console evidence export --from 1h >bundle.tar 2>/dev/null || fail 'export'
console evidence trust >trust
reconcile() { "$SALLYPORT" evidence reconcile bundle.tar --sshd-log "$1" --target db1 --trust trust; }
reconcile sshd-auth.log >out || fail "both agree: $(cat out)"
contains 'what agrees' "$(cat out)" 'sign-ins    3, 3 of them with their record'

# In the form that syslog has.
sed 's/^/Nov 28 10:07:35 db1 sshd-session[812]: /' sshd-auth.log >syslog
reconcile syslog >out || fail "both agree in syslog: $(cat out)"

# Somebody with the target's authority signs a certificate of their own.
ssh-keygen -q -t ed25519 -N '' -f other
authority=$(public_key target_ca)
ssh-keygen -q -s "${authority%.pub}" -I sp1:other -z 90001 -n "$TARGET_LOGIN" -V +5m other.pub 2>/dev/null ||
  fail 'a certificate past the bastion'
ssh -F none -i other -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
  -p "$SSHD_PORT" "$TARGET_LOGIN@127.0.0.1" true 2>/dev/null || fail 'the sign-in past the bastion'
code=0
reconcile sshd-auth.log >out || code=$?
equal 'exit code of a sign-in past the bastion' "$code" 3
contains 'a sign-in past the bastion' "$(cat out)" 'serial 90001 (sp1:other): no record has this serial'

second=$(grep -n 'Accepted publickey' sshd-auth.log | sed -n '2s/:.*//p')
sed "${second}d" sshd-auth.log | grep -v 90001 >cut
code=0
reconcile cut >out || code=$?
equal 'exit code of a log with a line less' "$code" 3
contains 'a line less' "$(cat out)" 'FAULT record of a session, without a sign-in'
