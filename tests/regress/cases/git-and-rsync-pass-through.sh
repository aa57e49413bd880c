# What runs over plain ssh runs through the bastion, unchanged.
ready
trust_bastion
make_transport
mkdir tree
head -c 3000000 /dev/urandom >tree/random
echo text >tree/text
via 'rm -rf "$HOME/$(basename copy)" repository.git'
rsync -a -e "$PWD/transport" tree/ "$TARGET_LOGIN+db1@127.0.0.1:copy/"
rsync -a -e "$PWD/transport" "$TARGET_LOGIN+db1@127.0.0.1:copy/" back/
diff -r tree back || fail 'rsync brings back something else'
command -v git >/dev/null
via 'git init -q --bare repository.git'
git init -q work
git -C work -c user.name=t -c user.email=t@example.com commit -q --allow-empty -m first
GIT_SSH="$PWD/transport" GIT_SSH_VARIANT=ssh git -C work push -q "ssh://$TARGET_LOGIN+db1@127.0.0.1/~/repository.git" HEAD:refs/heads/main
equal 'the pushed commit' "$(via 'git --git-dir=repository.git log --format=%s main')" first
via 'rm -rf copy repository.git'
