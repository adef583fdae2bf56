# ./dev build and ./dev install
# shellcheck shell=bash

command_build() {
    (($# == 0)) || misuse "takes no argument, not '$1'"
    need_packages build
    build_release
    say "done: library and tools in build/, examples in build/examples/"
}

command_install() {
    local prefix=/usr/local
    while (($#)); do
        case $1 in
        --prefix) (($# >= 2)) || misuse "--prefix wants a folder"; prefix=$2; shift 2 ;;
        --prefix=*) prefix=${1#*=}; shift ;;
        *) misuse "'$1' is not an option; it takes --prefix FOLDER" ;;
        esac
    done
    [[ $prefix == /* ]] || prefix=$PWD/$prefix
    need_packages build
    configure build-install --buildtype=release --prefix="$prefix" -Dtests=false -Dbench=disabled
    compile build-install
    install_built "$prefix"
}

install_built() {
    local prefix=$1 sudo=() libdir
    if ! mkdir -p "$prefix" 2>/dev/null || [[ ! -w $prefix ]]; then
        can_be_root || die "$prefix is not writable, and there is neither root nor sudo: choose another with --prefix"
        sudo=(sudo)
    fi
    "${sudo[@]}" meson install -C build-install --no-rebuild >/dev/null || die "the installation into $prefix failed"
    libdir=$prefix/$(meson introspect build-install --buildoptions | python3 -c '
import json, sys
print(next(option["value"] for option in json.load(sys.stdin) if option["name"] == "libdir"))')
    if [[ $prefix == /usr || $prefix == /usr/local ]] && has ldconfig; then
        "${sudo[@]}" ldconfig || true
    fi
    say "installed into $prefix"
    if ! pkg-config --exists zokio 2>/dev/null; then
        say "to find it: export PKG_CONFIG_PATH=$libdir/pkgconfig LD_LIBRARY_PATH=$libdir"
    fi
}
