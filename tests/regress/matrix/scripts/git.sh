# A push to a new repository at the target, then a clone of it; ends with the digest of what came back.
set -eu -o pipefail
export GIT_SSH_COMMAND="ssh -F $CONFIG" GIT_SSH_VARIANT=ssh GIT_CONFIG_GLOBAL=/dev/null
$GIT_SSH_COMMAND "m-$WAY" "git init -q --bare $REMOTE.git"
git init -q -b main work
cp "$NOISE" work/noise
git -C work add noise
git -C work -c user.name=t -c user.email=t@example.com commit -q -m first
git -C work push -q "ssh://m-$WAY$REMOTE.git" main
git clone -q -b main "ssh://m-$WAY$REMOTE.git" back
sha256sum <back/noise | cut -d' ' -f1
