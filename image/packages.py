"""The Debian packages of the image, each with its reason. Nothing is installed that is not here or needed by one."""

from typing import Final

PACKAGES: Final = {
    # boots
    "systemd-sysv": "the first process",
    "systemd-repart": "makes the state's partition at the first boot, and grows it with the disk",
    "systemd-resolved": "names",
    "systemd-timesyncd": "time",
    "systemd-cryptsetup": "opens an encrypted state, seals its key in the TPM (files/usr/local/lib/appliance/state)",
    "cryptsetup-bin": "has a key that nobody can guess opened without waiting; saves and mends LUKS' header",
    "libtss2-esys-3.0.2-0t64": "speaks with the TPM; systemd loads it where there is one",
    "libtss2-rc0t64": "so it does this",
    "libtss2-tcti-device0t64": "and this",
    "udev": "devices",
    "dbus": "systemctl and networkctl speak over it",
    "linux-image-cloud-amd64": "Debian's signed kernel with the drivers of hypervisors and clouds alone",
    "initramfs-tools": "finds the root file system",
    "zstd": "compresses the initial file system",
    "grub-cloud-amd64": "boots under BIOS, UEFI and Secure Boot",
    "e2fsprogs": "the state's file system",
    "kmod": "loads modules",
    "procps": "sysctl, ps",
    # the appliance
    "python3": "runs it",
    "python3-venv": "makes its environment",
    "python3-bpfcc": "loads the gate",
    "python3-nftables": "the gate where there is no XDP",
    "nftables": "the second line behind the gate",
    "linux-libc-dev": "a gate that the image does not carry is compiled over these; there is no C compiler beside bcc",
    "iproute2": "interfaces and routes",
    "ethtool": "what a network card can",
    "ca-certificates": "whom TLS trusts",
    "restic": "backups: encrypted, deduplicated, here or elsewhere",
    "openssh-client": "carries them to a place behind sftp: (appliance/backup/ssh.py)",
    "netbase": "names of protocols and services",
    # updates
    "rauc": "writes a signed update into the slot that does not run (appliance/slots.py)",
    "rauc-service": "its service, which starts when it is asked",
    # first boot
    "cloud-init": "network, name and an operator's key from whoever runs the hypervisor (etc/cloud/cloud.cfg.d)",
    # keeps
    "aide": "compares the system with the list of its files (files/usr/local/share/appliance/aide.conf)",
    "apparmor": "confines programs",
    "openssh-server": "closed until somebody opens it",
}
# What apt may not unpack: nobody reads manuals here. Copyright files stay, they are owed.
LEFT_OUT: Final = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)
