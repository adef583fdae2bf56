# ./dev coverage: which lines the unit and contract suites reach.
# shellcheck shell=bash

command_coverage() {
    local folder=build-coverage status=0
    (($# == 0)) || misuse "takes no argument, not '$1'"
    need_packages build test coverage
    configure "$folder" --buildtype=debug -Db_coverage=true -Dwerror=false -Dbench=disabled -Dtests=true
    # Counts of an earlier run would be added to these.
    find "$folder" -name '*.gcda' -delete
    meson test -C "$folder" --suite unit --suite contract --no-suite slow --print-errorlogs --timeout-multiplier 4 </dev/null >&2 || status=$?
    mkdir -p reports/coverage
    # Only what is ours to test: not the tests themselves, nor the peers of the benchmarks.
    gcovr --root . --object-directory "$folder" --exclude 'tests/' --exclude 'perf/bench/' --exclude 'build.*/' --exclude-unreachable-branches \
        --html-details reports/coverage/index.html --json-summary reports/coverage/summary.json >/dev/null || die "gcovr failed"
    python3 -c '
import json
with open("reports/coverage/summary.json", encoding="utf-8") as file:
    summary = json.load(file)
print("coverage: {line_percent} % of {line_total} lines, {function_percent} % of functions, {branch_percent} % of branches".format(**summary))'
    say "by file and line: reports/coverage/index.html"
    ((status == 0)) || die "some tests failed: what they would have reached is missing"
}
