#!/bin/bash
# The files of image/files where they belong; what runs, and what never does.
set -euo pipefail
cd /tmp/files
find . -type f | while read -r path; do
    mode=644
    case $path in ./usr/local/lib/appliance/*) mode=755 ;; esac
    install -D -o root -g root -m $mode "$path" "/${path#./}"
done
# The state has a partition of its own, which the initial file system makes, checks, and lays over /etc and /var: the
# rest of a slot is read-only (image/initramfs/state). Nothing on it is ever executed.
install -d -m 755 /var/lib/appliance
install -m 644 /tmp/updates.pem /etc/rauc/updates.pem
options=noatime,nodev,nosuid,noexec,x-systemd.growfs,x-systemd.device-timeout=120s
echo "PARTLABEL=state /var/lib/appliance ext4 $options 0 0" >>/etc/fstab
# What the kernel shows of others' processes, and where nothing is started: systemd mounts these and then looks here.
cat >>/etc/fstab <<'END'
proc /proc proc nosuid,nodev,noexec,hidepid=invisible 0 0
devtmpfs /dev devtmpfs nosuid,noexec 0 0
tmpfs /dev/shm tmpfs nosuid,nodev,noexec 0 0
END
# GRUB's counters, which an update changes.
install -d -m 700 /boot/efi
options=noatime,nodev,nosuid,noexec,umask=0077,flush,nofail,x-systemd.device-timeout=300s
echo "PARTLABEL=esp /boot/efi vfat $options 0 0" >>/etc/fstab
ln -sf /etc/systemd/system/ssh.service.d /etc/systemd/system/sshd.service.d
# Where aide looks by itself, and lynis, which somebody may bring; and where keys for SSH will lie.
install -d -m 755 /etc/aide /etc/lynis /etc/ssh/authorized_keys
ln -sf /usr/local/share/appliance/aide.conf /etc/aide/aide.conf
ln -sf /usr/local/share/appliance/lynis.prf /etc/lynis/custom.prf
nft --check --file /etc/nftables.conf
sshd -t
apparmor_parser --replace --write-cache --skip-kernel-load /etc/apparmor.d/appliance-*
systemctl --quiet enable nftables apparmor appliance appliance-console appliance-keys appliance-wizard appliance-cloud \
    appliance-audit.path appliance-audit.timer appliance-trial \
    appliance-backup.path appliance-backup.timer appliance-follow.timer appliance-reset \
    systemd-networkd systemd-timesyncd
# Builds go in over SSH, which runs on until the machine is sealed; the next boot does not start it.
systemctl --quiet disable ssh
systemctl --quiet mask ssh.socket sshd-keygen.service getty@tty1.service serial-getty@ttyS0.service autovt@.service \
    apt-daily.timer apt-daily-upgrade.timer systemd-firstboot.service ctrl-alt-del.target debug-shell.service \
    proc-sys-fs-binfmt_misc.automount e2scrub_all.timer e2scrub_reap.service grub-common.service \
    systemd-pcrlock-make-policy.service cloud-init-hotplugd.socket cloud-init-hotplugd.service
# File systems of the kernel's that nothing here reads: each is a way in, and a program more at every start. With them go
# what a crash would leave in the firmware's variables, and the screen's driver, which udev finds where there is one.
systemctl --quiet mask sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
    sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount systemd-pstore.service \
    modprobe@configfs.service modprobe@fuse.service modprobe@efi_pstore.service modprobe@drm.service
# What the slots have done: the partition is made before; nothing makes a slot's own files anew, which the next would hide.
systemctl --quiet mask systemd-repart.service ldconfig.service systemd-update-done.service systemd-hwdb-update.service \
    systemd-journal-catalog-update.service systemd-sysusers.service
install -d /etc/systemd/system-generators
for name in systemd-ssh-generator systemd-getty-generator systemd-gpt-auto-generator systemd-rc-local-generator \
    systemd-hibernate-resume-generator systemd-cryptsetup-generator systemd-veritysetup-generator \
    systemd-integritysetup-generator systemd-sysv-generator systemd-system-update-generator \
    systemd-bless-boot-generator systemd-run-generator systemd-import-generator; do
    ln -sf /dev/null /etc/systemd/system-generators/$name
done
echo "STEP system: $(find . -type f | wc -l) files, services enabled"
