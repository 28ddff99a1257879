#!/bin/sh
# The constants of the fixed-point kernel are what tools/tile_tables.c writes.
#   tables.sh GENERATOR SOURCES [write]
set -eu
generator=$1
sources=$2
written=$(mktemp)
trap 'rm -f "$written"' EXIT
for what in numbers:tile_tables.c 80:tile_bank_80.c 128:tile_bank_128.c; do
    file=$sources/${what#*:}
    "$generator" "${what%%:*}" >"$written"
    if [ "${3-}" = write ]; then
        cp "$written" "$file"
    elif ! cmp -s "$written" "$file"; then
        echo "$file differs from what the generator writes:"
        diff "$written" "$file" | head -20
        exit 1
    fi
done
echo "tables equal"
