# The log is copied to an S3 store that judges each signature: objects are locked, none is put twice but the checkpoint, and what is there is a log.
new_bastion
# Its name keeps it out of the search for secrets and cores: the store's own key lies there, and a library.
homes="$SUITE/store-s3"
mkdir "$homes"
timeout 200 python3 -m pip install -q --disable-pip-version-check --no-warn-script-location --root-user-action=ignore --target "$homes" 'moto[s3]' flask flask-cors >pip.log 2>&1 ||
  { cat pip.log; fail 'moto cannot be installed'; }
export PYTHONPATH="$homes"
port=$(free_port)
start s3 bash -c "cd '$homes' && exec python3 '$HERE/s3.py' serve $port"
S3=$PID
eventually 60 grep -q ready s3.log || fail "the store: $(cat s3.log)"
secret "$(cat "$homes/secret")"
mine="$homes/mine"
cp "$homes/secret" "$mine"
sed -i "s|^\[ssh\]|[ledger.s3]\nurl = \"http://127.0.0.1:$port/evidence/bastion-1\"\nkey_id = \"$(cat "$homes/key_id")\"\nsecret_file = \"$mine\"\nlock = \"400d\"\nevery = \"10s\"\ninternal = true\n\n[ssh]|" "$CONFIG"
"$SALLYPORT" check --config "$CONFIG" >check 2>&1 || fail "check: $(cat check)"
stop_bastion TERM
# A key that is not the store's: refused there, said here, and nobody waits for it.
printf 'another\n' >"$mine"
serve
sign_in alice
console whoami >who || fail 'nobody is served where the store refuses'
eventually 30 grep -q 'the store answers 403' serve.log || fail "a wrong key is not told: $(cat serve.log s3.log)"
stop_bastion TERM
cp "$homes/secret" "$mine"
serve
eventually 60 grep -q 'the copy of the log has caught up' serve.log || fail "it does not catch up: $(cat serve.log s3.log)"
via true >/dev/null 2>&1 || true
console evidence trust >trust
stop_bastion TERM
serve
console whoami >who || fail 'a restart'
stop_bastion TERM
mkdir fetched
python3 "$HERE/s3.py" objects "$port" "$PWD/fetched" >objects 2>objects.err || fail "the objects: $(cat objects.err s3.log)"
cmp "$STATE/log/checkpoint" fetched/bastion-1/checkpoint || fail "the copy lacks the last checkpoint: $(cat serve.log)"
"$SALLYPORT" evidence verify-copy fetched/bastion-1 --trust trust >out || fail "verify-copy: $(cat out)"
contains 'the verdict' "$(cat out)" 'verified, unwitnessed'
equal 'objects that are not locked for 400 days, or could be removed' "$(grep -cv ' COMPLIANCE 400 kept$' objects)" 0
equal 'names that were put twice' "$(cut -d' ' -f1 objects | sort | uniq -d)" bastion-1/checkpoint
# The store goes, and with it nothing but the copy.
kill "$S3"
eventually 20 gone "$S3" || fail 'the store does not end'
serve
console whoami >who || fail 'a store that is away keeps the bastion from serving'
stop_bastion TERM
