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

# As a job of GitHub Actions: the tool asks for a token whose audience is bound to its new key.
tokens=$(free_port)
start tokens python3 "$HERE/job_tokens.py" "$tokens" job-secret
eventually 10 listens "$tokens" || fail 'no tokens for jobs'
rm -rf .ssh key key-cert.pub
ACTIONS_ID_TOKEN_REQUEST_URL="http://127.0.0.1:$tokens/?api-version=2.0" ACTIONS_ID_TOKEN_REQUEST_TOKEN=job-secret \
  sallyport_login --ci github >login.log 2>&1 || { cat login.log; fail 'login of a pipeline'; }
taken_from_home
equal 'output' "$(via 'echo from a pipeline')" 'from a pipeline'
