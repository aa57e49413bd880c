# The bastion's own commands with nothing but ssh.
ready
via 'echo reviewed' >/dev/null
recording_of_last
contains 'help' "$(console help)" whoami
contains 'whoami' "$(console whoami --json | jq -r .name)" 'alice@example.com'
contains 'targets' "$(console targets --json)" db1
contains 'trust' "$(console trust)" TrustedUserCAKeys
id=$(last_session | jq -r .session)
contains 'sessions show' "$(console sessions show "$id")" db1
contains 'play' "$(console play "$id")" reviewed
code=0
console nonsense >out 2>err || code=$?
equal 'exit code of an unknown command' "$code" 2
