# sftp, scp and what else speaks SFTP: byte for byte as before, each file a record with its digest, and rules for paths.
ready
mapfile -t options < <(ssh_options)
trust_bastion
place="$TARGET_LOGIN+db1@127.0.0.1"
files() { timeout 60 sftp -q "${options[@]/#-p/-P}" -b - "$place"; }
copy() { timeout 60 scp -q "${options[@]/#-p/-P}" "$@"; }
logged() { grep -raqF -- "$1" "$STATE/log"; }

head -c 3000000 /dev/urandom >noise
digest=$(sha256sum <noise | cut -d' ' -f1)
via 'rm -rf followed'
files <<BATCH || fail 'sftp'
mkdir followed
put noise followed/one
get followed/one back
rename followed/one followed/two
chmod 600 followed/two
-rm followed/nothing
ls followed
BATCH
cmp noise back || fail 'sftp changed bytes'
copy noise "$place:followed/three" || fail 'scp to the target'
copy "$place:followed/three" again || fail 'scp from the target'
cmp noise again || fail 'scp changed bytes'
equal 'what is there' "$(via 'cat followed/two followed/three | sha256sum')" "$(cat noise noise | sha256sum)"
for part in '"what":"make folder"' '"what":"rename"' '"what":"attributes"' '"what":"list"' '"result":"no such file"' '"name":"sftp"'; do
  eventually 5 logged "$part" || fail "no record with $part"
done
written() { [ "$(grep -raoF -- "\"written\":{\"bytes\":3000000,\"from\":0,\"sha256\":\"$digest\"" "$STATE/log" | wc -l)" -ge 2 ]; }
came() { [ "$(grep -raoF -- "\"read\":{\"bytes\":3000000,\"from\":0,\"sha256\":\"$digest\",\"to_end\":true" "$STATE/log" | wc -l)" -ge 2 ]; }
eventually 5 written || fail 'no two uploads with the digest of the file'
eventually 5 came || fail 'no two downloads with the digest of the file'
recording_of_last >/dev/null 2>&1 || true
lacks 'the log' "$(grep -rao 'followed/three' "$STATE/log" || true)" followed/three

# Many small files, one after the other.
mkdir small
for n in $(seq 200); do echo "$n" >"small/$n"; done
began=$(date +%s%N)
copy -r small "$place:followed/" || fail 'scp -r'
echo "figures: 200 small files by scp -r in $((($(date +%s%N) - began) / 1000000)) ms"
equal 'small files' "$(via 'cd followed/small && cat $(seq 200) | sha256sum')" "$(cd small && cat $(seq 200) | sha256sum)"

# A folder to put files into, and nothing else.
policies=$(dirname "$(find "$PWD" -name '*.cedar' -print -quit)")
home=$(via pwd)
cat >"$policies/60-drop.cedar" <<POLICY
@id("drop-folder") @sftp("drop") @sftp_paths("$home/followed/in/**")
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"sftp", resource is Sallyport::Target);
POLICY
via 'mkdir followed/in'
kill -HUP "$BASTION"
eventually 10 grep -q 'reloaded.*policy' serve.log || fail 'no reload'
copy noise "$place:followed/in/four" || fail 'the drop folder takes nothing'
equal 'dropped' "$(via 'sha256sum <followed/in/four')" "$digest  -"
! copy "$place:followed/in/four" stolen 2>refused.log || fail 'the drop folder gives files out'
contains 'the refusal' "$(cat refused.log)" 'ermission denied'
for batch in 'put noise followed/five' 'rm followed/in/four' 'ls followed/in' 'put noise followed/in/../five' 'symlink followed/two followed/in/link'; do
  ! files <<<"$batch" >refused.log 2>&1 || fail "carried: $batch"
done
equal 'what was refused' "$(via 'ls followed/in; ls followed/five 2>&1' | tr '\n' ' ' | cut -d' ' -f1)" four
eventually 5 logged '"result":"refused"' || fail 'a refusal is no record'

# What does not speak SFTP is cut.
! printf 'GET / HTTP/1.0\r\n\r\n' | timeout 20 ssh "${options[@]}" -s "$place" sftp >cut.log 2>&1 || fail 'something else was carried'
contains 'the cut' "$(cat cut.log)" 'sallyport: what is spoken here is not SFTP'
! timeout 20 ssh "${options[@]}" -s "$place" netconf </dev/null >other.log 2>&1 || fail 'another subsystem was carried'
contains 'the refusal' "$(cat other.log)" "sallyport: the subsystem 'netconf' is not carried"
via 'rm -rf followed'
