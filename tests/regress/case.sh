#!/usr/bin/env bash
# Runs one case in a folder of its own and ends whatever it started. Used by run.sh: `case.sh FILE`.
set -e -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/sbin:/sbin"
# shellcheck source=tests/regress/lib.sh
. "$here/lib.sh"
WORK="$SUITE/cases/$CASE"
mkdir -p "$WORK"
chmod 755 "$WORK"
cd "$WORK"
trap 'code=$?; case_down "$code"; exit "$code"' EXIT
trap 'exit 143' TERM INT
# shellcheck disable=SC1090
. "$1"
