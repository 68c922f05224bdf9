#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The one entry: build, fuzz, test, bugs, bench, linux.
#
# Property: one verb does all it needs, from a fresh clone; nothing outside build/ is written, except Debian
# packages that are missing (as root or with sudo; otherwise the exact command is printed).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
	cat <<'TXT'
Usage: ./build.sh [VERB] [ARGUMENT...]

  build (default)               everything, into build/
  fuzz [--impl NAME] [--san]    campaign on all cores with both engines, FUZZ_SECONDS (60) long
  test                          all tests
  bugs [--seconds N] [NAME...]  fuzz for each planted bug; was it found, how fast, how short
  bench                         speed and memory, beside what the engines alone reach
  linux [LINUX=DIR]             implementations from an arm64 kernel tree
  help                          this text

`./build.sh VERB --help` says more. Exit status: 0 done, 1 a test or bug failed, 77 a campaign has findings,
64 usage, 69 a package is missing, 74 output cannot be written. See README.md and docs/.
TXT
}

die() {
	local status=$1
	shift
	echo "build.sh: $*" >&2
	exit "$status"
}

make_build_dir() {
	mkdir -p build 2>/dev/null || die 74 "$PWD/build: cannot create the folder"
}

# ---- packages

have() {
	command -v "$1" >/dev/null 2>&1
}

clang_runtime() {
	local dir
	dir=$(clang -print-resource-dir 2>/dev/null) || return 1
	compgen -G "$dir/lib/linux/libclang_rt.fuzzer-*.a" >/dev/null &&
		compgen -G "$dir/lib/linux/libclang_rt.asan-*.a" >/dev/null
}

header() {
	echo "#include <$1>" | clang -E -x c - >/dev/null 2>&1
}

# Packages that VERB lacks, found by what they provide.
missing_packages() {
	have make || echo make
	have ar || echo binutils
	if ! have clang; then
		echo clang libclang-rt-dev libc6-dev zlib1g-dev libxxhash-dev
	else
		clang_runtime || echo "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
		header stdio.h || echo libc6-dev
		header zlib.h || echo zlib1g-dev
		header xxhash.h || echo libxxhash-dev
	fi
	[ -n "${OSS:-}" ] && return
	{ have afl-fuzz && have "${AFL_CC:-afl-clang-fast}"; } || echo afl++
	[ "$1" = test ] || return 0
	header_cmocka || echo libcmocka-dev
	have bats || echo bats
	have clang-format || echo clang-format
	have strace || echo strace
}

# cmocka.h needs other headers before it.
header_cmocka() {
	printf '#include <%s>\n' stdarg.h stddef.h stdint.h setjmp.h cmocka.h |
		clang -E -x c - >/dev/null 2>&1
}

apt_install() {
	local as=()
	if [ "$(id -u)" != 0 ]; then
		have sudo && sudo -n true 2>/dev/null || return 1
		as=(sudo -n)
	fi
	echo "build.sh: installing $* (log: build/apt.log)" >&2
	make_build_dir
	"${as[@]}" env DEBIAN_FRONTEND=noninteractive sh -c 'apt-get update -qq &&
		apt-get install -y -qq --no-install-recommends "$@"' sh "$@" >build/apt.log 2>&1
}

need_packages() {
	local list
	mapfile -t list < <(missing_packages "$1" | tr ' ' '\n')
	[ ${#list[@]} -eq 0 ] && return
	have apt-get && apt_install "${list[@]}" && return
	die 69 "missing packages; run: sudo apt-get update && sudo apt-get install -y --no-install-recommends ${list[*]}"
}

# ---- verbs

run_make() {
	make -s -f fuzz/rules.mk -j"$(nproc)" "$@"
}

verb_build() {
	if [ -n "${OSS:-}" ]; then
		need_packages oss
		make_build_dir
		rm -rf build/obj/oss build/obj/oss-core # the caller's flags may have changed
		run_make oss
		fuzz/oss.sh "$OUT"
		return
	fi
	need_packages build
	make_build_dir
	run_make all
}

verb_fuzz() {
	need_packages fuzz
	make_build_dir
	local target=fuzzers arg
	for arg in "$@"; do [ "$arg" = --san ] && target="fuzzers sanitized"; done
	# shellcheck disable=SC2086
	run_make $target
	exec fuzz/campaign.sh "$@"
}

verb_test() {
	need_packages test
	make_build_dir
	run_make tests
	# With kernel source at hand the real implementations are tested too.
	if [ ! -d build/linux ] && compgen -G '/usr/src/linux-source-*.tar.xz' >/dev/null && have xz; then
		(verb_linux) >build/linux.log 2>&1 || echo "build.sh: the kernel's implementations do not build: build/linux.log" >&2
	fi
	exec tests/run.sh "$@"
}

verb_bugs() {
	need_packages bugs
	make_build_dir
	run_make all
	exec fuzz/bugs.sh "$@"
}

verb_bench() {
	need_packages bench
	make_build_dir
	run_make all
	exec fuzz/bench.sh "$@"
}

# shellcheck disable=SC2120 # called without arguments by test
verb_linux() {
	local dir=${LINUX:-} arg
	for arg in "$@"; do
		case $arg in
		LINUX=*) dir=${arg#LINUX=} ;;
		*) die 64 "linux: $arg: unknown argument; it takes LINUX=DIR" ;;
		esac
	done
	need_packages build
	make_build_dir
	[ -n "$dir" ] || dir=$(impl/linux/find-tree.sh) || exit 69
	[ -d "$dir" ] || die 65 "$dir: no such directory"
	impl/linux/build.sh "$dir" build/linux
	# For the engines (coverage counters), plain and sanitized.
	COV=1 impl/linux/build.sh "$dir" build/linux-cov >/dev/null
	COV=1 SAN=1 impl/linux/build.sh "$dir" build/san/linux-cov >/dev/null
}

verb_help() {
	usage
}

if [ -n "${LIB_FUZZING_ENGINE:-}" ] && [ -n "${OUT:-}" ]; then OSS=1; fi
verb=${1:-build}
[ $# -eq 0 ] || shift
case $verb in
build | fuzz | test | bugs | bench | linux) "verb_$verb" "$@" ;;
help | --help | -h) usage ;;
*) die 64 "$verb: unknown verb; ./build.sh help lists them" ;;
esac
