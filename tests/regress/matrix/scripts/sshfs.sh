# A file written and read over a mounted folder of the target; ends with the digest of what came back.
set -eu -o pipefail
mkdir mounted
timeout 30 sshfs "m-$WAY:${REMOTE%/*}" mounted -F "$CONFIG" -o ssh_command=ssh,dir_cache=no
trap 'fusermount3 -u -z mounted' EXIT
cp "$NOISE" "mounted/${REMOTE##*/}"
sync -f mounted
sha256sum <"mounted/${REMOTE##*/}" | cut -d' ' -f1
