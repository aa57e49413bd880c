# Every line of docs/PIPELINES.md, taken out of the document: with the binary, and by hand as a job of each CI system.
TLS=1 new_bastion
python3 "$HERE/document.py" "$HERE/../../docs/PIPELINES.md" lines
grep -q 'login --bastion' "$HERE/../../docs/PIPELINES.md" && fail 'an option that does not exist'

# What differs from the document, and nothing else does: names, addresses and ports; the command that is run there.
as_here() {
  cat lines/*."$1" | substituted
}
substituted() {
  sed -e "s#https://bastion.example.com:8443#$URL#; s#bastion\.example\.com#localhost#g; s#-p 2222#-p $SSH_PORT#" \
    -e "s#deploy+db1#$TARGET_LOGIN+db1#; s#'systemctl restart app'#'echo restarted'#"
}

# What the CI systems bring: an address that gives tokens, a variable with one, an agent that asks for one.
tokens=$(free_port)
start tokens python3 "$HERE/job_tokens.py" "$tokens" job-secret
eventually 10 listens "$tokens" || fail 'no tokens for jobs'
mkdir bin
ln -s "$SALLYPORT" bin/sallyport
printf '#!/bin/bash\n[ "$1 $2 $3" = "oidc request-token --audience" ] || exit 2\n. %s/lib.sh\nid_token "$PIPELINES" build "$4" "$(openssl rand -hex 8)"\n' \
  "$HERE" >bin/buildkite-agent
# The stock ssh looks for its files in the folder of the account, not in $HOME: here the authority is named.
trust_bastion
printf '#!/bin/sh\nexec /usr/bin/ssh -F none -o UserKnownHostsFile=%s/known_hosts -o HostKeyAlias=localhost "$@"\n' "$PWD" >bin/ssh
chmod 755 bin/*
export PATH="$PWD/bin:$PATH" SSL_CERT_FILE="$PWD/bastion-ca.pem" CURL_CA_BUNDLE="$PWD/bastion-ca.pem" CI_NAME=ci
export ACTIONS_ID_TOKEN_REQUEST_URL="http://127.0.0.1:$tokens/?api-version=2.0" ACTIONS_ID_TOKEN_REQUEST_TOKEN=job-secret
HOST_CA=$(cat "$(public_key host_ca)")
export HOST_CA

# With the binary, into an agent as a job has one.
eval "$(ssh-agent -s)" >/dev/null
STARTED+=("$SSH_AGENT_PID")
mkdir binary
{ echo 'set -eu'; as_here job.binary.sh; } >binary/run.sh
equal 'with the binary' "$(cd binary && HOME=$PWD sh run.sh 2>err | tail -n 1)" restarted
# And as the pipelines' own files say it, once for each system. GitLab's runner has minted the token before the job begins.
for file in lines/*.yaml; do
  "$NODE" "$HERE/node/steps.mjs" <"$file" >commands
  { echo 'set -eu'; substituted <commands; } >binary/run.sh
  if grep -q 'env:' commands; then
    # That issuer binds no token to a key: one of its own kind stands in the config for it.
    stop_bastion TERM
    sed -i '/^profile = "github"/,/^require/ { s/github/gitlab/; s/repository_owner_id/namespace_id/; }' "$CONFIG"
    serve
    SALLYPORT_ID_TOKEN=$(id_token "$PIPELINES" gitlab https://localhost/ssh "$(openssl rand -hex 8)")
    export SALLYPORT_ID_TOKEN
  fi
  got=$(cd binary && HOME=$PWD sh run.sh 2>err | tail -n 1) || true
  [ "$got" = restarted ] || { cat binary/run.sh binary/err; fail "$file: got '$got'"; }
  if grep -q 'env:' commands; then
    stop_bastion TERM
    sed -i '/^profile = "gitlab"/,/^require/ { s/gitlab/github/; s/namespace_id/repository_owner_id/; }' "$CONFIG"
    serve
  fi
done
equal 'files of CI systems' "$(ls lines/*.yaml | wc -l)" 3
unset SSH_AUTH_SOCK

for system in github gitlab buildkite; do
  mkdir "$system"
  as_here job.certify.sh >"$system/certify.sh"
  # One shell, as in a job: the boxes hand variables on.
  { echo 'set -eu'; as_here job.key.sh; [ "$system" != gitlab ] || echo ". ../gitlab-runner"; as_here "job.$system.sh"; as_here job.go.sh; } >"$system/run.sh"
  # GitLab's runner has minted the token before the job begins; here it needs to know the key of a job that cannot bind it.
  echo "SALLYPORT_ID_TOKEN=\$(bash -c '. $HERE/lib.sh; id_token \$PIPELINES build \"\$1\" x' _ \"\$audience\")" >gitlab-runner
  got=$(cd "$system" && HOME=$PWD sh run.sh 2>err) || { cat "$system/err"; fail "$system"; }
  equal "$system" "$got" restarted
  for left in token proof proof.sig reply.json; do
    [ ! -e "$system/$left" ] || fail "$system: $left is left behind"
  done
done
