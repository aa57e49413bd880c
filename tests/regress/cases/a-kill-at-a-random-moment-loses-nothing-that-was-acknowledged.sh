# kill -9 under load, again and again on one folder. KILLS says how often (20), SEED repeats a run.
# db1 is production here: nothing is shown before it is stored. So whatever a client has seen was acknowledged, and must be in its
# recording byte for byte, behind every kill that follows. A certificate that was handed out means that its token is used for good.
# Each command is of a length of its own and leaves that on the target: whatever ran there has its record.
KILLS=${KILLS:-20} SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "kills $KILLS, seed $SEED"
TARGET_ENV=production new_bastion
mkdir -p seen checkpoints
# The account on the target writes here.
effects=$PWD/effects
mkdir -m 777 "$effects"

# Every checkpoint that stands there for a moment is kept under its own hash.
watch_checkpoints() {
  local hash
  while :; do
    if cp "$STATE/log/checkpoint" checkpoints/.new 2>/dev/null && [ -s checkpoints/.new ]; then
      hash=$(sha256sum checkpoints/.new) && mv checkpoints/.new "checkpoints/${hash%% *}"
    fi
    sleep 0.05
  done
}
start watch watch_checkpoints

mapfile -t options < <(ssh_options)
# A key of the clients' own: ./key changes under them.
clients_options=("${options[@]//"$PWD/key"/"$PWD/job"}")
trust_bastion
late=0 began=$SECONDS
for kill in $(seq 1 "$KILLS"); do
  sign_in_pipeline build
  cp key job && cp key-cert.pub job-cert.pub
  clients=()
  for client in 1 2 3; do
    length=$((300 + 4 * kill + client))
    command=$(printf "%-${length}s" "echo $length >>$effects/ran; seq -f 'kill $kill client $client line %.0f some more text to be stored' 1 30000")
    ssh "${clients_options[@]}" "$TARGET_LOGIN+db1@127.0.0.1" "$command" >"seen/$kill.$client" 2>/dev/null &
    clients+=($!)
  done
  eventually 20 test -s "seen/$kill.1" || fail "kill $kill: no session begins"
  # A sign-in under the same load; its token must never be taken again.
  person_token alice
  cp key "token-key.$kill" && cp key.pub "token-key.$kill.pub" && cp token "token.$kill" && cp random "random.$kill"
  rm -f reply.json
  (exchange local random >/dev/null 2>&1 && cp key-cert.pub "issued.$kill") &
  signing=$!
  sleep "0.$(printf '%03d' $((RANDOM % 700)))"
  kill -9 "$BASTION"
  wait "$BASTION" "${clients[@]}" "$signing" 2>/dev/null || true
  "$SALLYPORT" store check --config "$CONFIG" >check.txt || { cat check.txt; fail "kill $kill: store check"; }
  serve
  if [ -s "issued.$kill" ]; then
    late=$((late + 1))
    cp "token-key.$kill" key && cp "token-key.$kill.pub" key.pub && cp "token.$kill" token && cp "random.$kill" random
    rm -f reply.json
    exchange local random >/dev/null && fail "kill $kill: a token that was used is taken again"
  fi
done
# What the log has of sessions stands there once it is signed; the recordings come by one connection.
stop_bastion TERM
serve
sign_in carol
console whoami >/dev/null || fail 'the console does not answer'
ssh "${options[@]}" -M -S "$SUITE/m" -f -N console@127.0.0.1
eventually 10 test -S "$SUITE/m"
mkdir -p recorded
for session in $(python3 "$HERE/log.py" sessions "$STATE/log"); do
  ssh "${options[@]}" -S "$SUITE/m" console@127.0.0.1 export "$session" --format raw >one.zst || fail "export of $session"
  zstd -dcq one.zst >one.cast || fail "zstd does not read the recording of $session"
  in_recording stdout one.cast >one
  # Which kill and client it was stands in its first line; one that never showed a byte has none.
  read -r _ kill _ client _ <one || continue
  mv one "recorded/$kill.$client"
done
stop_bastion TERM
bytes=0
for file in seen/*; do
  name=${file#seen/}
  [ -s "$file" ] || continue
  [ -s "recorded/$name" ] || fail "$name: a client saw something, and there is no recording"
  size=$(stat -c %s "$file")
  cmp -n "$size" "$file" "recorded/$name" || fail "$name: the recording is not what the client saw"
  bytes=$((bytes + size))
done
[ "$bytes" -gt 100000 ] || fail "the clients saw only $bytes bytes: that is no load"
"$SALLYPORT" store check --config "$CONFIG" >check.txt || { cat check.txt; fail 'store check at the end'; }
python3 "$HERE/log.py" checkpoints "$STATE/log" checkpoints/[0-9a-f]* || fail 'checkpoints do not fit'
python3 "$HERE/log.py" ran "$STATE/log" "$effects/ran" || fail 'a command ran on the target and has no record'
python3 "$HERE/log.py" once "$STATE/log" || fail 'something was used twice'
echo "figures: kill -9, $KILLS times, seed $SEED; shown and found again: $bytes bytes of $(find seen -type f -size +0 | grep -c .) sessions; tokens used before a kill and refused after it: $late; $((SECONDS - began)) s"
