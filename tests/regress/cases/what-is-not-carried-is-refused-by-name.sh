# Never half done, never silent.
ready
trust_bastion
mapfile -t options < <(ssh_options)
! timeout 20 ssh "${options[@]}" -W 127.0.0.1:22 "$TARGET_LOGIN+db1@127.0.0.1" </dev/null >forward.log 2>&1 || fail '-W was carried'
code=0
timeout 20 ssh "${options[@]}" -o ExitOnForwardFailure=yes -R 0:127.0.0.1:22 "$TARGET_LOGIN+db1@127.0.0.1" true >remote.log 2>&1 || code=$?
equal 'exit code of -R' "$code" 255
# Agent and X11 forwarding: the session goes on without.
eval "$(ssh-agent -s)" >/dev/null
STARTED+=("$SSH_AGENT_PID")
with_agent=("${options[@]/#IdentityAgent=none/IdentityAgent=$SSH_AUTH_SOCK}")
equal 'agent' "$(ssh "${with_agent[@]}" -A "$TARGET_LOGIN+db1@127.0.0.1" 'echo "${SSH_AUTH_SOCK-none}"' 2>/dev/null)" none
equal 'display' "$(DISPLAY=:9 via -X -- 'echo "${DISPLAY-none}"' 2>/dev/null)" none
