# ssh -R to its bounds: 16 places, 64 connections at once, nobody who can be asked, a longest time, a revocation, and a client that does not read.
ready
trust_bastion
mapfile -t options < <(ssh_options)
place="$TARGET_LOGIN+db1@127.0.0.1"
sums=$(free_port)
# Answers each line with its length, and keeps the connection.
start sums python3 -c '
import socketserver, sys
class Length(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(b"%d\n" % len(line))
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 100
Server(("127.0.0.1", int(sys.argv[1])), Length).serve_forever()' "$sums"
eventually 10 listens "$sums" || fail 'no server'
policies=$(dirname "$(find "$PWD" -name '*.cedar' -print -quit)")
# allowed ANNOTATIONS [MORE]: the permit with these annotations, and another rule.
allowed() {
  cat >"$policies/61-listen.cedar" <<POLICY
@id("ports-here") $1
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"listen", resource is Sallyport::Target);
${2:-}
POLICY
  reload_policy
}
away() { ! listens "$1"; }
alive() { timeout 30 ssh -S master "$place" echo on; }
allowed ''
start master ssh -M -S master "${options[@]}" -N "$place"
master=$PID
there() { [ -S master ]; }
eventually 20 there || { cat master.log; fail 'no master'; }
ask() { timeout 30 ssh -S master -O "$1" -R "$2:127.0.0.1:$sums" "$place" 2>>ask.log; }

# Sixteen places, and no seventeenth until one is given back.
for n in $(seq 16); do
  ports[n]=$(free_port)
  ask forward "${ports[n]}" || fail "place $n is refused: $(cat ask.log)"
done
spare=$(free_port)
ask forward "$spare" && fail 'a seventeenth place'
equal 'a session beside sixteen places' "$(alive)" on
ask cancel "${ports[1]}" || fail "no cancel: $(cat ask.log)"
eventually 10 away "${ports[1]}" || fail 'it listens on, though it was given back'
ask forward "$spare" || fail "no place although one was given back: $(tail -n 1 ask.log)"
eventually 10 listens "$spare" || fail 'it was granted and does not listen'

# Sixty-four connections at once over all of them, and no sixty-fifth until one has ended.
cat >many.py <<'PY'
import socket, sys, time
port = int(sys.argv[1])
def one():
    it = socket.create_connection(("127.0.0.1", port), 30)
    it.settimeout(20)
    return it
def says(it):
    try:
        it.sendall(b"four\n")
        return it.recv(16)
    except OSError:
        return b""
held = [one() for _ in range(64)]
bad = [n for n, it in enumerate(held) if says(it) != b"5\n"]
print("without an answer:", bad)
print("the sixty-fifth:", says(one()))
held[0].close()
deadline = time.monotonic() + 20
while (got := says(one())) != b"5\n" and time.monotonic() < deadline:
    time.sleep(0.1)
print("once one has ended:", got)
print("the others:", sorted({says(it) for it in held[1:]}))
PY
timeout 120 python3 many.py "$spare" >many.log || fail "sixty-four connections: $(cat many.log)"
equal 'sixty-four connections' "$(cat many.log)" "without an answer: []
the sixty-fifth: b''
once one has ended: b'5\\n'
the others: [b'5\\n']"
equal 'a session beside them' "$(alive)" on

# A client that does not read holds up its own place and nothing else, grows nothing, and loses nothing once it reads.
cat >late.py <<'PY'
import hashlib, os, socket, sys, threading, time
near, far, go = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
server = socket.create_server(("127.0.0.1", near))
print("ready", flush=True)
sent = hashlib.sha256()
def send():
    deadline = time.monotonic() + 60
    while True:
        try:
            out = socket.create_connection(("127.0.0.1", far), 30)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    for _ in range(960):
        block = os.urandom(65536)
        sent.update(block)
        out.sendall(block)
    out.shutdown(socket.SHUT_WR)
    out.recv(1)
sender = threading.Thread(target=send, daemon=True)
sender.start()
taken, _ = server.accept()
print("accepted", flush=True)
while not os.path.exists(go):
    time.sleep(0.05)
read = hashlib.sha256()
while part := taken.recv(65536):
    read.update(part)
taken.close()
sender.join(60)
print("same" if sent.digest() == read.digest() else "other bytes")
PY
near=$(free_port) far=$(free_port)
start late timeout 240 python3 late.py "$near" "$far" go
late=$PID
eventually 10 grep -q ready late.log || fail 'no late reader'
resident() { awk '/^VmRSS/ {print int($2 / 1024)}' "/proc/$BASTION/status"; }
before=$(resident)
ask cancel "$spare" || fail 'no cancel'
timeout 30 ssh -S master -O forward -R "$far:127.0.0.1:$near" "$place" || fail 'no place for the late reader'
eventually 60 grep -q accepted late.log || fail 'nothing reaches the late reader'
for n in 1 2 3; do equal "a session beside the late reader, $n" "$(alive)" on; done
# Another place goes over a connection of its own.
other=${ports[2]}
equal 'another place beside the late reader' "$(python3 -c '
import socket, sys
one = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
one.settimeout(30)
one.sendall(b"four\n")
print(one.recv(16).decode().strip())' "$other")" 5
grown=$(($(resident) - before))
[ "$grown" -le 32 ] || fail "the bastion holds $grown MiB more for 60 MiB that nobody reads"
touch go
eventually 120 gone "$late" || fail 'the late reader does not come to an end'
equal 'what the late reader got' "$(tail -n 1 late.log)" same

# Nobody can be asked about a place: a hold is a no, and says so in the log.
allowed '' '@id("hold-listening") @require_approval("1")
forbid (principal, action == Sallyport::Action::"listen", resource) unless { context.approval.count >= 1 };'
code=0
timeout 30 ssh "${options[@]}" -o ExitOnForwardFailure=yes -R "$(free_port):127.0.0.1:$sums" "$place" true >held.log 2>&1 || code=$?
equal 'a place that would be held' "$code" 255
grep -raqP '"action":"listen".*?"outcome":"\Khold' "$STATE/log" || fail 'the hold is not recorded'
equal 'requests to people' "$(console approvals --json | jq '.approvals | length')" 0
kill "$master"
eventually 20 away "$far" || fail 'a place outlives its client'

# A longest time.
allowed '@max_session("8s")'
far=$(free_port)
start timed ssh "${options[@]}" -N -o ExitOnForwardFailure=yes -R "$far:127.0.0.1:$sums" "$place"
eventually 20 listens "$far" || fail 'no place with a longest time'
eventually 30 away "$far" || fail 'it listens on after its longest time'
kill "$PID" 2>/dev/null || true

# A revocation.
allowed '' '@id("alice-revokes") permit (principal, action == Sallyport::Action::"revoke", resource);'
start revoked ssh "${options[@]}" -N -o ExitOnForwardFailure=yes -R "$far:127.0.0.1:$sums" "$place"
eventually 20 listens "$far" || fail 'no place before the revocation'
console revoke corp:alice --reason left >revoke.log 2>&1 || true
eventually 20 away "$far" || { cat revoke.log; fail 'it listens on for somebody who is revoked'; }
