# ./dev soak: what only time shows. Processes, progress, the table and the verdict are soak.py's.
# shellcheck shell=bash

command_soak() {
    (($# <= 1)) || misuse "takes one number of minutes, not '$*'"
    local minutes=${1:-10}
    [[ $minutes =~ ^[0-9]{1,5}(\.[0-9]{1,3})?$ && ! $minutes =~ ^[0.]+$ ]] || misuse "'$minutes' is not a number of minutes, from 0.1 to 99999"
    need_packages build test
    build_release
    # Bash would wait for it before it obeys a signal; so it takes bash's place.
    exec python3 -B tools/dev/soak.py --build build --minutes "$minutes" --reports "reports/soak-$(date +%Y%m%d-%H%M%S)"
}
