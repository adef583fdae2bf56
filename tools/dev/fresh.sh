# ./dev fresh: whether a machine that has nothing but Debian 12 builds, tests, measures and shows this repository, each command bringing what it needs.
# A Debian of its own from the registry that this machine uses, the last commit cloned into it; no part of continuous integration: it takes minutes and
# downloads a compiler. Its processes are in a PID namespace and its mounts in a mount namespace: both end with it, however it ends.
# The network is the host's, for its packages come from there.
# shellcheck shell=bash

# What a user does first.
fresh_steps=('build' 'test wheel' 'bench switch --rounds 1' 'demo --seconds 3')
fresh_suite=bookworm

command_fresh() {
    (($# == 0)) || misuse "takes no argument, not '$1'"
    ((EUID == 0)) || die "makes a Debian in a folder and mounts in it: only root can"
    need_packages fresh
    [[ -z $(git status --porcelain 2>/dev/null) ]] || warn "what is not committed is not in the clone"
    fresh_root=$(mktemp -d /var/tmp/zokio-fresh-XXXXXX)
    fresh_folder=$PWD/reports/fresh-$(date +%Y%m%d-%H%M%S)
    mkdir -p "$fresh_folder"
    trap fresh_cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    fresh_debian
    fresh_clone
    fresh_run
}

fresh_cleanup() {
    local status=$?
    trap '' INT TERM HUP
    # Its death is that of all that runs inside.
    if [[ -n ${fresh_pid:-} ]] && kill -KILL "$fresh_pid" 2>/dev/null; then wait "$fresh_pid" 2>/dev/null || true; fi
    rm -rf --one-file-system "$fresh_root"
    exit "$status"
}

# "SITE RELEASE" of each index of Debian that apt reads here, so that a mirror or a proxy in the way of this machine serves that one, too.
fresh_sources() {
    # shellcheck disable=SC2016 # apt's own words
    apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 2>/dev/null | sort -u | awk -v suite="$fresh_suite" '
        $2 == suite || index($2, suite "-") == 1 { print }'
}

fresh_debian() {
    local site release began=$SECONDS
    site=$(fresh_sources | awk -v suite="$fresh_suite" '$2 == suite { print $1; exit }')
    site=${site:-http://deb.debian.org/debian}
    say "a Debian $fresh_suite from $site"
    debootstrap --variant=minbase --include=ca-certificates "$fresh_suite" "$fresh_root" "$site" >"$fresh_folder/debootstrap.log" 2>&1 ||
        { tail -5 "$fresh_folder/debootstrap.log" >&2; die "debootstrap failed"; }
    fresh_sources | while read -r site release; do
        printf 'deb %s %s main\n' "$site" "$release"
    done >"$fresh_root/etc/apt/sources.list"
    apt-config dump | grep -i '^Acquire::.*proxy' >"$fresh_root/etc/apt/apt.conf.d/99host" || true
    cp /etc/resolv.conf /etc/hosts "$fresh_root/etc/"
    say "debootstrap took $((SECONDS - began)) s"
}

fresh_clone() {
    git clone --quiet --no-hardlinks . "$fresh_root/root/zokio" || die "git clone failed"
    rm -rf "$fresh_root/root/zokio/.git/hooks"
}

# The steps in order; the first that fails ends it. Lines "step seconds status" go to the table as they come.
fresh_run() {
    local step number=0 status log began
    for step in "${fresh_steps[@]}"; do
        number=$((number + 1)) status=0 began=$SECONDS log=$fresh_folder/$number-${step%% *}.log
        say "[$number/${#fresh_steps[@]}] ./dev $step"
        fresh_inside "$step" >"$log" 2>&1 || status=$?
        printf '%-28s %4d s  %s\n' "./dev $step" $((SECONDS - began)) "$( ((status == 0)) && echo ok || echo "FAILED, exit code $status")"
        ((status == 0)) || { tail -30 "$log" >&2; die "the log is $log"; }
    done
    say "a fresh Debian $fresh_suite has built, tested, measured and shown it; the logs are in $fresh_folder/"
}

# One command inside. In the background, because bash obeys no signal while it waits for a child in the foreground.
fresh_inside() {
    local status=0
    # shellcheck disable=SC2016 # the words are the inner shell's
    unshare --mount --pid --ipc --fork --kill-child bash -c '
        set -euo pipefail
        root=$1
        mount --make-rprivate /
        mount -t proc proc "$root/proc"
        mount -t sysfs -o ro sysfs "$root/sys"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs tmpfs "$root/dev/shm"
        exec chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
            bash -c "cd /root/zokio && ./dev $2"' inside "$fresh_root" "$1" </dev/null &
    fresh_pid=$!
    wait "$fresh_pid" || status=$?
    fresh_pid=''
    return "$status"
}
