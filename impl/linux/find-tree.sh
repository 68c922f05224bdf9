#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# find-tree.sh [DIR [CACHE]]: print the directory of a kernel tree that build.sh can use.
#
# Property: the answer is DIR when given; otherwise the newest installed linux-source package, of which only the
# paths that build.sh reads are unpacked, once, into CACHE (default build/linux-src); otherwise nothing, with the
# command that installs one on standard error and exit status 66. Never downloads.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
cache=${2:-$top/build/linux-src}

if [ -n "${1:-}" ]; then
	if [ ! -d "$1" ]; then
		echo "impl/linux: $1: no such directory" >&2
		exit 66
	fi
	cd "$1" && pwd
	exit 0
fi

# PTDIFF_LINUX_SOURCES: where linux-source packages put their archives (tests point it elsewhere).
sources=${PTDIFF_LINUX_SOURCES:-/usr/src}
archive=$(find "$sources" -maxdepth 1 -name 'linux-source-*.tar.xz' 2>/dev/null | sort -V | tail -n 1)
if [ -z "$archive" ]; then
	echo "impl/linux: no kernel tree: give one (LINUX=DIR) or run: apt-get install linux-source-6.12" >&2
	exit 66
fi

name=$(basename "$archive" .tar.xz)
tree=$cache/$name
stamp=$(stat -c '%s %Y' "$archive")
if [ "$(cat "$tree/.stamp" 2>/dev/null || true)" != "$stamp" ]; then
	echo "impl/linux: unpacking the needed part of $archive" >&2
	mkdir -p "$cache"
	new=$(mktemp -d "$cache/.unpack.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	if ! tar -xJf "$archive" -C "$new" --strip-components=1 --wildcards \
		"$name/Makefile" "$name/arch/arm64/include/asm/*" "$name/arch/arm64/mm/*" \
		"$name/include/linux/*" "$name/include/asm-generic/*" "$name/include/uapi/*" "$name/include/vdso/*" \
		"$name/mm/pgtable-generic.c" "$name/mm/pagewalk.c"; then
		echo "impl/linux: $archive: cannot unpack it into $cache" >&2
		exit 66
	fi
	echo "$stamp" >"$new/.stamp"
	chmod 755 "$new"
	rm -rf "$tree"
	mv "$new" "$tree"
fi
echo "$tree"
