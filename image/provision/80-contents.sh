#!/bin/bash
# What the image holds, for its bill of materials: Debian's packages and Python's, each with version and licence.
set -euo pipefail
python3 - <<'PYTHON' >/root/contents.json
import json
import subprocess
from importlib.metadata import distributions
from pathlib import Path

form = "${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${Installed-Size}\n"
rows = subprocess.run(["dpkg-query", "-W", "-f", form], check=True, capture_output=True, text=True).stdout
names = ("name", "version", "architecture", "source", "kib")
debian = [dict(zip(names, row.split("\t")[1:])) for row in rows.splitlines() if row.startswith("installed\t")]
(site,) = Path("/opt/appliance/.venv/lib").glob("python3*/site-packages")
python = sorted(
    (
        {
            "name": found.metadata["Name"],
            "version": found.version,
            "license": found.metadata.get("License-Expression") or found.metadata.get("License") or "",
        }
        for found in distributions(path=[str(site)])
    ),
    key=lambda row: row["name"].lower(),
)
release = dict(
    line.replace('"', "").split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line
)
kernel = next(Path("/boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
print(json.dumps({"release": release, "kernel": kernel, "debian": debian, "python": python}, indent=1))
PYTHON
PYTHONPATH=/opt/appliance /opt/appliance/.venv/bin/python -P -m appliance.ownership
# It would leave its seed behind at the shutdown, after the seal: one for all machines.
systemctl stop systemd-random-seed
root=$(df --output=used -BM / | tail -n 1 | tr -d ' M')
echo "STEP contents: $(dpkg-query -W | wc -l) Debian packages, root file system ${root} MB used"
