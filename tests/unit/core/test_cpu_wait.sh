#!/bin/sh
# What core/cpu_wait_x86_64.c was assembled to, taken apart again: each function holds its instruction, and nothing else of the library holds one, for
# it would be met by processors that have none. Usage: test_cpu_wait.sh LIBZOKIO.A
set -eu
library=$1

command -v objdump >/dev/null || {
	echo "skipped: objdump is not installed (package binutils)"
	exit 77
}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
objdump --disassemble --no-show-raw-insn "$library" >"$out/all" || {
	echo "skipped: objdump cannot read $library"
	exit 77
}

# "FUNCTION INSTRUCTION" of each that is found.
awk '/^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]/, "", name) }
	$2 ~ /^(tpause|umwait|umonitor|monitorx|mwaitx)$/ { print name, $2 }' "$out/all" | sort -u >"$out/found"
sort >"$out/meant" <<END
zok__cpu_monitorx monitorx
zok__cpu_mwaitx mwaitx
zok__cpu_tpause tpause
zok__cpu_umonitor umonitor
zok__cpu_umwait umwait
END
diff "$out/meant" "$out/found" || {
	echo "not what was meant (<) but what was found (>)"
	exit 1
}
echo "five functions, an instruction each"
