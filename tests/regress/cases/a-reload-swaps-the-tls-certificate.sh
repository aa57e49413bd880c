# SIGHUP with new TLS files: new connections see the new certificate; files that do not fit leave the old one.
TLS=1 new_bastion
shown() { openssl s_client -connect "${URL#https://}" -servername localhost </dev/null 2>/dev/null | openssl x509 -noout -serial; }
first=$(shown)
cp bastion.key old.key
make_tls next
mv next.pem bastion.pem
kill -HUP "$BASTION"
eventually 10 grep -q 'everything stays as it was' serve.log || fail 'a chain without its key was taken'
equal 'certificate' "$(shown)" "$first"
mv next.key bastion.key
kill -HUP "$BASTION"
swapped() { [ "$(shown)" != "$first" ]; }
eventually 10 swapped || fail 'the certificate is still the old one'
equal 'certificate' "$(shown)" "$(openssl x509 -noout -serial -in bastion.pem)"
stop_bastion TERM
