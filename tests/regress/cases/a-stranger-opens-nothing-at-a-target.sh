# No certificate, a certificate of one's own making, and a plain key: refused, and the target has not heard of any.
new_bastion
trust_bastion
cp sshd-auth.log before
ssh-keygen -q -t ed25519 -N '' -f key
mapfile -t options < <(ssh_options)
! ssh "${options[@]}" "$TARGET_LOGIN+db1@127.0.0.1" true 2>plain || fail 'a plain key got in'
ssh-keygen -q -t ed25519 -N '' -f own-ca
ssh-keygen -q -s own-ca -I alice -z 1 -n corp/alice,"$TARGET_LOGIN" -V -1m:+10m key.pub
! ssh "${options[@]}" "$TARGET_LOGIN+db1@127.0.0.1" true 2>own || fail 'a self-made certificate got in'
! ssh "${options[@]}" -o PubkeyAuthentication=no "$TARGET_LOGIN+db1@127.0.0.1" true 2>none || fail 'nobody got in'
same_bytes 'the log of sshd before and after' before sshd-auth.log
