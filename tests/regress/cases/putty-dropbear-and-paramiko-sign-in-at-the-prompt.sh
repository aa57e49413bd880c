# The other clients that people have, each with a key of its own: sign-in at the prompt, a command, then no prompt any more.
new_bastion
trust_bastion
export LIB="$HERE/lib.sh"
user="$TARGET_LOGIN+db1"
host_key=$(ssh-keyscan -p "$SSH_PORT" -t ed25519 127.0.0.1 2>/dev/null | cut -d' ' -f2,3)
[ -n "$host_key" ] || fail 'no host key'

# first NAME CODE: what the first run left in client.log.
first() {
  [ "$2" = 7 ] || { cat client.log; fail "$1: the first session ends with $2"; }
  contains "$1" "$(cat client.log)" "hello from $TARGET_LOGIN"
}
# shellcheck disable=SC2016
command='echo "hello from $(id -un)"; exit 7'

new_key
puttygen key -o key.ppk 2>/dev/null
fingerprint=$(printf '%s\n' "$host_key" | ssh-keygen -l -f - | cut -d' ' -f2)
putty=(plink -ssh -P "$SSH_PORT" -l "$user" -i "$PWD/key.ppk" -noagent -hostkey "$fingerprint")
code=0
at_prompts alice "${putty[@]}" 127.0.0.1 "$command" || code=$?
first plink "$code"
equal 'plink again' "$("${putty[@]}" -batch 127.0.0.1 'echo again' </dev/null | tr -d '\r')" again

new_key
dropbearconvert openssh dropbear key key.db 2>/dev/null
mkdir -p .ssh
echo "[127.0.0.1]:$SSH_PORT $host_key" >.ssh/known_hosts
dropbear=(env HOME="$PWD" dbclient -y -p "$SSH_PORT" -i "$PWD/key.db" -l "$user")
code=0
# Its code counts from the next run on: under a terminal that stays open dbclient itself sometimes ends with 0.
at_prompts alice "${dropbear[@]}" 127.0.0.1 "$command" || true
contains dbclient "$(cat client.log)" "hello from $TARGET_LOGIN"
"${dropbear[@]}" 127.0.0.1 "$command" </dev/null >client.log 2>&1 || code=$?
first 'dbclient again' "$code"

new_key
# shellcheck disable=SC2016
export DIGITS='. "$LIB"; page_sign_in "$1" alice'
export PYTHONPATH="$PWD/python"
python3 -m pip install -q --disable-pip-version-check --no-warn-script-location --root-user-action=ignore --target python paramiko >pip.log 2>&1 || { cat pip.log; fail 'paramiko cannot be installed'; }
paramiko=(python3 "$HERE/paramiko_sign_in.py" "$SSH_PORT" "$user" "$PWD/key")
code=0
"${paramiko[@]}" "$command" >client.log 2>&1 || code=$?
first paramiko "$code"
contains 'paramiko' "$(cat client.log)" 'asked for'
"${paramiko[@]}" 'echo again' >client.log 2>paramiko.log || { cat paramiko.log; fail "paramiko again ends with $?"; }
equal 'paramiko again' "$(cat client.log)" again
lacks 'paramiko the second time' "$(cat paramiko.log)" 'asked for'
