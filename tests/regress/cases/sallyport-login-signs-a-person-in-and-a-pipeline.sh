# The client of the bastion itself: code and PKCE on a loopback redirect, and a token from a CI system's file.
new_bastion
sallyport_login >login.log 2>&1 &
login=$!
eventually 20 grep -qE 'http://127.0.0.1:[0-9]+/auth\?' login.log || { cat login.log; fail 'login shows no address'; }
address=$(grep -oE 'http://127.0.0.1:[0-9]+/auth\?[^ ]+' login.log | head -n 1)
redirect=$(sed -n 's/.*redirect_uri=\([^&]*\).*/\1/p' <<<"$address" | sed 's/%/\\x/g')
back=$(walk "$(mktemp -p "$SUITE")" "$address" alice "$(printf %b "$redirect")")
curl -sS "$back" >page
wait "$login" || { cat login.log; fail 'login'; }
taken_from_home
equal 'file mode of the key' "$(stat -c %a key)" 600
contains 'what login prints' "$(cat login.log)" 'ssh '
equal 'output' "$(via 'echo signed in')" 'signed in'

# A token that was minted before the key was made is bound to none: used once, with the proof of the key.
id_token "$PIPELINES" build https://localhost/ssh "$(openssl rand -hex 8)" >token
rm -f key key-cert.pub
sallyport_login --ci "file:$PWD/token" >login.log 2>&1 || { cat login.log; fail 'login of a pipeline'; }
taken_from_home
equal 'output' "$(via 'echo from a pipeline')" 'from a pipeline'
