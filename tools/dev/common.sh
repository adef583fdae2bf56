# What every command of ./dev stands on: words to the user, packages, build folders. Sourced by ./dev, from the top of the repository.
# shellcheck shell=bash

# Colours only where a person looks; the plain words carry the meaning.
if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
    bold=$'\033[1m' red=$'\033[31m' yellow=$'\033[33m' plain=$'\033[0m'
else
    bold='' red='' yellow='' plain=''
fi

say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*" >&2; }
warn() { printf '%swarning:%s %s\n' "$yellow" "$plain" "$*" >&2; }
die() { printf '%serror:%s %s\n' "$red" "$plain" "$*" >&2; exit 1; }

# A mistake in how ./dev was called: one line and exit code 2, like the programs of this repository.
misuse() { printf '%s./dev %s:%s %s (see ./dev help)\n' "$red" "${command:-}" "$plain" "$*" >&2; exit 2; }

has() { command -v "$1" >/dev/null 2>&1; }

job_count() { nproc 2>/dev/null || echo 2; }

# --- packages ---

# The packages of the groups named, optional ones with their "?".
packages_of_groups() {
    awk -v groups="$*" '
        BEGIN { n = split(groups, names, " "); for (i = 1; i <= n; i++) wanted["[" names[i] "]"] = 1 }
        /^\[/ { is_wanted = $1 in wanted; next }
        is_wanted && NF && !/^#/ && !seen[$1]++ { print $1 }' tools/dev/packages.txt
}

# Reads package names, prints those that are not installed.
packages_missing() {
    local name mark installed
    installed=" $(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' 2>/dev/null | sed -n 's/^ii *//p' | tr '\n' ' ')"
    while read -r mark; do
        name=${mark#\?}
        [[ $installed == *" $name "* ]] || printf '%s\n' "$mark"
    done
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

can_be_root() {
    ((EUID == 0)) || { has sudo && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; }
}

# A package of a server must not leave that server running, nor coming up at the next boot: the demo and the benchmarks start their own.
# Debian asks /usr/sbin/policy-rc.d before it starts a service; ours stands there only while apt-get runs, and never replaces one.
install_quietly() {
    local policy=/usr/sbin/policy-rc.d is_ours=0 status=0 unit
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' | as_root sh -c "cat > $policy && chmod 755 $policy" && is_ours=1
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" </dev/null >&2 || status=$?
    ((is_ours)) && as_root rm -f "$policy"
    for unit in redis-server haproxy nginx; do
        if [[ -d /run/systemd/system && " $* " == *" $unit"* ]]; then
            as_root systemctl disable --quiet "$unit" >/dev/null 2>&1 || true
        fi
    done
    return "$status"
}

# Makes the packages of these groups present. Costs one dpkg-query when they are; touches the network only when one is missing.
need_packages() {
    local -a missing required=() optional=()
    local name
    if ! has dpkg-query || ! has apt-get; then
        warn "not a Debian system: tools/dev/packages.txt lists what must be there (groups: $*)"
        return 0
    fi
    mapfile -t missing < <(packages_of_groups "$@" | packages_missing)
    for name in "${missing[@]}"; do
        if [[ $name == \?* ]]; then optional+=("${name#\?}"); else required+=("$name"); fi
    done
    ((${#missing[@]} == 0)) && return 0
    if [[ -n ${ZOK_DEV_NO_INSTALL:-} ]] || ! can_be_root; then
        ((${#optional[@]})) && warn "left out, not installed: ${optional[*]}"
        ((${#required[@]})) || return 0
        die "not installed, and neither root nor sudo may install: run as root
    apt-get update && apt-get install -y --no-install-recommends ${required[*]}"
    fi
    say "installing from Debian's packages: ${required[*]} ${optional[*]}"
    as_root apt-get update -q </dev/null >&2 || warn "apt-get update failed; trying with the lists that are here"
    if ((${#required[@]})); then
        install_quietly "${required[@]}" || die "could not install: ${required[*]}"
    fi
    # All at once where that works; one that is not to be had must not keep the others out.
    if ((${#optional[@]})) && install_quietly "${optional[@]}"; then
        optional=()
    fi
    for name in "${optional[@]}"; do
        install_quietly "$name" || warn "left out, could not install: $name"
    done
    packages_changed=1
}

# --- build folders ---

# configure FOLDER OPTION…: makes the build folder, or takes the options over into the one that is there.
configure() {
    local folder=$1 stamp=$1/.zokio-options verb=--reconfigure
    shift
    if [[ ! -f $folder/build.ninja ]]; then
        verb=''
        rm -rf "$folder"
    elif [[ -z ${packages_changed:-} && -f $stamp && $(<"$stamp") == "$*" ]]; then
        return 0
    fi
    say "configuring $folder"
    # shellcheck disable=SC2086 # no word at all when there is no verb
    quietly meson setup $verb "$folder" "$@" || die "meson setup $folder failed"
    printf '%s' "$*" >"$stamp"
}

# Runs a command; what it printed is shown only when it failed.
quietly() {
    local output status=0
    output=$("$@" 2>&1 </dev/null) || status=$?
    ((status == 0)) || printf '%s\n' "$output" >&2
    return "$status"
}

compile() {
    local folder=$1
    shift
    say "building $folder"
    ninja -C "$folder" -j "$(job_count)" "$@" >&2 || die "the build in $folder failed"
}

build_release() {
    configure build --buildtype=release -Dtests=true
    compile build
}
