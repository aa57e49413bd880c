# ssh -X and -Y: nothing without a permit of x11; with one, a real X server shows what a program at the target asks for, and each use is a record.
SSHD_LINES='X11Forwarding yes'
ready
trust_bastion
cookie=$(openssl rand -hex 16)
touch authority
xauth -q -f authority add :0 MIT-MAGIC-COOKIE-1 "$cookie"
start screen Xvfb -displayfd 9 -auth "$PWD/authority" -nolisten tcp -noreset -screen 0 640x480x8 9>number
has_number() { [ -s number ]; }
eventually 20 has_number || { cat screen.log; fail 'no X server'; }
export DISPLAY=":$(cat number)" XAUTHORITY="$PWD/authority"
xauth -q add "$DISPLAY" MIT-MAGIC-COOKIE-1 "$cookie"
xdpyinfo >here || fail 'the X server shows nothing to its own'
screen() { grep -E '^(vendor string|  dimensions|  depth of root)' "$@"; }

mapfile -t options < <(ssh_options)
place="$TARGET_LOGIN+db1@127.0.0.1"
lent() { timeout 60 ssh "${options[@]}" -Y "$place" "$@"; }
logged() { grep -raqF -- "$1" "$STATE/log"; }
uses() { grep -raoF -- '"kind":"channel.display"' "$STATE/log" | wc -l; }

equal 'without a permit' "$(lent 'echo "${DISPLAY-none}"' 2>/dev/null)" none
refused() { grep -raoP '"action":"x11".*?"outcome":"\Kdeny' "$STATE/log" | grep -q .; }
eventually 5 refused || fail 'the refusal is not recorded'
! logged permit-X11-forwarding || fail 'a certificate with X11 forwarding was made'

policies=$(dirname "$(find "$PWD" -name '*.cedar' -print -quit)")
cat >"$policies/60-display.cedar" <<'POLICY'
@id("lend-the-display")
permit (principal in Sallyport::Group::"users", action == Sallyport::Action::"x11", resource is Sallyport::Target);
POLICY
reload_policy

equal 'without -X' "$(via -- 'echo "${DISPLAY-none}"')" none
lent xdpyinfo >there || fail "-Y: $(cat there)"
equal 'the screen seen from the target' "$(screen there)" "$(screen here)"
timeout 60 ssh "${options[@]}" -X "$place" xdpyinfo >untrusted || fail "-X: $(cat untrusted)"
equal 'the same with -X' "$(screen untrusted)" "$(screen here)"
lent -tt xdpyinfo 2>/dev/null | tr -d '\r' >terminal
equal 'the same in a terminal' "$(screen terminal)" "$(screen here)"
equal 'twenty in turn' "$(lent 'for n in $(seq 20); do xdpyinfo; done' | grep -c '^vendor string')" 20
equal 'six at once' "$(lent 'for n in 1 2 3 4 5 6; do xdpyinfo & done; wait' | grep -c '^vendor string')" 6
# Written at the target, read here: the bytes go both ways.
lent 'xprop -root -f SALLYPORT 8s -set SALLYPORT "said at the target"' || fail 'xprop'
contains 'said at the target' "$(xprop -root SALLYPORT)" 'said at the target'
opened() { [ "$(uses)" -ge 60 ]; }
eventually 5 opened || fail "only $(uses) records of uses and their ends"
all_closed() { [ "$(grep -raoF -- '"to_display":' "$STATE/log" | wc -l)" = "$(($(uses) / 2))" ]; }
eventually 10 all_closed || fail 'of the uses not all have ended'

# Through a jump it is the same.
jump_config 'ForwardX11 yes' 'ForwardX11Trusted yes'
timeout 60 ssh -F config -J bastion db1 xdpyinfo >jumped || fail "through a jump: $(cat jumped)"
equal 'through a jump' "$(screen jumped)" "$(screen here)"
# A program that stays ends with its session: nothing of it is left on the screen.
lent 'xev >/dev/null 2>&1 & for n in $(seq 100); do xwininfo -root -tree | grep "Event Tester" && break; sleep 0.1; done' >windows ||
  fail 'a program that stays'
contains 'the window while it was there' "$(cat windows)" 'Event Tester'
gone() { ! xwininfo -root -tree | grep -q 'Event Tester'; }
eventually 10 gone || fail 'the window of an ended session stays'
# The cookie that the client sent, told backwards so that only what was sent could be found.
sent=$(lent 'xauth list | while read -r _ _ word; do echo "$word" | rev; done' | tail -n 1 | rev)
[ "${#sent}" = 32 ] || fail "no cookie: $sent"
! grep -raqF -- "$sent" "$STATE" serve.log || fail 'a cookie is in the state or the log'
