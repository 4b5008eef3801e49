#!/bin/bash
# The gate is compiled here, on the image's own kernel, loaded once to see that its verifier takes it, and kept.
set -euo pipefail
cd /opt/appliance
load='
import time, sys
from appliance.kernel.gate import Gate
began = time.monotonic(); Gate.load().close(); print(f"{time.monotonic() - began:.1f}")
'
first=$(PYTHONPATH=. .venv/bin/python -P -c "$load")
second=$(PYTHONPATH=. .venv/bin/python -P -c "$load")
kept=$(ls /var/cache/appliance/gate-*.json)
[ "$(stat -c '%U %a' "$kept")" = "root 600" ]
echo "STEP gate: compiled and loaded in $first s, loaded out of its file in $second s"
