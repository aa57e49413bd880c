# The pattern of VS Code's remote work: a shell with a script on its input starts a server at the target's loopback, which is then
# reached over -D, or over a socket's path; 1 MiB goes there and back. Ends with the bytes that came back on standard output.
set -eu -o pipefail
if [[ $PWD == *socket* ]]; then kind=unix far="${REMOTE%/*}/s-$WAY"; else kind=inet far=0; fi
near=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >server.sh <<SCRIPT
exec python3 -u - <<'PROGRAM'
import os, socket, threading
listener = socket.socket(socket.AF_UNIX if "$kind" == "unix" else socket.AF_INET)
listener.bind("$far" if "$kind" == "unix" else ("127.0.0.1", 0))
listener.listen()
# It does not outlive the client whatever happens.
threading.Timer(50, lambda: os._exit(1)).start()
print("ready", listener.getsockname() if "$kind" == "unix" else listener.getsockname()[1], flush=True)
one, _ = listener.accept()
kept = bytearray()
while part := one.recv(65536):
    kept += part
one.sendall(kept)
one.close()
os._exit(0)
PROGRAM
SCRIPT
if [ "$kind" = inet ]; then forward=(-D "127.0.0.1:$near"); else forward=(-L "127.0.0.1:$near:$far"); fi
ssh -F "$CONFIG" -o LogLevel=INFO -T "${forward[@]}" "m-$WAY" bash <server.sh >ready 2>server.err &
carrier=$!
trap 'code=$?; kill $carrier 2>/dev/null || true; wait $carrier 2>/dev/null || true; cat server.err >&2; exit $code' EXIT
for _ in $(seq 400); do grep -qs '^ready' ready && break; kill -0 $carrier || exit 9; sleep 0.05; done
far=$(awk '{print $2}' ready)
timeout 30 python3 - "$near" "$far" "$kind" <<'PROGRAM'
import os, socket, struct, sys, threading
near, far, kind = int(sys.argv[1]), sys.argv[2], sys.argv[3]
one = socket.create_connection(("127.0.0.1", near), 30)
if kind == "inet":
    one.sendall(b"\5\1\0")
    assert one.recv(2) == b"\5\0", "no SOCKS"
    one.sendall(b"\5\1\0\1" + socket.inet_aton("127.0.0.1") + struct.pack(">H", int(far)))
    assert one.recv(10)[1:2] == b"\0", "SOCKS was refused"
one.sendall(open(os.environ["NOISE"], "rb").read())
one.shutdown(socket.SHUT_WR)
got = bytearray()
while part := one.recv(65536):
    got += part
sys.stdout.buffer.write(got)
sys.exit(0 if got else 8)
PROGRAM
