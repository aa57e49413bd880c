# A target that opens a session, X11, forwards, an agent and more towards whoever comes: each is refused and recorded, and the command goes on to its end.
new_bastion
homes="$HERE/matrix/.clients"
export PYTHONPATH="$homes/python"
python3 -c 'import asyncssh' 2>/dev/null ||
  timeout 200 python3 -m pip install -q --disable-pip-version-check --no-warn-script-location --root-user-action=ignore --upgrade \
    --target "$homes/python" asyncssh >pip.log 2>&1 || { cat pip.log; fail 'asyncssh cannot be installed'; }
ssh-keygen -q -t ed25519 -N '' -C rogue -f host-rogue
rogue=$(free_port)
echo "cert-authority $(cat "$(public_key target_ca)")" >authorities
start rogue python3 "$HERE/targets/rogue.py" "$rogue" host-rogue authorities
eventually 20 listens "$rogue" || { cat rogue.log; fail 'no target'; }
cat >>"$CONFIG" <<TARGET

[[target]]
name = "rogue"
address = "127.0.0.1:$rogue"
logins = ["$TARGET_LOGIN"]
labels = { env = "test" }
shell = "posix"
host_key = "$(cut -d' ' -f1,2 host-rogue.pub)"
allow_loopback = true
TARGET
sed -i 's/^drain = "2s"/drain = "20s"/' "$CONFIG"
stop_bastion TERM
serve
sign_in alice
trust_bastion
mapfile -t options < <(ssh_options)
names='session x11 direct-tcpip forwarded-tcpip auth-agent@openssh.com direct-streamlocal@openssh.com forwarded-streamlocal@openssh.com tun@openssh.com'
want=$(printf '%s refused\n' $names)
code=0
got=$(timeout 60 ssh "${options[@]}" "$TARGET_LOGIN+rogue@127.0.0.1" 3 2>client.log) || code=$?
equal 'what the target got' "$got" "$want"
equal 'its exit code' "$code" 5
recorded() { grep -raoP '"kind":"channel.unasked"' "$STATE/log" | grep -q .; }
eventually 5 recorded || fail 'no record of it'
for name in another auth-agent@openssh.com direct-streamlocal@openssh.com direct-tcpip forwarded-streamlocal@openssh.com forwarded-tcpip session x11; do
  grep -raqF -- "\"$name\":3" "$STATE/log" || fail "$name is not counted"
done

# A flood of them harms neither the session nor the bastion.
code=0
got=$(timeout 120 ssh "${options[@]}" "$TARGET_LOGIN+rogue@127.0.0.1" 500 2>client.log) || code=$?
equal 'what the target got of a flood' "$got" "$want"
equal 'its exit code after a flood' "$code" 5
many() { grep -raqF -- '"x11":500' "$STATE/log"; }
eventually 5 many || fail 'the flood is not counted'
equal 'another target' "$(via -- echo on)" on

# Nor does a place where it listens let anything in but connections to that place.
policies=$(dirname "$(find "$PWD" -name '*.cedar' -print -quit)")
cat >"$policies/60-listen.cedar" <<'POLICY'
@id("listen-anywhere")
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"listen", resource is Sallyport::Target);
POLICY
reload_policy
echo payload >payload
web=$(free_port) far=$(free_port)
start web python3 -m http.server --bind 127.0.0.1 "$web"
eventually 10 listens "$web" || fail 'no server'
start remote ssh "${options[@]}" -N -o ExitOnForwardFailure=yes -R "$far:127.0.0.1:$web" "$TARGET_LOGIN+rogue@127.0.0.1"
tried() { [ "$(grep -c '^later' rogue.log)" = 8 ]; }
eventually 30 tried || { cat rogue.log remote.log; fail 'the target does not try'; }
for turn in 'at once' later; do
  equal "what it got $turn" "$(sed -n "s/^$turn //p" rogue.log)" "$want"
done
equal 'what came to the place' "$(curl -sS --max-time 30 "http://127.0.0.1:$far/payload")" payload
# The client has gone; a stop waits for no client that only has its target listen.
kill -9 "$PID"
wait "$PID" 2>/dev/null || true
twice() { grep -raqF -- '"forwarded-tcpip":2' "$STATE/log"; }
eventually 10 twice || fail 'what it opened beside the place is not counted'
start remote ssh "${options[@]}" -N -o ExitOnForwardFailure=yes -R "$far:127.0.0.1:$web" "$TARGET_LOGIN+db1@127.0.0.1"
eventually 20 listens "$far" || { cat remote.log; fail 'no -R at the other target'; }
stop_bastion TERM
contains 'how it stopped' "$(tail -n 3 serve.log)" 'drained=true'
eventually 10 gone "$PID" || fail 'the client does not hear of the end'
! listens "$far" || fail 'the target listens without a bastion'
