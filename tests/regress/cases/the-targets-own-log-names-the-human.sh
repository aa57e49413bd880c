# Who it was stands in the target's log, though the bastion signed in.
ready
via true
contains 'log of sshd' "$(cat sshd-auth.log)" 'Accepted publickey for sallyport-test'
contains 'log of sshd' "$(cat sshd-auth.log)" 'Alice'
