# Installs as the lock file says, or says what else was done. $1: where notes are kept. Sentences of Keiko's own begin with its name.
said=$1/said; mkdir -p "$1"
try() {
    { "$@" 2>&1; echo $? >"$said.code"; } | tee "$said"
    code=$(cat "$said.code")
    [ "$code" = 0 ] && exit 0
    # What cannot be reached, or is not what the lock file says, does not come by asking otherwise.
    grep -qE 'code (ECONN|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|EINTEGRITY|E40|E50|ERR_SOCKET)|ERR_PNPM_(FETCH|META_FETCH|TARBALL_INTEGRITY)|Integrity check failed' "$said" && exit "$code"
}
