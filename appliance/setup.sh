#!/bin/bash
# Set the machine up: Debian packages, the user pysrv and the virtual environment. Installs only what is missing,
# says what it does, and is done at once when there is nothing to do.
#
#   setup.sh run      what the appliance needs            setup.sh bench    and what the benchmarks compare with
#   setup.sh test     and what its tests need            setup.sh kernels  and what boots other kernels (make test-kernels)
#   setup.sh image    and what builds and boots the image (make image, make image-check)
#
# The virtual environment comes from /usr/bin/python3 and sees Debian's packages: bcc is Debian's python3-bpfcc (the
# package of that name on PyPI is another thing). Everything else is pinned in requirements*.txt beside this file.
set -euo pipefail
umask 022

level=${1:-run}
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
venv=$root/.venv
system_python=/usr/bin/python3
user=pysrv

run_packages="python3 python3-venv python3-bpfcc python3-nftables nftables linux-libc-dev iproute2 ethtool ca-certificates restic openssh-client"
test_packages="wireguard-go sip-tester sipsak sipvicious baresip-core sox procps openssl tcpdump tcpreplay linphone-cli chromium packer fdisk systemd apparmor shellcheck qemu-utils openssh-server zstd cloud-image-utils pebble rauc squashfs-tools grub-common mmdebstrap debian-archive-keyring aide"
bench_packages="xdp-tools bpftool iptables iputils-ping kamailio kamailio-sqlite-modules rtpengine-daemon sqlite3"
kernels_packages="qemu-system-x86 cpio"
image_packages="$kernels_packages ovmf mtools dosfstools e2fsprogs util-linux virtinst swtpm swtpm-tools openscap-scanner openscap-utils ssg-debian"

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

packages_of() {
    case $1 in
        run) echo "$run_packages" ;;
        test) echo "$run_packages $test_packages" ;;
        bench) echo "$run_packages $test_packages $bench_packages" ;;
        kernels) echo "$run_packages $test_packages $kernels_packages" ;;
        image) echo "$run_packages $test_packages $image_packages" ;;
        *) die "unknown level '$1': say run, test, bench, kernels or image" ;;
    esac
}

missing_packages() {
    local name
    for name in $(packages_of "$level"); do
        dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || printf '%s ' "$name"
    done
}

# Services of new packages must not start: a second Kamailio on 5060 is no help to anybody.
guard=/usr/sbin/policy-rc.d
set_guard() {
    if [ -e $guard ] || [ -L $guard ]; then mv $guard $guard.before-appliance; fi
    printf '#!/bin/sh\nexit 101\n' >$guard
    chmod 755 $guard
}
lift_guard() {
    rm -f $guard
    if [ -e $guard.before-appliance ] || [ -L $guard.before-appliance ]; then mv $guard.before-appliance $guard; fi
}

# ...nor at the next boot.
disable_services() {
    local name unit
    command -v systemctl >/dev/null || return 0
    for name in "$@"; do
        case " $bench_packages $test_packages " in *" $name "*) ;; *) continue ;; esac
        for unit in $(dpkg -L "$name" | sed -n 's#.*/lib/systemd/system/\([^/@]*\.service\)$#\1#p'); do
            systemctl disable --quiet "$unit" 2>/dev/null || say "could not disable $unit: do it before the next boot"
        done
    done
}

# Another apt that is at work (apt-daily, a second set-up) is waited for: of its three locks, DPkg::Lock::Timeout holds
# for one alone.
apt_get() {
    local log=$root/.build/apt.log told=""
    for _ in $(seq 120); do
        LC_ALL=C apt-get -qq -o DPkg::Lock::Timeout=600 "$@" >"$log" 2>&1 && return 0
        grep -q "Could not get lock" "$log" || break
        [ -n "$told" ] || say "another apt is at work: waits for it, ten minutes at most"
        told=1
        sleep 5
    done
    tail -n 15 "$log" >&2
    return 1
}

install_packages() {
    local missing
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    say "Debian packages: $missing"
    export DEBIAN_FRONTEND=noninteractive
    apt_get update || die "apt-get update failed: is Debian's archive reachable?"
    set_guard
    trap lift_guard EXIT
    # shellcheck disable=SC2086
    apt_get install -y --no-install-recommends $missing || die "apt-get install failed: see .build/apt.log"
    lift_guard
    trap - EXIT
    # shellcheck disable=SC2086
    disable_services $missing
}

# Which country a network lies in, out of Debian's tor-geoipdb (made of the IPFire location database, CC BY-SA 4.0): its
# two files alone, because the package itself would bring a tor that runs.
take_countries() {
    local place=/usr/local/share/appliance work
    [ -e $place/geoip ] && [ -e $place/geoip6 ] && return 0
    work=$(mktemp -d "$root/.build/countries.XXXXXX")
    if (cd "$work" && apt-get download -qq tor-geoipdb && dpkg-deb -x tor-geoipdb_*.deb .) \
        >"$root/.build/countries.log" 2>&1; then
        say "database of countries: $place/geoip, geoip6"
        install -D -m 644 -t $place "$work/usr/share/tor/geoip" "$work/usr/share/tor/geoip6"
    else
        say "no database of countries (see .build/countries.log): firewall rules about countries need --database FILE"
    fi
    rm -rf "$work"
}

make_user() {
    id -u $user >/dev/null 2>&1 && return 0
    say "user $user: no home, no shell"
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin $user
}

# One stamp for each lock file: it holds what the environment was made from. The longer one includes the shorter.
locks() { if [ "$level" = run ]; then echo requirements.txt; else echo requirements-dev.txt requirements.txt; fi; }
wanted_stamp() { { $system_python -V; cat "$here/requirements.txt" "$here/$1"; } | sha256sum | cut -d' ' -f1; }
stamp_file() { echo "$venv/.$1.stamp"; }

make_venv() {
    if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        say "virtual environment .venv"
        rm -rf "$venv"
        $system_python -m venv --system-site-packages "$venv"
    fi
    local lock
    set -- $(locks)
    lock=$1
    [ "$(cat "$(stamp_file "$lock")" 2>/dev/null)" = "$(wanted_stamp "$lock")" ] && return 0
    say "Python packages of $lock"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps -r "$here/$lock" \
        >"$root/.build/pip.log" 2>&1 \
        || { tail -n 15 "$root/.build/pip.log" >&2; die "pip install failed: see .build/pip.log"; }
    for lock in "$@"; do wanted_stamp "$lock" >"$(stamp_file "$lock")"; done
}

# `.venv/bin/appliance` works from every directory; `make install` links it into /usr/local/bin.
make_command() {
    [ -x "$venv/bin/appliance" ] && return 0
    cat >"$venv/bin/appliance" <<'LAUNCHER'
#!/bin/sh
here=$(dirname -- "$(readlink -f -- "$0")")
PYTHONPATH=${here%/.venv/bin} exec "$here/python" -P -m appliance "$@"
LAUNCHER
    chmod 755 "$venv/bin/appliance"
}

packages_of "$level" >/dev/null
[ "$(id -u)" = 0 ] || die "must be root (try: sudo make ...)"
[ -r /etc/debian_version ] || die "this is not Debian: install $(packages_of "$level") and write your own set-up"
mkdir -p "$root/.build"
exec 9>"$root/.build/setup.lock"
flock 9
install_packages
take_countries
make_user
make_venv
make_command
