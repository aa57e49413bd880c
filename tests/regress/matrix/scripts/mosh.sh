# mosh in a terminal of its own, as people start it: a command that ends by itself.
set -u -o pipefail
export LC_ALL=C.UTF-8 TERM=xterm
timeout 30 script -qec "stty rows 24 cols 80; mosh --ssh='ssh -F $CONFIG -o LogLevel=ERROR' m-$WAY -- echo hello from mosh" /dev/null
