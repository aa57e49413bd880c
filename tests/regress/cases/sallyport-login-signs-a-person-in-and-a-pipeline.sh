# The client of the bastion itself: code and PKCE on a loopback redirect, and a token from a CI system's file.
new_bastion
sallyport_login >login.log 2>&1 &
login=$!
eventually 20 grep -qE 'https?://localhost:[0-9]+/auth\?' login.log || { cat login.log; fail 'login shows no address'; }
address=$(grep -oE 'https?://localhost:[0-9]+/auth\?[^ ]+' login.log | head -n 1)
back=$(walk "$(mktemp)" "$address" alice http://127.0.0.1:)
curl -sS "$back" >page
wait "$login" || { cat login.log; fail 'login'; }
[ -s key-cert.pub ] || fail 'login left no certificate'
equal 'file mode of the key' "$(stat -c %a key)" 600
contains 'what login prints' "$(cat login.log)" 'ssh '
equal 'output' "$(via 'echo signed in')" 'signed in'

pipeline_token build
rm -f key-cert.pub
sallyport_login --ci "file:$PWD/token" >login.log 2>&1 || { cat login.log; fail 'login of a pipeline'; }
equal 'output' "$(via 'echo from a pipeline')" 'from a pipeline'
