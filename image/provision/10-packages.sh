#!/bin/bash
# Every package of the list is on the disk already: nothing is fetched from here on.
set -euo pipefail
missing=""
while read -r name; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing="$missing $name"
done <"$SEED/packages"
[ -z "$missing" ] || { echo "the base disk lacks:$missing"; exit 1; }
echo "STEP packages: all $(wc -l <"$SEED/packages") are there, $(dpkg-query -W | wc -l) with what they need"
