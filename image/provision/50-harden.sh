#!/bin/bash
# What can be taken away is: set-id bits, loose modes, an archive to ask, ways to be somebody else.
set -euo pipefail
# Nobody becomes root here; the one program that may change identity is D-Bus' own.
find / -xdev -type f \( -perm -4000 -o -perm -2000 \) ! -path '*/dbus-daemon-launch-helper' -exec chmod ug-s {} +
# The profiles of programs that are not here.
find /etc/apparmor.d -maxdepth 1 -type f ! -name 'appliance-*' -delete
chmod 700 /root
chmod 600 /boot/grub/slot.cfg
chmod 600 /boot/System.map-* /boot/config-* /boot/vmlinuz-* 2>/dev/null || true
chmod 600 /etc/ssh/sshd_config
# Debian 13 has some of them as comments alone.
names='UMASK|PASS_MAX_DAYS|PASS_MIN_DAYS|FAILLOG_ENAB|SHA_CRYPT_MIN_ROUNDS|YESCRYPT_COST_FACTOR'
sed -i -E "/^($names)\b/d" /etc/login.defs
printf '%s\n' 'UMASK 027' 'PASS_MAX_DAYS 365' 'PASS_MIN_DAYS 1' 'FAILLOG_ENAB yes' 'SHA_CRYPT_MIN_ROUNDS 65536' \
    'YESCRYPT_COST_FACTOR 8' >>/etc/login.defs
# What whoever comes to a door is told; nothing about what is behind it.
echo 'This system is private. Access is for authorised persons only; it is monitored and logged, and whoever enters
without authority may be prosecuted by law. If you were not invited, disconnect now.' | tee /etc/issue >/etc/issue.net
: >/etc/motd
rm -f /etc/update-motd.d/* /etc/apt/sources.list.d/*
# Whoever runs the hypervisor could lay down a key for root otherwise; a build comes in by this way.
ln -sf /dev/null /etc/tmpfiles.d/provision.conf
echo "STEP hardened: $(find / -xdev -type f -perm /6000 | wc -l) set-id program left"
