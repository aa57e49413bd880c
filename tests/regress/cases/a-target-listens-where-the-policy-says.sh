# ssh -R, with a destination, as a SOCKS proxy and on a socket: nothing without a permit of listen; with one, on the target's loopback only, each connection a record, and gone with the client.
SSHD_LINES='GatewayPorts clientspecified' ready
trust_bastion
mapfile -t options < <(ssh_options)
place="$TARGET_LOGIN+db1@127.0.0.1"
head -c 3000000 /dev/urandom >noise
web=$(free_port) sums=$(free_port)
start web python3 -m http.server --bind 127.0.0.1 "$web"
# Reads to the end, then answers: a half-close must arrive, and the answer after it.
start sums python3 -c '
import hashlib, socketserver, sys
class Sum(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(hashlib.sha256(self.rfile.read()).hexdigest().encode())
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
Server(("127.0.0.1", int(sys.argv[1])), Sum).serve_forever()' "$sums"
eventually 10 listens "$web" && eventually 10 listens "$sums" || fail 'no servers'
digest=$(sha256sum <noise | cut -d' ' -f1)
# sum_at PORT or PATH: sends the noise there, and prints what comes back.
sum_at() {
  timeout 60 python3 -c '
import socket, sys
at = sys.argv[1]
if at.startswith("/"):
    one = socket.socket(socket.AF_UNIX)
    one.connect(at)
else:
    one = socket.create_connection(("127.0.0.1", int(at)), 30)
one.sendall(sys.stdin.buffer.read())
one.shutdown(socket.SHUT_WR)
got = b""
while part := one.recv(65536):
    got += part
sys.stdout.write(got.decode())' "$1" <noise
}
logged() { grep -raqF -- "$1" "$STATE/log"; }
count() { grep -raoF -- "$1" "$STATE/log" | wc -l; }
refused() {
  local code=0
  timeout 30 ssh "${options[@]}" -o ExitOnForwardFailure=yes -R "$1" "$place" true >refused.log 2>&1 || code=$?
  equal "-R $1" "$code" 255
  contains "-R $1" "$(cat refused.log)" 'remote port forwarding failed'
}
away() { ! listens "$1"; }

far=$(free_port)
refused "$far:127.0.0.1:$sums"
denied() { grep -raoP '"action":"listen".*?"outcome":"\Kdeny' "$STATE/log" | grep -q .; }
eventually 5 denied || fail 'the refusal is not recorded'
# Refused, and the session goes on as it does without a bastion.
equal 'a session whose -R is refused' "$(via -R "$far:127.0.0.1:$sums" -- echo on 2>/dev/null)" on
! logged permit-port-forwarding || fail 'a certificate with forwarding was made'

policies=$(dirname "$(find "$PWD" -name '*.cedar' -print -quit)")
# A permit of forward is none of listen.
cat >"$policies/60-forward.cedar" <<'POLICY'
@id("forward-anywhere")
permit (principal in Sallyport::Group::"users", action in [Sallyport::Action::"forward", Sallyport::Action::"unrecorded"], resource is Sallyport::Target);
POLICY
reload_policy
refused "$far:127.0.0.1:$sums"
proxy=$(free_port)
cat >"$policies/61-listen.cedar" <<POLICY
@id("these-ports-here")
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"listen", resource is Sallyport::Target)
when { [0, $far, $proxy].contains(context.bind.port) };
POLICY
reload_policy
other=$(free_port)
refused "$other:127.0.0.1:$sums"
# This sshd would listen on every address, and the rule has nothing against it.
for wide in "*:$far" "0.0.0.0:$far" "[::]:$far" ":$far" "10.0.3.4:$far"; do refused "$wide:127.0.0.1:$sums"; done

start remote ssh "${options[@]}" -N -o ExitOnForwardFailure=yes -R "$far:127.0.0.1:$sums" -R "$proxy" "$place"
remote=$PID
eventually 20 listens "$far" && eventually 20 listens "$proxy" || { cat remote.log; tail -n 5 serve.log; fail 'no -R'; }
equal 'the digest of what came back' "$(sum_at "$far")" "$digest"
curl -sS --max-time 30 -o back --socks5 "127.0.0.1:$proxy" "http://127.0.0.1:$web/noise" || fail 'curl over -R as SOCKS'
cmp noise back || fail '-R as SOCKS changed bytes'
for n in 1 2 3 4 5 6; do sum_at "$far" >"many.$n" & jobs[n]=$!; done
for n in 1 2 3 4 5 6; do wait "${jobs[n]}" || fail 'one of six at once'; equal 'six at once' "$(cat "many.$n")" "$digest"; done
logged "\"at\":\"localhost:$far\",\"what\":\"asked\"" && logged "\"at\":\"localhost:$far\",\"what\":\"granted\"" || fail 'no record of the place'
over() { [ "$(count '"from_client":64,')" -ge 7 ] && logged '"to_client":3000000'; }
eventually 10 over || fail 'no record of the bytes'
grep -raqP '"what":"opened"' "$STATE/log" && grep -raqP '"originator":"127\.0\.0\.1:[0-9]+"' "$STATE/log" || fail 'no record of where it came from'
# One that is open ends with the client, and nothing listens any more.
python3 -c '
import socket, sys
one = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
print("open", flush=True)
sys.exit(0 if one.recv(1) == b"" else 1)' "$far" >held.log 2>&1 &
held=$!
eventually 10 grep -q open held.log || fail 'no ninth connection'
kill "$remote"
wait "$held" || fail 'a connection outlives its client'
eventually 10 away "$far" && eventually 10 away "$proxy" || fail 'the target listens without a client'

