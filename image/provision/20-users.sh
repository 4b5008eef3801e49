#!/bin/bash
# The office's user, which owns nothing but its state, by a number that is the same in every version; root without a password, and nobody else who could log in.
set -euo pipefail
useradd --system --uid 600 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin pysrv
passwd --quiet --lock root
awk -F: '$2 != "*" && $2 !~ /^!/ { print "has a password: " $1; wrong = 1 } END { exit wrong }' /etc/shadow
echo "STEP users: pysrv"
