# A pristine Debian in a folder, for scripts that source this file: `enter` first, then `make_root` and `in_root`.
# It takes over what the machine says about package sources (apt, pip, certificates, proxy); none of it is in this file.
# shellcheck shell=bash
SUITE=bookworm
PASSED_ON=(http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY SSL_CERT_FILE REQUESTS_CA_BUNDLE)

why_no_root() { # print why no root can be made on this machine, or nothing
    if [ "$(id -u)" != 0 ]; then
        echo "it needs root, to make a Debian root and mount /proc in it"
    elif ! command -v debootstrap >/dev/null && ! apt-cache show debootstrap >/dev/null 2>&1; then
        echo "there is no debootstrap here, and apt-get has none"
    elif ! unshare --mount --pid --fork --mount-proc --propagation private true 2>/dev/null; then
        echo "this machine allows no namespaces of one's own (a container without CAP_SYS_ADMIN)"
    elif ! unshare --net true 2>/dev/null; then
        echo "this machine allows no network of one's own"
    fi
}

# Run the calling script again in namespaces of its own, with $work as its folder. When it ends in any way, the kernel ends
# every process in them and undoes every mount; then, where nothing is mounted any more, the folder is deleted.
enter() { # enter SCRIPT ARGUMENTS...
    work=${DESK_CI_WORK:-}
    [ -z "$work" ] || return 0
    local reason folder pid code=0
    reason=$(why_no_root)
    if [ -n "$reason" ]; then
        echo "${1##*/} cannot run here: $reason." >&2
        exit 1
    fi
    command -v debootstrap >/dev/null ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap >/dev/null; } || exit 1
    folder=$(mktemp -d "${TMPDIR:-/var/tmp}/desk-root.XXXXXX")
    chmod 755 "$folder"
    DESK_CI_WORK=$folder unshare --mount --pid --fork --kill-child --mount-proc --propagation private bash "$@" </dev/null &
    pid=$!
    trap 'kill -KILL "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; rm -rf --one-file-system "$folder"' EXIT
    trap 'exit 130' INT TERM HUP
    wait "$pid" || code=$?
    exit "$code"
}

step() { # step NAME COMMAND...: run it, print one line with its seconds; its output only when it fails, then exit
    local name=$1 began=$SECONDS log=$work/step.log
    shift
    if "$@" >"$log" 2>&1; then
        printf 'ok      %4d s  %s\n' $((SECONDS - began)) "$name"
    else
        printf 'FAILED  %4d s  %s\n' $((SECONDS - began)) "$name"
        tail -n 100 "$log"
        exit 1
    fi
}

# --- apt ----------------------------------------------------------------------------------------------------------------
apt_entries() { # print "URI SUITE COMPONENTS" for each source of this machine that belongs to SUITE
    local files=(/etc/apt/sources.list /etc/apt/sources.list.d/*.list)
    cat "${files[@]}" 2>/dev/null | sed -nE 's/^deb +(\[[^]]*\] +)?(.*)/\2/p'
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] && awk -v RS= '{
            uri = suites = components = ""
            count = split($0, lines, "\n")
            for (i = 1; i <= count; i++) {
                if (lines[i] ~ /^URIs:/) { uri = lines[i]; sub(/^URIs: */, "", uri) }
                if (lines[i] ~ /^Suites:/) { suites = lines[i]; sub(/^Suites: */, "", suites) }
                if (lines[i] ~ /^Components:/) { components = lines[i]; sub(/^Components: */, "", components) }
            }
            count = split(suites, each, " ")
            for (i = 1; i <= count; i++) print uri, each[i], components
        }' "$file"
    done
}

apt_sources() { # the lines for sources.list: those of this machine, or Debian's own when it has none for SUITE
    local entries
    entries=$(apt_entries | awk -v suite=$SUITE '$2 == suite || $2 == suite "-updates" || $2 == suite "-security"' | sort -u)
    [ -n "$entries" ] || entries="http://deb.debian.org/debian $SUITE main
http://deb.debian.org/debian-security $SUITE-security main"
    sed 's/^/deb /' <<<"$entries"
}

