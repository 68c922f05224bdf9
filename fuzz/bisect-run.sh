#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# For `git bisect run`: does a reproducer diverge at this commit?
#
# Property: 0 (agrees) and 77 (divergence) pass through; whatever else happens says nothing about the commit and
# becomes 125, "skip". Without this, git takes 64, 65 and 70 for "bad".
#
#	git bisect run fuzz/bisect-run.sh FILE.pt                   bisects this repository
#	git bisect run /path/to/fuzz/bisect-run.sh --tree FILE.pt   bisects the kernel tree that is the current folder
set -u
tree=
[ "${1:-}" != --tree ] || { tree=$PWD && shift; }
[ $# -gt 0 ] || {
	echo "bisect-run.sh: usage: bisect-run.sh [--tree] [OPTION of ptdiff run]... FILE..." >&2
	exit 125
}
args=("$@")
for i in "${!args[@]}"; do [ ! -e "${args[$i]}" ] || args[i]=$(realpath "${args[$i]}"); done
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.." || exit 125
if [ -n "$tree" ]; then
	rm -rf build/bisect
	[ -x build/ptdiff ] || ./build.sh build >&2 || exit 125
	impl/linux/build.sh "$tree" build/bisect >&2 || exit 125
	so=$(find build/bisect -name 'linux-*-4k.so' | head -n 1)
	export PTDIFF_LINUX_DIR=$PWD/build/bisect
	args=(--impl "$(basename "$so" -4k.so)" "${args[@]}")
else
	./build.sh build >&2 || exit 125
fi
build/ptdiff run --quiet "${args[@]}"
status=$?
case $status in 0 | 77) exit $status ;; esac
exit 125
