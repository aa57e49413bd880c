# `zstd -dc` of what is stored is text that Debian's asciinema takes; so is the v2 export.
ready
via 'echo before; sleep 0.2; echo complaint >&2; printf "\033[1mbold\033[0m\n"' >/dev/null 2>&1
recording_of_last
shown=$(script -qec 'asciinema cat last.cast' /dev/null)
contains 'asciinema cat' "$shown" before
contains 'asciinema cat' "$shown" complaint
contains 'asciinema cat' "$shown" bold
script -qec 'asciinema play -s 10 last.cast' /dev/null >played
contains 'asciinema play' "$(cat played)" bold
id=$(last_session | jq -r .session)
console export "$id" --format v2 >v2.cast
contains 'asciinema cat of v2' "$(script -qec 'asciinema cat v2.cast' /dev/null)" complaint
jq -es '.[0].version == 2 and (.[0].timestamp | type == "number") and all(.[1:][]; .[1] == "o" or .[1] == "i")' v2.cast >/dev/null ||
  fail 'v2 holds only what every reader takes'
