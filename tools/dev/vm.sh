# Debian's kernel for the machine of tests/vm/, as a file in build-vm/: unpacked from its package, never installed, so that this machine's boot stays as it is.
# shellcheck shell=bash

vm_kernel=build-vm/vmlinuz

# Best effort: without it the tests are skipped and say why.
vm_fetch_kernel() {
    local package
    [[ ! -s $vm_kernel ]] || return 0
    if ! has apt-get || ! has dpkg-deb || [[ $(dpkg --print-architecture) != amd64 ]]; then
        warn "no kernel for the machine of tests/vm/: it is an amd64 one of Debian's packages"
        return 0
    fi
    [[ -z ${ZOK_DEV_NO_INSTALL:-} ]] || { warn "left out, not fetched: a kernel for the machine of tests/vm/"; return 0; }
    package=$(vm_kernel_package)
    if [[ -z $package ]] && can_be_root; then
        as_root apt-get update -q </dev/null >&2 || true
        package=$(vm_kernel_package)
    fi
    [[ -n $package ]] || { warn "left out: apt knows no linux-image-cloud-amd64"; return 0; }
    say "fetching $package for the machine of tests/vm/"
    vm_unpack_kernel "$package" || warn "left out, could not fetch: $package"
}

# The package that holds the image: the one named in all configurations depends on the newest.
vm_kernel_package() { apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1; }

# In a folder of its own until it is whole: what is interrupted leaves no half of a kernel.
vm_unpack_kernel() {
    local package=$1 scratch status=0
    scratch=$(mktemp -d) || return 1
    {
        (cd "$scratch" && quietly apt-get -q -o APT::Sandbox::User=root download "$package") &&
            dpkg-deb --fsys-tarfile "$scratch/$package"_*.deb | tar -x -C "$scratch" --wildcards './boot/vmlinuz-*' &&
            mkdir -p "${vm_kernel%/*}" && mv "$scratch"/boot/vmlinuz-* "$vm_kernel"
    } || status=1
    rm -rf "$scratch"
    return "$status"
}
