#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# All tests. Run through ./build.sh test, from the top of the repository.
#
# Property: each check counts once, a program that dies counts as a failure, and the last line is
# `N passed, N failed`. Budgets are executions with fixed seeds, so a result does not depend on the host's speed.
set -uo pipefail

usage() {
	cat <<'TXT'
Usage: ./build.sh test [--list | PART...]

Parts: c (tests/*_test.c, sanitized), cli (tests/*.bats), golden (crashes/), corpus, binaries, bugs, engines, format.
Without a part: all. The log is build/test.log; the last line is `N passed, N failed`. Exit status: 0 or 1.
TXT
}

parts=(c golden corpus binaries bugs engines format cli)
case ${1:-} in
--help | -h)
	usage
	exit 0
	;;
--list)
	printf '%s\n' "${parts[@]}"
	exit 0
	;;
esac
for p in "$@"; do
	printf '%s\n' "${parts[@]}" | grep -qxF -- "$p" || {
		echo "test: $p: no such part; ./build.sh test --list shows them" >&2
		exit 64
	}
done
[ $# -eq 0 ] || parts=("$@")
log=build/test.log
: >"$log" || exit 74
passed=0 failed=0

# Executions for one planted bug; a fixed seed. Ample: most take under 10,000, and which path a seed takes changes
# with every edit of impl/ (coverage steers it), so a tight budget would fail on luck.
BUG_RUNS=${BUG_RUNS:-3000000}

ok() {
	passed=$((passed + 1))
	echo "ok $*" | tee -a "$log"
}

not_ok() {
	failed=$((failed + 1))
	echo "not ok $*" | tee -a "$log"
}

# check NAME COMMAND...: passes when the command does; its output is shown when it does not.
check() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then ok "$name"; else
		not_ok "$name"
		printf '%s\n' "$out" | tail -n 30 | sed 's/^/    /' | tee -a "$log"
	fi
}

# Takes over the results of a program that speaks TAP.
tap() { # NAME COMMAND...
	local name=$1 out=build/tests/tap.out bad=0 n_ok n_bad
	shift
	mkdir -p build/tests
	"$@" >"$out" 2>&1 || bad=$?
	n_ok=$(grep -c '^ok ' "$out")
	n_bad=$(grep -c '^not ok ' "$out")
	passed=$((passed + n_ok))
	failed=$((failed + n_bad))
	cat "$out" >>"$log"
	if [ "$n_bad" -gt 0 ]; then sed "s/^/    /" "$out" | tail -n 60; fi
	if [ "$bad" -ne 0 ] && [ "$n_bad" -eq 0 ]; then
		tail -n 30 "$out" | sed 's/^/    /'
		not_ok "$name ended with status $bad"
	elif [ $((n_ok + n_bad)) -eq 0 ]; then
		not_ok "$name says nothing"
	else
		echo "$name: $n_ok passed, $n_bad failed"
	fi
}

# The real kernel's own test takes the implementations as arguments and prints totals.
linux_seam() { # PROGRAM
	local out last
	compgen -G 'build/linux/*.so' >/dev/null || return 0
	out=$(timeout 300 "$1" build/linux/*.so 2>&1)
	printf '%s\n' "$out" >>"$log"
	last=$(printf '%s\n' "$out" | sed -n 's/.*: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' | tail -n 1)
	[ -n "$last" ] || { not_ok "linux_seam_test: $(printf '%s\n' "$out" | tail -n 1)" && return; }
	passed=$((passed + ${last% *})) failed=$((failed + ${last#* }))
	echo "linux_seam_test: ${last% *} passed, ${last#* } failed"
}

part_c() {
	local t
	for t in build/tests/*_test build/tests/*_bugtest; do
		[ -x "$t" ] || continue
		[ -f "tests/$(basename "$t").c" ] || continue
		[ "$t" != build/tests/linux_seam_test ] || { linux_seam "$t" && continue; }
		CMOCKA_MESSAGE_OUTPUT=TAP ASAN_OPTIONS=detect_stack_use_after_return=0 \
			UBSAN_OPTIONS=print_stacktrace=1 tap "$(basename "$t")" timeout 300 "$t"
	done
}

note_field() { # FILE FIELD
	sed -n "s/^- $2: *//p" "$1" | head -n 1 | tr -d '\`'
}

# A golden reproducer: its signature under its bug, agreement without.
golden_one() { # FOLDER
	local note=$1/NOTE.md bug sig impl out
	[ -f "$note" ] || { echo "no $note" && return 1; }
	sig=$(note_field "$note" Signature)
	bug=$(note_field "$note" Bug)
	impl=$(note_field "$note" Implementation)
	[ "$(basename "$1")" = "${sig//\//-}" ] || [[ $(basename "$1") == *"${sig//\//-}" ]] || { echo "$1: the note says $sig" && return 1; }
	if [ "$bug" = "none planted" ]; then
		build/ptdiff impls | grep -q "^${impl:-opt} " || return 0 # a kernel that is not built here
		out=$(build/ptdiff run --quiet --impl "${impl:-opt}" "$1/input.pt")
		[[ $out == *": $sig ("* ]] || { echo "$out" && return 1; }
		return
	fi
	out=$(build/ptdiff run --quiet --bug "$bug" "$1/input.pt")
	[[ $out == *": $sig ("* ]] || { echo "$out" && return 1; }
	out=$(build/ptdiff run --quiet --impl "${impl:-opt}" "$1/input.pt") || { echo "without the bug: $out" && return 1; }
}

part_golden() {
	local d
	for d in crashes/*/; do
		[ -d "$d" ] && check "golden ${d%/}" golden_one "${d%/}"
	done
	return 0
}

every_seed_agrees() {
	find corpus -name '*.pt' -print0 | sort -z | xargs -0r build/san/ptdiff run --quiet
}

corpus_shares() {
	build/ptdiff stats --check corpus
}

part_corpus() {
	check "corpus: every seed agrees, sanitized" every_seed_agrees
	check "corpus: 80 % of all ops and 30 % of each take effect" corpus_shares
}

no_bugs_in_production() {
	local f
	for f in build/ptdiff build/fuzz-libfuzzer build/fuzz-afl; do
		! nm "$f" | grep -w pt_bug_on || return 1
	done
	nm build/ptdiff-bugs | grep -w pt_bug_on && nm build/fuzz-bugs | grep -w pt_bug_on
}

has_extra_counters() {
	nm build/fuzz-libfuzzer | grep -w __start___libfuzzer_extra_counters &&
		nm build/fuzz-libfuzzer | grep -w extra_counters
}

part_binaries() {
	check "production binaries have no planted bug" no_bugs_in_production
	check "libFuzzer's extra counters are linked in" has_extra_counters
}

part_bugs() {
	local line
	while IFS= read -r line; do
		case $line in
		*" found "*) ok "bug $line" ;;
		*" missed "*) not_ok "bug $line" ;;
		esac
	done < <(fuzz/bugs.sh --runs "$BUG_RUNS")
}

# A fixed number of executions on the committed corpus; no finding may appear.
smoke_libfuzzer() {
	local d=build/tests/smoke-lf
	rm -rf $d
	mkdir -p $d/{corpus,spool,seeds} || return
	seeds $d/seeds
	PTDIFF_SPOOL=$d/spool PTDIFF_STATS=$d/stats build/san/fuzz-libfuzzer $d/corpus $d/seeds -runs=20000 -seed=1 \
		-max_len=528 -len_control=0 -use_counters=0 -artifact_prefix=$d/ || return
	no_spool $d/spool && awk '{ exit !($1 >= 20000 && $5 > 50) }' $d/stats
}

seeds() { # DIR
	local f
	for f in $(find corpus -name '*.pt' | sort); do build/ptdiff asm "$f" -o "$1/${f//\//-}" || return; done
	[ -n "$(ls "$1")" ] || head -c 16 /dev/zero >"$1/empty"
}

no_spool() { # DIR
	local f
	for f in "$1"/*.bin; do
		[ ! -f "$f" ] || { build/ptdiff run "$f" && false; } || return 1
	done
}

smoke_afl() {
	local d=build/tests/smoke-afl stats
	rm -rf $d
	mkdir -p $d/{spool,seeds} || return
	head -c 16 /dev/zero >$d/seeds/empty
	find corpus -name '*.pt' | sort | head -n 1 | while read -r f; do build/ptdiff asm "$f" -o $d/seeds/one; done
	PTDIFF_SPOOL=$d/spool PTDIFF_STATS=$d/stats AFL_CUSTOM_MUTATOR_LIBRARY=build/afl-mutator.so \
		AFL_CUSTOM_MUTATOR_ONLY=1 AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_FAST_CAL=1 \
		AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_FORKSRV_INIT_TMOUT=20000 \
		afl-fuzz -i $d/seeds -o $d/out -s 1 -E 20000 -V 120 -t 5000 -m none -- build/fuzz-afl || return
	stats=$d/out/default/fuzzer_stats
	grep -E 'execs_done|stability|saved_crashes|custom' $stats
	no_spool $d/spool && grep -q 'saved_crashes *: 0' $stats && grep -q 'stability *: 100.00%' $stats &&
		awk '/^execs_done/ { exit !($3 >= 20000) }' $stats
}

# Objects with coverage are linked differently from those that replay uses: do they load and run at all?
smoke_linux() { # IMPLEMENTATION
	local d=build/tests/smoke-linux
	rm -rf $d
	mkdir -p $d/{corpus,spool} || return
	PTDIFF_IMPL=$1 PTDIFF_LINUX_DIR=build/linux-cov PTDIFF_SPOOL=$d/spool PTDIFF_STATS=$d/stats \
		build/fuzz-libfuzzer $d/corpus -runs=2000 -seed=1 -max_len=528 -len_control=0 -use_counters=0 \
		-artifact_prefix=$d/ || return
	awk '{ exit !($1 >= 2000 && $5 > 50) }' $d/stats
}

part_engines() {
	local so
	for so in build/linux-cov/*-small.so; do
		[ -f "$so" ] || continue
		so=$(basename "$so" -small.so)
		check "libFuzzer: $so with coverage loads and runs" smoke_linux "$so"
	done
	check "libFuzzer: 20000 sanitized executions without a finding" smoke_libfuzzer
	check "AFL++: 20000 executions without a finding, stability 100 %" smoke_afl
}

part_format() {
	check "clang-format is clean" format_clean
	check "every source has a licence line" licence_lines
}

sources() { # PATTERN...: what is committed, or without git what is there
	git ls-files "$@" 2>/dev/null || find . -path ./build -prune -o -type f -print | grep -E '\.(c|h|sh|def|mk|bats)$'
}

format_clean() {
	sources '*.c' '*.h' | grep -E '\.[ch]$' | xargs -r clang-format --dry-run -Werror
}

licence_lines() {
	local f bad=0
	for f in $(sources '*.c' '*.h' '*.sh' '*.def' '*.mk' '*.bats' build.sh); do
		[ -f "$f" ] && ! head -n 3 "$f" | grep -q 'SPDX-License-Identifier: GPL-2.0-only' && echo "$f" && bad=1
	done
	return $bad
}

part_cli() {
	tap "command line" bats --tap tests/*.bats
}

for p in "${parts[@]}"; do
	"part_$p"
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
