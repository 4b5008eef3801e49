#!/bin/bash
# The product in /opt/appliance, root's and read-only for everybody else, with its environment out of the wheels.
set -euo pipefail
place=/opt/appliance
install -d -m 755 $place
tar --extract --file /tmp/product.tar --directory $place --no-same-owner --no-same-permissions
python3 -m venv --system-site-packages $place/.venv
$place/.venv/bin/python -m pip install --quiet --no-index --no-cache-dir --disable-pip-version-check --no-deps \
    --find-links "$SEED/wheels" -r $place/appliance/requirements.txt
$place/.venv/bin/python -m pip uninstall --quiet --yes pip
cat >$place/.venv/bin/appliance <<'LAUNCHER'
#!/bin/sh
here=$(dirname -- "$(readlink -f -- "$0")")
PYTHONPATH=${here%/.venv/bin} exec "$here/python" -P -m appliance "$@"
LAUNCHER
chmod 755 $place/.venv/bin/appliance
ln -s $place/.venv/bin/appliance /usr/local/bin/appliance
# Compiled once, by content and not by time, so that a start writes nothing and two builds are alike.
python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash $place/appliance $place/pysrv $place/.venv/lib
chown -R root:root $place
chmod -R go-w,a+rX $place
echo "$VERSION" >/etc/appliance/version 2>/dev/null || { install -d -m 755 /etc/appliance; echo "$VERSION" >/etc/appliance/version; }
echo "STEP product: $(du -sm $place | cut -f1) MB in $place"
