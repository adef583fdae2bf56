#!/bin/sh
# The switch for AArch64: cross-compiled at several levels and run under QEMU's user mode. Skipped (77) where compiler or emulator is missing.
# Usage: test_context_aarch64.sh SOURCE_ROOT
set -eu
root=$1
compiler=aarch64-linux-gnu-gcc
emulator=qemu-aarch64-static

for program in "$compiler" "$emulator"; do
	if ! command -v "$program" >/dev/null; then
		echo "skipped: $program is not installed (packages gcc-aarch64-linux-gnu and qemu-user-static)"
		exit 77
	fi
done

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for flags in -O0 -O2 "-O3 -fno-omit-frame-pointer" "-O2 -mbranch-protection=standard"; do
	echo "== $flags"
	# shellcheck disable=SC2086 # several flags in one word
	"$compiler" -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -Werror $flags -static -funwind-tables \
		-I"$root/tests/unit/core/cross" -I"$root" -I"$root/include" \
		"$root/tests/unit/core/test_context.c" "$root/core/context_aarch64.c" -o "$out/test_context"
	timeout 50 "$emulator" "$out/test_context"
done
