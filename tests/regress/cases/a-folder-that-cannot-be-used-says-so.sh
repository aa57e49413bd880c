# A newer version's folder, a disk that is read-only, somebody else's files: refused with a reason, before any port is open.
new_bastion
stop_bastion TERM

refused() {
  local code=0
  timeout 20 "$SALLYPORT" "$@" --config "$CONFIG" >refused.log 2>&1 || code=$?
  [ "$code" = 1 ] || [ "$code" = 2 ] || { cat refused.log; fail "$*: exit code $code"; }
  lacks 'the message' "$(cat refused.log)" panicked
}

cp -a "$STATE" whole
for folder in store log; do
  sed -i 's/ 1$/ 99/' "$STATE/$folder/.format"
  refused serve
  contains "a newer $folder" "$(cat refused.log)" 'from a newer sallyport'
  refused store check
  contains "a newer $folder" "$(cat refused.log)" 'from a newer sallyport'
  rm -rf "$STATE" && cp -a whole "$STATE"
done

# Files of somebody else where the store should be.
rm -rf "$STATE/store" && mkdir "$STATE/store" && echo mine >"$STATE/store/notes.txt"
refused serve
contains 'foreign files' "$(cat refused.log)" 'not from sallyport'
rm -rf "$STATE" && cp -a whole "$STATE"

# Root may write anywhere but to a read-only disk.
"${as_root[@]}" mount --bind "$STATE" "$STATE" || fail 'cannot mount: run where mount is permitted (root, or a container with CAP_SYS_ADMIN)'
"${as_root[@]}" mount -o remount,ro,bind "$STATE"
refused serve
"${as_root[@]}" umount "$STATE"
contains 'a read-only disk' "$(cat refused.log)" 'Read-only file system'
contains 'a read-only disk' "$(cat refused.log)" "$STATE"
[ -z "$(find "$STATE" -maxdepth 1 -name 'store.*')" ] || fail 'a read-only disk was taken for damage'

# Keys that others may read, and a state folder of somebody else.
chmod 644 "$STATE"/keys/*
refused serve
rm -rf "$STATE" && cp -a whole "$STATE"
"${as_root[@]}" chown -R "$TARGET_LOGIN" "$STATE"
refused serve
contains 'another owner' "$(cat refused.log)" "$STATE"
"${as_root[@]}" chown -R "$(id -u):$(id -g)" "$STATE"
serve
sign_in alice
equal 'the folder as it was' "$(via 'echo up')" up
