#!/bin/bash
# The product in /opt/appliance, beside its environment, root's and read-only for everybody else.
set -euo pipefail
place=/opt/appliance
tar --extract --file /tmp/product.tar --directory $place --no-same-owner --no-same-permissions
cmp --silent "$SEED/requirements.txt" $place/appliance/requirements.txt \
    || { echo "the base disk has the environment of other requirements: make it anew"; exit 1; }
cat >$place/.venv/bin/appliance <<'LAUNCHER'
#!/bin/sh
here=$(dirname -- "$(readlink -f -- "$0")")
PYTHONPATH=${here%/.venv/bin} exec "$here/python" -P -m appliance "$@"
LAUNCHER
chmod 755 $place/.venv/bin/appliance
ln -s $place/.venv/bin/appliance /usr/local/bin/appliance
# As the environment is: by content, so that a start writes nothing and two builds are alike.
$place/.venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash $place/appliance $place/pysrv
# What was imported while the environment was made has a time in it, and no two builds have the same.
$place/.venv/bin/python - "$place/.venv" <<'PYTHON'
import sys
from importlib.util import source_from_cache
from pathlib import Path
from py_compile import PycInvalidationMode, compile

for kept in Path(sys.argv[1]).rglob("*.pyc"):
    if kept.read_bytes()[4:8] == bytes(4):  # PEP 552: no flag, so a time
        compile(source_from_cache(kept), doraise=True, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
PYTHON
chown -R root:root $place
chmod -R go-w,a+rX $place
install -d -m 755 /etc/appliance
echo "$VERSION" >/etc/appliance/version
appliance --version
echo "STEP product: $(du -sm $place | cut -f1) MB in $place"
