#!/usr/bin/env bash
# Looks for every secret that a run used in everything that it produced: secrets.sh SUITE. Prints each place; exit code 1 if there is one.
#
# Secrets are: what the issuers handed out and what cases registered with `secret` (SUITE/.secrets), every private key and every
# token that lies in a file of its own below SUITE. Looked through is every file but those homes of secrets: logs, both streams of
# every case, arguments of the bastion while it ran, exports, and the state folders: the log, and whatever lies beside it. Recordings and
# registers are compressed in sled and not looked into.
set -u -o pipefail
suite=$1
homes=$(mktemp) found=$(mktemp)
trap 'rm -f "$homes" "$found"' EXIT

{
  # A key's own lines, past those that hold its public half; a token's signature, without which it is worth nothing.
  grep -rlaE --exclude-dir='store*' --exclude-dir=node_modules -e '^-----BEGIN [A-Z ]*PRIVATE KEY-----$' "$suite"
  find "$suite" \( -name 'store*' -o -name node_modules \) -prune -o -type f -size -16k -print0 |
    xargs -0 -r grep -lazE '^[[:space:]]*ey[A-Za-z0-9_-]{16,}\.ey[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{40,}[[:space:]]*$'
  # Random bytes of nonces, which open a token; the list of secrets; pages of the issuer as the tests' browser got them.
  find "$suite" -type f \( -name 'random*' -o -name .secrets -o -name 'tmp.*' \) -not -path '*/store*'
} 2>/dev/null | sort -u >"$homes"

{
  while IFS= read -r home; do
    if grep -qa 'PRIVATE KEY-----$' "$home"; then
      # A key of SSH has its public half in the first three lines, one on P-256 twice in the first five; what follows is the other.
      skip=1
      grep -qa OPENSSH "$home" && skip=4
      grep -qa '^b3BlbnNza.*AAAAaAAAABNlY2RzYS' "$home" && skip=6
      tail -n "+$((skip + 1))" "$home" | grep -a -v -e '-----' | awk 'length >= 40'
    elif [ "${home##*/}" = .secrets ]; then
      awk 'length >= 12' "$home"
    else
      tr -d '\n' <"$home" | sed -n 's/.*\.\([A-Za-z0-9_-]\{40,\}\)$/\1/p'
    fi
  done <"$homes"
} 2>/dev/null | sort -u >"$found"
# Signatures and not whole tokens, which may be cut where a log breaks its line.
count=$(grep -c . "$found")
[ "$count" -gt 0 ] || { echo "no secret was used: nothing to look for"; exit 1; }

places=$(find "$suite" \( -name 'store*' -o -name node_modules -o -name seen -o -name recorded \) -prune -o -type f -print |
  grep -Fvx -f "$homes" | tr '\n' '\0' | xargs -0 -r grep -laF -f "$found")
looked=$(find "$suite" \( -name 'store*' -o -name node_modules -o -name seen -o -name recorded \) -prune -o -type f -print | grep -cFvx -f "$homes")
cores=$(find "$suite" -type f -name 'core*' -not -path '*/store*' -not -path '*/node_modules/*' -print)
[ -z "$cores" ] || echo "core files: $cores"
[ -z "$places" ] || printf 'a secret is in %s\n' $places
echo "figures: $count secrets looked for in $looked files, found in $(printf '%s' "$places" | grep -c .)"
[ -z "$places$cores" ]
