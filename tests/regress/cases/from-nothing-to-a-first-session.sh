# init, target add, check, serve: what an operator types, and nothing else, until the first command runs.
SSH_PORT=$(free_port) http_port=$(free_port)
STATE="$PWD/state" CONFIG="$PWD/sallyport.toml" URL="http://127.0.0.1:$http_port"
"$SALLYPORT" init --name localhost --issuer "$PEOPLE" --client-id sallyport --single-tenant --internal --admin alice \
  --ssh-listen "127.0.0.1:$SSH_PORT" --http-listen "127.0.0.1:$http_port" >init.log || { cat init.log; fail init; }
start_sshd "$(public_key target_ca)"

# The scanned key is shown, and nothing is added without a word that it was compared.
code=0
"$SALLYPORT" target add db1 "127.0.0.1:$SSHD_PORT" --login "$TARGET_LOGIN" --env test --allow-loopback >add.log 2>&1 || code=$?
[ "$code" != 0 ] || fail 'a target was added unseen'
contains 'what it shows' "$(cat add.log)" "$(ssh-keygen -l -f sshd_host_key.pub | cut -d' ' -f2)"
lacks 'the config' "$(cat "$CONFIG")" 'name = "db1"'
"$SALLYPORT" target add db1 "127.0.0.1:$SSHD_PORT" --login "$TARGET_LOGIN" --env test --allow-loopback --yes >add.log 2>&1 ||
  { cat add.log; fail 'target add'; }
"$SALLYPORT" check >check.log 2>&1 || { cat check.log; fail 'check'; }

serve
sign_in alice
equal 'the first command' "$(via 'echo first')" first
contains 'what trust prints' "$(console trust)" 'TrustedUserCAKeys'

# Every fault at once, each with its key path and a mend.
mkdir broken && cp -r policies broken/ && sed 's/^name = "localhost"/name = "not a host name"/' "$CONFIG" >broken/sallyport.toml
printf '[[target]]\nname = "DB2"\naddress = "127.0.0.1"\nlogins = ["-x"]\nlabels = { env = "prodution" }\n' >>broken/sallyport.toml
echo 'permit(principal, action, resource)' >broken/policies/99.cedar
code=0
"$SALLYPORT" check --config broken/sallyport.toml >faults.log 2>&1 || code=$?
equal 'exit code of check' "$code" 2
for key in name 'target[2].name' 'target[2].address' 'target[2].logins' 'target[2].labels.env' 'target[2]'; do
  contains 'faults' "$(cat faults.log)" "sallyport.toml: $key: "
done
contains 'a mend' "$(cat faults.log)" 'did you mean "production"?'
contains 'the fault of a policy' "$(cat faults.log)" '99.cedar:1:36'
