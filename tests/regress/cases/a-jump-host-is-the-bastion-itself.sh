# ssh -J, ProxyCommand with -W, scp and rsync over a jump: as with any jump host, and recorded like any session.
ready
jump_config
jump() { timeout 60 ssh -F config -J bastion db1 "$@"; }

code=0
jump 'echo out; echo err >&2; exit 7' >out 2>err || code=$?
equal 'exit code' "$code" 7
equal stdout "$(cat out)" out
equal stderr "$(cat err)" err
equal 'by ProxyCommand' "$(timeout 60 ssh -F config -o 'ProxyCommand=ssh -F config -W %h:%p bastion' db1 'echo in')" in

head -c 1048576 /dev/urandom >noise
jump cat <noise >back
cmp noise back || fail 'bytes differ'
timeout 60 scp -q -O -F config -o ProxyJump=bastion noise db1:jumped || fail 'scp -O to the target failed'
timeout 60 scp -q -O -F config -o ProxyJump=bastion db1:jumped copied || fail 'scp -O from the target failed'
cmp noise copied || fail 'scp changed bytes'
timeout 60 scp -q -F config -o ProxyJump=bastion db1:jumped followed || fail 'scp by SFTP from the target failed'
cmp noise followed || fail 'scp by SFTP changed bytes'
timeout 60 rsync -e 'ssh -F config -J bastion' db1:jumped synced || fail 'rsync failed'
cmp noise synced || fail 'rsync changed bytes'

# What is no target's name is refused, the sshd's own address included.
for place in db2:22 127.0.0.1:22 db1:23; do
  ! timeout 20 ssh -F config -o LogLevel=INFO -W "$place" bastion </dev/null >refused.log 2>&1 || fail "$place was carried"
  contains "$place" "$(cat refused.log)" 'sallyport: no target'
done
outer=$(grep -raoh '"outer":"[0-9a-f]*"' "$STATE/log" | sort -u | wc -l)
equal 'connections that sessions came through' "$outer" 7
