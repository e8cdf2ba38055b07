# Installs all that is wanted, or says what was left out. $1: where notes are kept. Sentences of Keiko's own begin with its name.
said=$1/said; mkdir -p "$1"
try() {
    { "$@" 2>&1; echo $? >"$said.code"; } | tee "$said"
    code=$(cat "$said.code")
    [ "$code" = 0 ] && exit 0
    # What cannot be reached does not come by asking for less.
    grep -qE 'Retry\(total=0|Failed to fetch|error sending request' "$said" && exit "$code"
}
perhaps() {
    "$@" || echo "keiko: left out, because it cannot be installed: $(for last; do :; done; echo "$last")"
}
