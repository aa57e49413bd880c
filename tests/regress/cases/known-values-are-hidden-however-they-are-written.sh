# Values of `mask.values_file` have no shape of their own: they are hidden in every way that programs write them, and lie nowhere.
ready
# A quote, a blank and a slash are written otherwise in JSON, in URLs and in base64.
pw="zq\"k /w-$(openssl rand -hex 6)" plain="tulip$(openssl rand -hex 5)"
home=$(getent passwd "$TARGET_LOGIN" | cut -d: -f6)
printf '%s' "$pw" | install -m 644 /dev/stdin "$home/pw"
printf '%s' "$plain" | install -m 644 /dev/stdin "$home/plain"
printf '# of this environment\nDB_PW=%s\nexport API_WORD="%s"\n' "$pw" "$plain" | install -m 600 /dev/stdin values
cat >written.py <<'PYTHON'
import base64, json, os, sys, urllib.parse

for name in "pw", "plain":
    value = open(os.path.expanduser("~/" + name)).read()
    raw = value.encode()
    lines = [value, raw.hex(), raw.hex().upper(), urllib.parse.quote(value, safe=""), json.dumps({"it": value})]
    lines += [base64.b64encode(before + raw + b":tail").decode() for before in (b"", b"u", b"us", b"user:")]
    for line in lines:
        print("begin", line, "end", flush=True)
        print("begin", line, "end", file=sys.stderr, flush=True)
PYTHON
install -m 644 written.py "$home/written.py"

# forms FILE: every way in which the two values are written, one a line; of base64 what does not depend on its neighbours.
forms() {
  HOME=$home python3 - "$1" <<'PYTHON'
import base64, json, os, sys, urllib.parse

with open(sys.argv[1], "w") as out:
    for name in "pw", "plain":
        value = open(os.path.expanduser("~/" + name)).read()
        raw = value.encode()
        url = urllib.parse.quote(value, safe="")
        print(value, raw.hex(), raw.hex().upper(), url, json.dumps(value)[1:-1], sep="\n", file=out)
        for before in range(3):
            text = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
            print(text[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6], file=out)
PYTHON
}
forms all-forms
equal 'forms' "$(wc -l <all-forms)" 16

# The lines do hold them, or what follows would say nothing.
HOME=$home python3 written.py >bare 2>/dev/null
equal 'lines that hold one' "$(grep -cFf all-forms bare)" 18

chmod 644 values
printf '\n[mask]\nvalues_file = "%s"\n' "$PWD/values" >>"$CONFIG"
kill -HUP "$BASTION"
eventually 10 grep -q 'mask.values_file' serve.log || fail 'no word about who may read the file'
chmod 600 values
kill -HUP "$BASTION"
eventually 10 grep -q 'reloaded changed=.*mask' serve.log || fail 'no reload'

# hidden WHAT FILE: none of the forms is in it, and what stands around them is.
hidden() {
  ! grep -Ff all-forms "$2" || fail "$1: a value is there"
  equal "$1: lines" "$(grep -c 'begin.*end' "$2")" "$3"
}
via 'python3 written.py' >out 2>err
hidden 'output' out 18
hidden 'errors' err 18
contains 'the label' "$(cat out)" 'begin [value-db-pw] end'
recording_of_last
in_recording stdout >kept
same_bytes 'what was seen and what is recorded' out kept
hidden 'the recording' last.cast "$(grep -c 'begin.*end' last.cast)"
equal 'kinds' "$(console sessions show "$(last_session | jq -er .session)" --json | jq -c .ended.masked)" '{"value-api-word":18,"value-db-pw":18}'

via -tt -- 'python3 written.py 2>/dev/null' >terminal
hidden 'a terminal' terminal 18
recording_of_last
hidden 'its recording' last.cast "$(grep -c 'begin.*end' last.cast)"

# Piece by piece, with pauses longer than a prompt is held.
via "python3 -uc 'import os, time
for c in open(os.path.expanduser(\"~/plain\")).read() + \"\\n\":
    print(c, end=\"\", flush=True); time.sleep(0.03)'" >slow
! grep -qF "$plain" slow || fail 'piece by piece: the value is there'

# A command line and what is typed into a command.
via "true $plain"
printf '%s\n' "$plain" | via 'cat >/dev/null'
recording_of_last
contains 'recorded input' "$(in_recording input)" '[value-api-word]'

# Nothing of them at rest: in the state folder, packed or not, and in the log of the program.
stop_bastion TERM
at_rest() {
  find "$STATE" serve.log -type f -print0 | while IFS= read -r -d '' file; do
    cat "$file"
    zstd -dcq "$file" 2>/dev/null || true
  done
}
[ "$(at_rest | grep -acF 'value-db-pw')" -gt 0 ] || fail 'the search sees nothing'
equal 'values at rest' "$(at_rest | grep -acFf all-forms || true)" 0
rm -f "$home/pw" "$home/plain" "$home/written.py"
