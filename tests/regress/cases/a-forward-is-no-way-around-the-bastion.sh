# -L, -D and -W through a target, to addresses, names and sockets: where the policy lets them, by exact destination, each a record; and nowhere past what is recorded.
ready
trust_bastion
mapfile -t options < <(ssh_options)
place="$TARGET_LOGIN+db1@127.0.0.1"
through() { timeout 60 ssh -o LogLevel=INFO "${options[@]}" -W "$1" "${@:2}" "$place"; }
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
logged() { grep -raqF -- "$1" "$STATE/log"; }

! through "127.0.0.1:$sums" <noise >none 2>refused.log || fail 'carried without a permit'
contains 'the refusal' "$(cat refused.log)" "sallyport: no rule lets you forward through 'db1' to "

policies=$(dirname "$(find "$PWD" -name '*.cedar' -print -quit)")
cat >"$policies/60-forward.cedar" <<'POLICY'
@id("forward-anywhere")
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"forward", resource is Sallyport::Target);
POLICY
reload_policy
for form in "127.0.0.1:$sums" "127.1:$sums" "0x7f000001:$sums" "localhost:$sums" "[::ffff:127.0.0.1]:$sums" "db1:22" "169.254.169.254:80" "0.0.0.0:$SSH_PORT"; do
  ! through "$form" <noise >none 2>refused.log || fail "$form was carried"
  contains "$form" "$(cat refused.log)" "needs a permit of 'unrecorded' too"
done

cat >"$policies/61-unrecorded.cedar" <<POLICY
@id("these-two-here")
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"unrecorded", resource is Sallyport::Target)
when { context has destination && context.destination.host == "127.0.0.1" && [$web, $sums].contains(context.destination.port) };
POLICY
reload_policy
equal 'the digest of what arrived' "$(through "127.1:$sums" <noise)" "$(sha256sum <noise | cut -d' ' -f1)"
! through "127.0.0.1:$SSHD_PORT" </dev/null >none 2>&1 || fail 'another port was carried'
local_port=$(free_port) socks=$(free_port)
start forwards ssh "${options[@]}" -N -o ExitOnForwardFailure=yes -L "127.0.0.1:$local_port:127.0.0.1:$web" -D "127.0.0.1:$socks" "$place"
eventually 20 listens "$local_port" || { cat forwards.log; fail 'no -L'; }
curl -sS --max-time 30 -o back "http://127.0.0.1:$local_port/noise" || fail 'curl over -L'
cmp noise back || fail '-L changed bytes'
curl -sS --max-time 30 -o again --socks5 "127.0.0.1:$socks" "http://127.0.0.1:$web/noise" || fail 'curl over -D'
cmp noise again || fail '-D changed bytes'
for n in 1 2 3 4 5 6; do curl -sS --max-time 60 -o "many.$n" "http://127.0.0.1:$local_port/noise" & jobs[n]=$!; done
for n in 1 2 3 4 5 6; do wait "${jobs[n]}" || fail "one of six at once"; cmp noise "many.$n" || fail 'six at once changed bytes'; done
! curl -sS --max-time 20 -o none --socks5 "127.0.0.1:$socks" "http://127.0.0.1:$SSHD_PORT/" 2>/dev/null || fail '-D to another port was carried'
kill "$PID"

# A socket in the target's file system: by its one path.
socket="$PWD/answers.sock"
start answers python3 -c '
import hashlib, socketserver, sys
class Sum(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(hashlib.sha256(self.rfile.read()).hexdigest().encode())
class Server(socketserver.ThreadingUnixStreamServer):
    pass
Server(sys.argv[1], Sum).serve_forever()' "$socket"
there() { [ -S "$socket" ]; }
eventually 10 there || fail 'no socket'
chmod 777 "$socket"
sum_through() {
  python3 -c '
import socket, sys
one = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
one.sendall(sys.stdin.buffer.read())
one.shutdown(socket.SHUT_WR)
got = b""
while part := one.recv(65536):
    got += part
sys.stdout.write(got.decode())' "$1" <noise
}
to_socket() {
  near=$(free_port)
  start "$1" ssh -o LogLevel=INFO "${options[@]}" -N -L "127.0.0.1:$near:$2" "$place"
  eventually 20 listens "$near" || { cat "$1.log"; fail 'no -L to a socket'; }
}
to_socket unpermitted "$socket"
equal 'a socket without a permit' "$(sum_through "$near" 2>/dev/null || true)" ''
said() { grep -q "needs a permit of 'unrecorded' too" unpermitted.log; }
eventually 5 said || { cat unpermitted.log; fail 'nothing was said of the socket'; }
kill "$PID"
cat >"$policies/62-socket.cedar" <<POLICY
@id("this-socket")
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"unrecorded", resource is Sallyport::Target)
when { context has destination && context.destination.host == "$socket" };
POLICY
reload_policy
to_socket permitted "/.$PWD//answers.sock"
equal 'the digest of what a socket got' "$(sum_through "$near")" "$(sha256sum <noise | cut -d' ' -f1)"
kill "$PID"
to_socket elsewhere "/x/..$PWD/answers.sock"
equal 'a path with ..' "$(sum_through "$near" 2>/dev/null || true)" ''
kill "$PID"
eventually 5 logged "{\"to\":\"$socket\"}" || fail 'no record of the socket'

eventually 5 logged "\"to\":\"127.0.0.1:$sums\"" || fail 'no record of the destination'
over() { grep -raoF -- '"bytes_in":3000000,"bytes_out":64' "$STATE/log" | grep -q .; }
eventually 5 over || fail 'no record of the bytes'

# The same from inside a jump.
printf '@cert-authority localhost,db1 %s\n' "$(cat "$(public_key host_ca)")" >known_hosts
jump_config
equal 'through a jump' "$(timeout 60 ssh -F config -J bastion -W "127.0.0.1:$sums" db1 <noise)" "$(sha256sum <noise | cut -d' ' -f1)"
