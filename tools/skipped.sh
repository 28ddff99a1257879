#!/bin/sh
# Prints how many cases the last `make test` skipped, what they need, and how to get it.
#   tools/skipped.sh PRESET
cd "$(dirname "$0")/.." || exit 1
reasons=$(mktemp)
trap 'rm -f "$reasons"' EXIT
# ctest's log has a line "skipped for want of X" per case; pytest's summary has "SKIPPED [N] file:line: skipped for want of X"
sed -nE 's/^(.*[^0-9a-z])?skipped for want of (.*)$/1 \2/p' \
    "build/$1/Testing/Temporary/LastTest.log" 2>/dev/null >"$reasons"
sed -nE 's/^SKIPPED \[([0-9]+)\] [^ ]+ (skipped for want of )?(.*)$/\1 \3/p' build/pytest.log 2>/dev/null >>"$reasons"
[ -s "$reasons" ] || { echo "no case was skipped"; exit 0; }
echo
echo "cases skipped for want of:"
awk '{n = $1; sub(/^[0-9]+ /, ""); count[$0] += n} END {for (r in count) printf "%6d  %s\n", count[r], r}' "$reasons" |
    sort -rn | head -n 12
total=$(awk '{n += $1} END {print n + 0}' "$reasons")
data=$(awk '/SIBYL_DATA|shared data/ {n += $1} END {print n + 0}' "$reasons")
peers=$(awk '/Python package/ {n += $1} END {print n + 0}' "$reasons")
printf '%d cases skipped' "$total"
[ "$data" = 0 ] || printf '; %d need data sets: put them where CONTRIBUTING.md says and set SIBYL_DATA' "$data"
[ "$peers" = 0 ] || printf "; %d need other programs' packages: make setup FOR=peers, then make compare" "$peers"
echo
