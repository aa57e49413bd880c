#!/usr/bin/env bash
# Runs the built binary against real programs: one behaviour a script in cases/, which may print lines of `figures: ...`. Arguments: names of cases (default all).
# The last line is `N passed, N failed`, alone.
set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 2
exec </dev/null
PATH="$PATH:/usr/sbin:/sbin"

# Everything a run makes lies here and goes at its end; KEEP=1 keeps it.
# Not below $TMPDIR: sshd refuses authorities in folders that others may write to.
SUITE=$(mktemp -d /tmp/sallyport-regress.XXXXXX) || exit 2
chmod 755 "$SUITE"
export SUITE
export SALLYPORT="${SALLYPORT:-${CARGO_TARGET_DIR:-$PWD/target}/release/sallyport}"
[ -x "$SALLYPORT" ] || { echo "no binary at $SALLYPORT: cargo build --release"; echo "0 passed, 1 failed"; exit 1; }

# shellcheck source=tests/regress/lib.sh
. "$here/lib.sh"
trap 'suite_down' EXIT
suite_up || { echo "the programs that the tests need did not start"; echo "0 passed, 1 failed"; exit 1; }

(cd "$SUITE" && exec bash -c ". '$here/lib.sh'; watch_arguments") >"$SUITE/arguments.log" 2>/dev/null &
STARTED+=($!)

passed=0 failed=0 names=()
for case in "$here"/cases/*.sh; do
  name=$(basename "$case" .sh)
  if [ "$#" -gt 0 ]; then
    [[ " $* " == *" $name "* ]] || continue
  fi
  began=$SECONDS
  # A session of its own, so that whatever a case starts can be ended with it.
  if CASE=$name setsid --wait timeout --kill-after=10 "${CASE_LIMIT:-300}" bash ${TRACE:+-x} "$here/case.sh" "$case" >"$SUITE/$name.log" 2>&1; then
    passed=$((passed + 1))
    echo "ok      $name ($((SECONDS - began)) s)"
    sed -n 's/^figures: /        /p' "$SUITE/$name.log"
  else
    code=$?
    failed=$((failed + 1))
    names+=("$name")
    echo "FAILED  $name (exit code $code, $((SECONDS - began)) s)"
    sed 's/^/        | /' "$SUITE/$name.log" | tail -n 60
  fi
done

# Of everything that was produced: no secret in it; and one that is planted is found, or the search sees nothing.
began=$SECONDS name=no-secret-is-in-anything-that-was-produced
if bash "$here/secrets.sh" "$SUITE" >"$SUITE/secrets.out" && mkdir "$SUITE/planted" &&
  tail -n 1 "$SUITE/.secrets" | sed 's/^/a log line with /' >"$SUITE/planted/serve.log" &&
  ! bash "$here/secrets.sh" "$SUITE" >"$SUITE/planted.out" && grep -qx "a secret is in $SUITE/planted/serve.log" "$SUITE/planted.out"; then
  passed=$((passed + 1))
  echo "ok      $name ($((SECONDS - began)) s)"
  sed -n 's/^figures: /        /p' "$SUITE/secrets.out"
else
  failed=$((failed + 1))
  names+=("$name")
  echo "FAILED  $name"
  sed 's/^/        | /' "$SUITE/secrets.out" "$SUITE/planted.out" 2>/dev/null
fi

[ "${#names[@]}" = 0 ] || printf 'failed: %s\n' "${names[@]}"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
