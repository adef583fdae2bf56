# ./dev test: the release build, then the same suites under the sanitizers.
# shellcheck shell=bash

# shellcheck source=tools/dev/vm.sh
source tools/dev/vm.sh

# What each build folder is made of. Werror stays with the release build: the sanitizers' instrumentation makes GCC see ghosts.
sanitizer_options=(-Dbuildtype=debugoptimized -Db_lundef=false -Dwerror=false -Dbench=disabled -Dtests=true)

command_test() {
    local is_full=0
    local -a names=()
    while (($#)); do
        case $1 in
        --full) is_full=1 ;;
        -*) misuse "'$1' is not an option; it takes --full and parts of tests' names" ;;
        *) names+=("$1") ;;
        esac
        shift
    done
    need_packages build test
    if ((is_full)) || [[ " ${names[*]}" == *" vm"* ]]; then
        need_packages vm
        vm_fetch_kernel
    fi
    test_logs=()
    test_failed=0
    configure build --buildtype=release -Dtests=true
    compile build
    if ((${#names[@]})); then
        run_named build "${names[@]}"
    elif ((is_full)); then
        run_suites build
    else
        run_suites build --no-suite slow
    fi
    test_sanitized build-asan address,undefined "$is_full" "${names[@]}"
    test_sanitized build-tsan thread "$is_full" "${names[@]}"
    python3 tools/dev/summary.py "${test_logs[@]}" && ((test_failed == 0))
}

test_sanitized() {
    local folder=$1 sanitizers=$2 is_full=$3
    local -a options=("${sanitizer_options[@]}" "-Db_sanitize=$sanitizers")
    shift 3
    configure "$folder" "${options[@]}"
    if (($#)); then
        run_named "$folder" "$@"
    elif ((is_full)); then
        run_suites "$folder" --suite unit --suite contract
    else
        run_suites "$folder" --suite unit --suite contract --no-suite slow
    fi
}

# TSan of GCC 12 knows the address-space layouts of its time only; without randomisation every kernel gives it one of those.
without_aslr() {
    if setarch "$(uname -m)" -R true 2>/dev/null; then setarch "$(uname -m)" -R "$@"; else "$@"; fi
}

# run_suites FOLDER [meson test's options]; remembers the log. Meson prints a failing test's output itself.
run_suites() {
    local folder=$1
    shift
    say "testing $folder"
    rm -f "$folder/meson-logs/testlog.json"
    without_aslr meson test -C "$folder" --print-errorlogs --timeout-multiplier "${ZOK_TEST_TIMEOUT_MULTIPLIER:-4}" "$@" </dev/null >&2 ||
        test_failed=1
    test_logs+=("$folder/meson-logs/testlog.json")
}

# The tests whose names contain one of the words.
run_named() {
    local folder=$1 word
    local -a found=() listed
    shift
    mapfile -t listed < <(meson test -C "$folder" --no-rebuild --list 2>/dev/null | sed 's/^.* \/ //')
    for word in "$@"; do
        mapfile -t -O "${#found[@]}" found < <(printf '%s\n' "${listed[@]}" | grep -F -- "$word")
    done
    if ((${#found[@]} == 0)); then
        warn "$folder has no test whose name contains: $*"
        return 0
    fi
    run_suites "$folder" "${found[@]}"
}
