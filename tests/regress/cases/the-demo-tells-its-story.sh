# The first command of the README, as somebody types it who knows nothing yet.
code=0
TMPDIR="$PWD" timeout 100 "$SALLYPORT" demo --once >demo.log 2>&1 || code=$?
equal 'exit code' "$code" 0
contains 'the end' "$(tail -n 1 demo.log)" 'Every step held'
lacks 'the steps' "$(cat demo.log)" '  no  '
equal 'what it leaves behind' "$(find . -maxdepth 1 -name 'sallyport-*' | wc -l)" 0
