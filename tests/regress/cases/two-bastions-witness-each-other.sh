# Beside each of two bastions runs a witness of the other's log: both logs are cosigned, and both bundles verify against the other's word.
SIDES=(a b)
declare -A config state ssh url port
for side in "${SIDES[@]}"; do
  mkdir "$side"
  cd "$side" || fail "$side"
  new_bastion
  sign_in carol
  console evidence trust >trust
  stop_bastion TERM
  config[$side]=$CONFIG state[$side]=$STATE ssh[$side]=$SSH_PORT url[$side]=$URL
  cd .. || fail "$side"
done
other() { [ "$1" = a ] && echo b || echo a; }
for side in "${SIDES[@]}"; do
  port[$side]=$(free_port)
  start "witness-$side" "$SALLYPORT" witness --dir "$PWD/$side/witness" --name "$side.example.com/w" --log "$(other "$side")/trust" --listen "127.0.0.1:${port[$side]}"
  eventually 10 listens "${port[$side]}" || fail "witness $side: $(cat "witness-$side.log")"
done
for side in "${SIDES[@]}"; do
  by=$(other "$side")
  {
    grep ^log "$side/trust"
    echo "$("$SALLYPORT" witness --dir "$PWD/$by/witness" --name "$by.example.com/w" --log "$side/trust" --print-key | sed 's/^witness [^ ]*/witness other/') http://127.0.0.1:${port[$by]}/"
    echo 'quorum other'
  } >"$side/witnessed"
  sed -i "s|^\[ledger\]|[ledger]\nwitness_file = \"$PWD/$side/witnessed\"|" "${config[$side]}"
done
# Both run at the same time from here on.
for side in "${SIDES[@]}"; do
  cd "$side" || fail "$side"
  CONFIG=${config[$side]} STATE=${state[$side]} SSH_PORT=${ssh[$side]} URL=${url[$side]}
  serve
  cd .. || fail "$side"
done
for side in "${SIDES[@]}"; do
  cd "$side" || fail "$side"
  CONFIG=${config[$side]} STATE=${state[$side]} SSH_PORT=${ssh[$side]} URL=${url[$side]}
  eventually 40 grep -q 'checkpoint cosigned' serve.log || fail "$side: nothing is cosigned: $(cat serve.log)"
  console evidence export --from 1h >bundle.tar 2>export.err || fail "$side: export: $(cat export.err)"
  "$SALLYPORT" evidence verify bundle.tar --trust witnessed --json >report.json || fail "$side: verify: $(cat report.json)"
  equal "verdict on $side" "$(jq -r .verdict report.json)" verified
  equal "witness of $side" "$(jq -c '[.witnesses[].name]' report.json)" '["other"]'
  # What was signed of one log is no word on the other.
  code=0
  "$SALLYPORT" evidence verify bundle.tar --trust "../$(other "$side")/witnessed" >out || code=$?
  equal "exit code of $side under the other's trust" "$code" 3
  cd .. || fail "$side"
done
