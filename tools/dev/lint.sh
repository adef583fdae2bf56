# ./dev lint and ./dev format
# shellcheck shell=bash

c_files() { find . -path './build*' -prune -o -path ./.git -prune -o \( -name '*.c' -o -name '*.h' -o -name '*.cc' -o -name '*.cpp' \) -print | sort; }

command_format() {
    (($# == 0)) || misuse "takes no argument, not '$1'"
    need_packages lint
    c_files | xargs -r clang-format-14 -i
    say "formatted"
}

command_lint() {
    local failed=0
    (($# == 0)) || misuse "takes no argument, not '$1'"
    need_packages build test lint
    configure build --buildtype=release -Dtests=true
    lint_step "the repository's own checks" lint_repository || failed=1
    lint_step "cppcheck" lint_cppcheck || failed=1
    lint_step "clang-tidy" lint_tidy || failed=1
    ((failed == 0)) || die "lint found something: see above"
    say "lint: nothing found"
}

lint_step() {
    local name=$1
    shift
    say "lint: $name"
    "$@" && return 0
    warn "$name found something"
    return 1
}

# Suppressed: cppcheck's table of POSIX knows no mmap without a file (invalidFunctionArg), and it does not believe __attribute__((noreturn)) of a
# callee (nullPointerRedundantCheck), and its parser stumbles over _Generic in a macro (internalAstError).
lint_cppcheck() {
    lint_sources | xargs -r cppcheck --quiet --error-exitcode=1 --std=c11 --language=c -j "$(job_count)" --inline-suppr \
        --enable=warning --suppress=missingInclude --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches --suppress=invalidFunctionArg \
        --suppress=nullPointerRedundantCheck --suppress=internalAstError \
        --library=posix -I include -I . -D__GNUC__=12 -D__x86_64__ -D__linux__
}

# Layering, seam, registrations, sizes, text, links, comments, formatting, shell scripts, headers: tests/repo/ has one file each.
lint_repository() { python3 -B tests/repo/check.py all; }

# What is our own product; tests are judged by running them.
lint_sources() { c_files | grep '\.c$' | grep -v -e '^./tests/' -e '^./perf/bench/'; }

# GCC's flags are in the compilation database: clang must not stumble over those that it does not know.
lint_tidy() {
    lint_sources | xargs -r -P "$(job_count)" -n 4 clang-tidy-14 -p build --quiet --warnings-as-errors='*' \
        --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument 2>/dev/null
}
