# What a target prints is masked before the client and the recording have it; the records say which kinds, never what.
ready
aws=$(openssl rand -base64 45 | tr -d '+/=\n' | cut -c1-36)Ab1/ token=ghp_$(openssl rand -hex 18) pass=hunter2-$(openssl rand -hex 4)
# No part of the test's own folder is looked through for the values: they are made here, and typed at the target only.
cat >credentials <<FILE
[default]
aws_secret_access_key = $aws
GITHUB=$token
url=postgres://app:$pass@db/app
plain text stays
FILE
# By way of the account's own home, as a file that lies there: it is no input of the session that prints it.
home=$(getent passwd "$TARGET_LOGIN" | cut -d: -f6)
install -m 644 credentials "$home/credentials"
clean() {
  lacks "$1" "$2" "$aws"
  lacks "$1" "$2" "$token"
  lacks "$1" "$2" "$pass"
  contains "$1" "$2" 'plain text stays'
}
via 'cat credentials; cat credentials >&2' >out 2>err
clean 'output' "$(cat out)"
clean 'errors' "$(cat err)"
contains 'the label' "$(cat out)" 'GITHUB=[github-token]'
recording_of_last
clean 'the recording' "$(cat last.cast)"
same_bytes 'what was seen and what is recorded' out <(in_recording stdout)
id=$(last_session | jq -er .session)
shown=$(console sessions show "$id")
contains 'show' "$shown" '2 github-token'
contains 'show' "$shown" 'mask.applied'
equal 'kinds' "$(console sessions show "$id" --json | jq -c .ended.masked)" '{"aws-secret-key":2,"github-token":2,"url-password":2}'

# In a terminal the columns stay where they are.
via -tt -- 'cat credentials' >out
clean 'a terminal' "$(cat out)"
contains 'stars' "$(cat out)" "GITHUB=****************************************"
recording_of_last
clean 'its recording' "$(cat last.cast)"

# Byte by byte, with pauses longer than a prompt is held.
via "python3 -uc 'import sys, time
for c in open(\"credentials\").read():
    sys.stdout.write(c); sys.stdout.flush(); time.sleep(0.001)'" >out
clean 'byte by byte' "$(cat out)"

# A prompt that could begin a secret does not stick: the answer comes because the question was seen.
coproc SLOW { via 'printf "pass"; read -r answer; echo "got $answer"' 2>&1; }
seen=''
while [ "$seen" != pass ] && IFS= read -r -t 10 -n 1 -u "${SLOW[0]}" byte; do seen+=$byte; done
equal 'the prompt' "$seen" pass
echo yes >&"${SLOW[1]}"
IFS= read -r -t 10 -u "${SLOW[0]}" rest
equal 'the answer' "$rest" 'got yes'

# What is typed into a command is in its record masked; the command gets it as it was.
equal 'the target got' "$(echo "password=$pass" | via 'sha256sum')" "$(echo "password=$pass" | sha256sum)"
recording_of_last
lacks 'recorded input' "$(cat last.cast)" "$pass"
contains 'recorded input' "$(in_recording input)" 'password=[password-assign]'

# The command line itself.
via "true --password $pass"
recording_of_last
lacks 'the header' "$(cat last.cast)" "$pass"
lacks 'show' "$(console sessions show "$(last_session | jq -er .session)")" "$pass"

# Other rules after a reload, for sessions that begin from then on.
printf '\n[mask]\nwithout = ["url-password"]\n' >>"$CONFIG"
kill -HUP "$BASTION"
eventually 10 grep -q 'reloaded.*mask' serve.log || fail 'no reload'
contains 'after the reload' "$(via 'cat credentials')" "$pass"
lacks 'after the reload' "$(via 'cat credentials')" "$token"
rm -f "$home/credentials"
