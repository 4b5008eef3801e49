#!/bin/bash
# Writes the last act of the build, which Packer calls instead of a shutdown: forget the key that builds, and everything
# that must differ between two machines. It removes itself.
set -euo pipefail
cat >/root/seal <<'SEAL'
#!/bin/bash
set -u
systemctl stop systemd-journald.socket systemd-journald-dev-log.socket systemd-journald systemd-timesyncd 2>/dev/null
rm -rf /etc/ssh/ssh_host_* /tmp/* /var/tmp/* /var/lib/apt/lists/* /var/cache/apt/*
rm -rf /var/log/journal /var/lib/systemd/random-seed /var/lib/systemd/timesync /var/lib/dhcp /run/appliance-console
rm -rf /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/backups/* /var/lib/systemd/credential.secret
find /var/log -type f -delete
find /var/lib/appliance -mindepth 1 -delete
: >/etc/machine-id
rm -rf /root/.ssh /root/.[!.]* /root/contents.json /root/seal
fstrim / 2>/dev/null
sync
systemctl --no-block poweroff
SEAL
chmod 700 /root/seal
echo "STEP seal: waits for the end"