# The target chooses a port; cancelled by the client while it stays, and asked for again.
start master ssh -M -S master "${options[@]}" -N "$place"
master=$PID
there() { [ -S master ]; }
eventually 20 there || { cat master.log; fail 'no master'; }
chosen=$(timeout 30 ssh -S master -O forward -R "0:127.0.0.1:$sums" "$place") || fail 'port 0 is refused'
equal 'over the chosen port' "$(sum_at "$chosen")" "$digest"
logged '"at":"localhost:0","what":"asked"' && logged "\"at\":\"localhost:$chosen\",\"what\":\"granted\"" || fail 'no record of the chosen port'
for turn in 1 2 3; do
  timeout 30 ssh -S master -O forward -R "$far:127.0.0.1:$sums" "$place" || fail "turn $turn: refused"
  equal "turn $turn" "$(sum_at "$far")" "$digest"
  timeout 30 ssh -S master -O cancel -R "$far:127.0.0.1:$sums" "$place" || fail "turn $turn: no cancel"
  eventually 5 away "$far" || fail "turn $turn: the target still listens"
done
equal 'the other one' "$(sum_at "$chosen")" "$digest"
# A change of the policy ends what it does not allow any more.
rm "$policies/61-listen.cedar"
reload_policy
eventually 10 away "$chosen" || fail 'the target listens without a permit'
kill "$master"

# A socket: by its one path.
mkdir -m 777 there
socket="$PWD/there/far.sock"
start without ssh "${options[@]}" -N -o ExitOnForwardFailure=yes -R "$socket:127.0.0.1:$sums" "$place"
eventually 20 gone "$PID" || fail 'a socket without a permit'
cat >"$policies/61-listen.cedar" <<POLICY
@id("this-socket-here")
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"listen", resource is Sallyport::Target)
when { context.bind.host == "$socket" };
POLICY
reload_policy
start socket ssh "${options[@]}" -N -o ExitOnForwardFailure=yes -R "/.$PWD//there/far.sock:127.0.0.1:$sums" "$place"
on_socket() { [ -S "$socket" ]; }
eventually 20 on_socket || { cat socket.log; fail 'no -R on a socket'; }
equal 'the digest of what came back from a socket' "$(sum_at "$socket")" "$digest"
logged "\"at\":\"$socket\",\"what\":\"granted\"" || fail 'no record of the socket'
kill "$PID"

# The same from inside a jump.
cat >"$policies/61-listen.cedar" <<POLICY
@id("this-port-here")
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"listen", resource is Sallyport::Target)
when { context.bind.host == "localhost" && context.bind.port == $far };
POLICY
reload_policy
printf '@cert-authority localhost,db1 %s\n' "$(cat "$(public_key host_ca)")" >known_hosts
jump_config
start jumped ssh -F config -J bastion -N -o ExitOnForwardFailure=yes -R "$far:127.0.0.1:$sums" db1
eventually 20 listens "$far" || { cat jumped.log; fail 'no -R through a jump'; }
equal 'through a jump' "$(sum_at "$far")" "$digest"
kill "$PID"
eventually 10 away "$far" || fail 'the target listens after a jump'
# The bastion itself listens for nobody.
code=0
timeout 30 ssh -F config -o ExitOnForwardFailure=yes -R "$far:127.0.0.1:$sums" bastion help >console.log 2>&1 || code=$?
equal '-R at the console' "$code" 255

# Nothing is left of twenty that came and went, with a connection open in each.
descriptors() { find "/proc/$BASTION/fd" -mindepth 1 2>/dev/null | wc -l; }
quiet=$(descriptors)
for turn in $(seq 20); do
  got=$(timeout 30 ssh "${options[@]}" -o ExitOnForwardFailure=yes -R "$far:127.0.0.1:$sums" "$place" "exec 3<>/dev/tcp/127.0.0.1/$far; echo \$?") || fail "turn $turn ends with $?"
  equal "turn $turn" "$got" 0
done
as_quiet() { [ "$(descriptors)" -le "$quiet" ]; }
eventually 20 as_quiet || fail "$quiet descriptors before, $(descriptors) after"
