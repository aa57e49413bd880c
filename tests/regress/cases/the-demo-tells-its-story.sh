# The first command of the README, as somebody types it who knows nothing yet.
code=0
TMPDIR="$PWD" timeout 100 "$SALLYPORT" demo --once >demo.log 2>&1 || code=$?
equal 'exit code' "$code" 0
contains 'the end' "$(tail -n 1 demo.log)" 'Every step held'
lacks 'the steps' "$(cat demo.log)" '  no  '
contains 'the second way to verify' "$(cat demo.log)" 'a second verifier, which shares no code with it, says the same'
contains 'the third way to verify' "$(cat demo.log)" 'and so does openssl with sha256sum'
equal 'what it leaves behind' "$(find . -maxdepth 1 -name 'sallyport-*' | wc -l)" 0