base_root() { # base_root ROOT: a minimal Debian by debootstrap
    local mirror
    mirror=$(apt_sources | awk -v suite=$SUITE '$3 == suite { print $2; exit }')
    debootstrap --variant=minbase --include=ca-certificates $SUITE "$1" "$mirror"
}

# --- pip ----------------------------------------------------------------------------------------------------------------
pip_files() { # the files with pip's settings that exist on this machine
    local file
    for file in /etc/pip.conf /etc/xdg/pip/pip.conf "$HOME/.pip/pip.conf" "$HOME/.config/pip/pip.conf" "${PIP_CONFIG_FILE:-}"; do
        [ -z "$file" ] || [ ! -f "$file" ] || echo "$file"
    done
}

pip_paths() { # files and folders of this machine that pip's settings name: mirrors, constraints
    { pip_files | xargs -r cat; env | grep '^PIP_'; } | grep -oE '(file://)?/[^][ =,"]+' | sed 's,^file://,,' | sort -u |
        while read -r path; do
            # A mirror's index may refer to files beside it.
            case $path in */simple | */simple/) path=$(dirname "$path") ;; esac
            case $path in /etc/ssl/*) ;; *) [ ! -e "$path" ] || echo "$path" ;; esac
        done
}

# --- the root -----------------------------------------------------------------------------------------------------------
share() { # share ROOT PATH: the machine's file or folder at the same path in the root, read-only
    if [ -d "$2" ]; then
        mkdir -p "$1$2"
    else
        mkdir -p "$1$(dirname "$2")" && touch "$1$2"
    fi
    mount --bind "$2" "$1$2" && mount -o remount,bind,ro "$1$2"
}

make_root() { # make_root ROOT PACKAGE...: a Debian with these packages that reaches the sources this machine reaches
    local root=$1 file cached=
    shift
    # Optional: with DESK_CI_CACHE=FOLDER, a root is kept for the rest of the month.
    [ -z "${DESK_CI_CACHE:-}" ] || cached=$DESK_CI_CACHE/$SUITE-$(date +%Y-%m)-$(md5sum <<<"$*" | cut -c1-12).tar
    mkdir -p "$root"
    if [ -n "$cached" ] && [ -f "$cached" ]; then
        tar -C "$root" --numeric-owner -xpf "$cached" && mount_root "$root"
        return
    fi
    base_root "$root" && mount_root "$root" || return 1
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/speed" # it is thrown away: no waiting for the disk
    rm -rf "$root/etc/apt/sources.list.d"/*
    apt_sources >"$root/etc/apt/sources.list"
    apt-config dump 2>/dev/null | grep -E '^Acquire::(http|https|Check-|Retries|Languages|Force)' >"$root/etc/apt/apt.conf.d/90machine"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # packages start no services
    chmod 755 "$root/usr/sbin/policy-rc.d"
    in_root "$root" apt-get update -qq && apt_install "$root" "$@" || return 1
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    if [ -n "$cached" ]; then
        mkdir -p "$DESK_CI_CACHE"
        pack_root "$root" "$cached.$$" && mv "$cached.$$" "$cached"
    fi
}

pack_root() { # pack_root ROOT FILE: what is in the root itself, without what is mounted into it, as a tar file
    local path without=()
    # A folder of the same disk that is mounted counts as one file system.
    for path in $(pip_paths); do without+=("--exclude=.$path"); done
    tar -C "$1" --one-file-system --numeric-owner "${without[@]}" -cpf "$2" .
}

mount_root() { # mount_root ROOT: what a process expects, and the machine's names and package sources
    local root=$1 file
    mount --bind "$root" "$root" || return 1 # a container engine in it wants / to be a mount
    mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --rbind /sys "$root/sys" || return 1
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm" # Chromium and multiprocessing need it
    cp --remove-destination /etc/resolv.conf /etc/hosts "$root/etc/"
    for file in $(pip_files | head -n 1); do install -D -m 644 "$file" "$root/etc/pip.conf"; done
    for file in $(pip_paths); do share "$root" "$file" || return 1; done
}

boot_root() { # boot_root ROOT: systemd as the first process of the Debian in ROOT, without any network but the loopback
    # In cgroups of its own, the systemd of this machine and that of the root do not see each other.
    local base=/sys/fs/cgroup part
    for part in "$base" "$base/systemd" "$base/unified"; do
        [ -w "$part/cgroup.procs" ] || continue
        mkdir -p "$part/desk-ci" && echo 0 >"$part/desk-ci/cgroup.procs" || return 1
    done
    exec unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child --propagation private bash -euc '
        hostname desk
        mount --rbind "$1" /mnt && cd /mnt
        mount -t proc proc proc && mount -t sysfs sysfs sys
        if [ -e /sys/fs/cgroup/cgroup.procs ]; then
            mount -t cgroup2 cgroup2 sys/fs/cgroup
        else
            mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup && mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
            mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
            mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
        fi
        mount -t tmpfs -o mode=755 tmpfs dev
        for name in null zero full random urandom tty; do touch dev/$name && mount --bind /dev/$name dev/$name; done
        mkdir dev/shm dev/pts
        mount -t tmpfs -o mode=1777 tmpfs dev/shm
        mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
        ln -s pts/ptmx dev/ptmx && ln -s /proc/self/fd dev/fd
        mount -t tmpfs -o mode=755 tmpfs run
        mkdir -p oldroot && pivot_root . oldroot
        umount -l /oldroot
        exec env -i container=desk-ci PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd systemd.unit=multi-user.target
    ' bash "$1"
}

in_booted() { # in_booted COMMAND...: as root, in the Debian that boot_root started
    local init
    init=$(pgrep -f '^/lib/systemd/systemd systemd.unit=' | head -n 1)
    [ -n "$init" ] || return 1
    nsenter --target "$init" --all --root --wd env -i HOME=/root LANG=C.UTF-8 TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

shut_down() { # end the Debian that boot_root started, and remove its cgroups
    local init
    init=$(pgrep -f '^/lib/systemd/systemd systemd.unit=' | head -n 1)
    [ -z "$init" ] || kill -KILL "$init"
    sleep 1
    find /sys/fs/cgroup/desk-ci /sys/fs/cgroup/*/desk-ci -depth -type d -exec rmdir {} + 2>/dev/null
    return 0
}

