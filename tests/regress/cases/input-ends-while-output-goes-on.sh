# Half-close in both directions.
ready
equal 'output after the end of input' "$(printf abc | via 'cat; sleep 1; echo " done"')" 'abc done'
equal 'input after the end of output' "$( (sleep 1; echo late) | via 'exec 1>&-; cat >&2; exit 4' 2>&1; echo "code $?")" $'late\ncode 4'
