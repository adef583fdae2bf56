# ./dev bench: every question in turn, nothing else running beside it.
# shellcheck shell=bash

# A question that takes longer hangs.
bench_seconds_max=600

command_bench() {
    local is_table=0 name=''
    local -a rounds=()
    while (($#)); do
        case $1 in
        --table) is_table=1 ;;
        --rounds)
            [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || misuse "--rounds wants a number"
            rounds=(--rounds "$2")
            shift
            ;;
        -*) misuse "'$1' is not an option; it takes a benchmark's name, --rounds N, or --table" ;;
        *)
            [[ -z $name ]] || misuse "takes one name, not '$name' and '$1'"
            name=${1#bench_}
            ;;
        esac
        shift
    done
    if ((is_table)); then
        need_packages build
        python3 tools/dev/bench_report.py table README.md reports/bench-*/*.json || die "README.md is as it was"
        say "README.md has the newest figures of each question"
        return 0
    fi
    need_packages build test bench
    build_release
    run_benches "$name" "${rounds[@]}"
}

# Those whose name is the one asked for, else those whose name contains it.
find_benches() {
    local name=$1 program
    if [[ -n $name && -x build/perf/bench/bench_$name ]]; then
        echo "build/perf/bench/bench_$name"
        return 0
    fi
    for program in build/perf/bench/bench_*"$name"*; do
        [[ ! -f $program || ! -x $program ]] || echo "$program"
    done
}

run_benches() {
    local name=$1 folder thing program number=0 failed=0
    local -a programs
    shift
    mapfile -t programs < <(find_benches "$name")
    ((${#programs[@]})) || die "no benchmark's name contains '$name'; there are: $(find_benches '' | sed 's|.*/bench_||' | tr '\n' ' ')"
    folder=reports/bench-$(date +%Y%m%d-%H%M%S)
    mkdir -p "$folder"
    python3 tools/dev/bench_report.py machine >"$folder/machine.txt"
    for program in "${programs[@]}"; do
        thing=${program##*/bench_}
        number=$((number + 1))
        say "[$number/${#programs[@]}] $thing"
        if timeout "$bench_seconds_max" "$program" --json "$@" </dev/null >"$folder/$thing.json"; then
            python3 tools/dev/bench_report.py text "$folder/$thing.json"
        else
            warn "$thing failed or took longer than $bench_seconds_max s"
            failed=$((failed + 1))
            rm -f "$folder/$thing.json"
        fi
    done
    say "the figures are in $folder/; ./dev bench --table puts the newest of each question into README.md"
    ((failed == 0)) || die "$failed of ${#programs[@]} benchmarks failed"
}
