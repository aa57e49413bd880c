# Who it was stands in the target's log, though the bastion signed in.
ready
via true
accepted=$(grep 'Accepted publickey' sshd-auth.log)
contains 'log of sshd' "$accepted" "for $TARGET_LOGIN"
contains 'log of sshd' "$accepted" 'alice'
contains 'log of sshd' "$accepted" '(serial '