passed_on() { # print the variables that a command in the root keeps, NAME=VALUE
    local name
    for name in "${PASSED_ON[@]}" $(compgen -e PIP_ | grep -v PIP_CONFIG_FILE); do
        [ -z "${!name:-}" ] || echo "$name=${!name}"
    done
}

in_root() { # in_root ROOT COMMAND...: as root, with a clean environment
    local root=$1 variables
    shift
    mapfile -t variables < <(passed_on)
    chroot "$root" env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${variables[@]}" "$@"
}

as_user() { # as_user ROOT USER FOLDER SCRIPT: a shell script as USER, in FOLDER, with a clean environment
    local root=$1 user=$2 folder=$3 script=$4 variables
    mapfile -t variables < <(passed_on)
    chroot --userspec="$user:$user" "$root" env -i HOME="/home/$user" USER="$user" LANG=C.UTF-8 \
        PATH=/usr/local/bin:/usr/bin:/bin "${variables[@]}" sh -euc "cd '$folder'; $script"
}

apt_install() { # apt_install ROOT PACKAGE...
    local root=$1
    shift
    in_root "$root" apt-get install -y -qq --no-install-recommends "$@"
}

put_sources() { # put_sources FOLDER: the files of the repository as they are now, committed or not, without what git ignores
    mkdir -p "$1"
    if git -C "$HERE" rev-parse --git-dir >/dev/null 2>&1; then
        git -C "$HERE" ls-files -z --cached --others --exclude-standard |
            (cd "$HERE" && xargs -0 -r sh -c 'for f; do [ ! -e "$f" ] || printf "%s\0" "$f"; done' sh) |
            tar -C "$HERE" --null -T - -cf - | tar -C "$1" --no-same-owner -xf -
    else
        tar -C "$HERE" --exclude=./var --exclude=./.venv --exclude=__pycache__ -cf - . | tar -C "$1" --no-same-owner -xf -
    fi
}
