# Downloads that no client reads beside uploads that no target reads: the bastion holds a few MiB for each and answers others.
# A terminal that reads slowly is flooded: an interrupt gets through all the same.
ready
pss_kib() { awk '/^Pss:/ { print $2 }' "/proc/$BASTION/smaps_rollup"; }
channels=12
# What as many sessions at once need in threads and their heaps stays; it is not held for a reader.
warm=()
for _ in $(seq "$channels"); do
  via 'head -c 300000 /dev/zero' >/dev/null 2>&1 &
  warm+=($!)
done
wait "${warm[@]}"
before=$(pss_kib)
mkfifo unread
exec 3<>unread
for n in 1 2 3 4 5 6; do
  via 'cat /dev/zero' >unread 2>/dev/null &
  STARTED+=($!)
  via 'exec sleep 120' </dev/zero >/dev/null 2>&1 &
  STARTED+=($!)
done
# It is the most that counts, for as long as a slow reader is usual.
most=0
for n in {1..20}; do
  sleep 1
  now=$(($(pss_kib) - before))
  [ "$now" -le "$most" ] || most=$now
done
equal 'another session meanwhile' "$(via 'echo here')" here
[ "$most" -lt $((channels * 4096)) ] || fail "$channels channels grew the bastion by $most KiB"
echo "figures: $channels channels that nobody reads, 20 s: $((most / channels)) KiB each"

trust_bastion
mapfile -t options < <(ssh_options)
python3 - "$PWD/interrupted" ssh "${options[@]}" -tt "$TARGET_LOGIN+db1@127.0.0.1" >flood.log 2>&1 <<'PROGRAM' || { cat flood.log; fail 'the interrupt did not get through'; }
import os, pathlib, pty, select, sys, time

told, *command = sys.argv[1:]
pathlib.Path(told).touch()
os.chmod(told, 0o666)
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], [*command, f"trap 'echo interrupted >{told}; exit 5' INT; echo begin; while :; do yes | head -n 100000; done"])
got = 0
while got < 1_000_000:
    got += len(os.read(terminal, 65536))
# Slower than what comes: every buffer on the way fills up. Not reading at all would stop ssh itself, which writes to a terminal in
# one piece before it looks at what was typed.
def slowly(until, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        os.read(terminal, 4096)
        time.sleep(0.002)
    return end
slowly(lambda: False, 3)
os.write(terminal, b"\3")
end = slowly(lambda: pathlib.Path(told).read_text() == "interrupted\n", 20)
if time.monotonic() > end:
    sys.exit("no interrupt within 20 s")
print(f"figures: the interrupt took {20 - (end - time.monotonic()):.2f} s")
# What was on the way still arrives, and the end of it.
end = time.monotonic() + 60
while time.monotonic() < end:
    if select.select([terminal], [], [], 1)[0]:
        try:
            if not os.read(terminal, 65536):
                break
        except OSError:
            break
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
if code != 5:
    sys.exit(f"the session ended with {code}")
PROGRAM
grep '^figures' flood.log
