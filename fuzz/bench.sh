#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Speed and memory, one line a figure: what, measured, what the engine alone reaches, bar.
#
# Property: a figure and its baseline come from the same run, the same binary and the same seeds; the baseline's
# executor returns at once. Rates of shared machines vary by a fifth. Run through ./build.sh bench.
set -uo pipefail

case ${1:-} in
--help | -h)
	echo "Usage: ./build.sh bench    (BENCH_SECONDS, default 5, for each of 18 engine measurements)"
	exit 0
	;;
'') ;;
*)
	echo "bench: $1: unknown argument; ./build.sh bench --help" >&2
	exit 64
	;;
esac
seconds=${BENCH_SECONDS:-5}
dir=build/bench.d
rm -rf $dir
mkdir -p $dir/seeds || exit 74
impl=${IMPL:-opt}
export PTDIFF_IMPL=$impl PTDIFF_SPOOL=$dir/spool
mkdir -p $dir/spool

row() {
	printf '%-52s %16s %16s %12s\n' "$@"
}

for f in $(find corpus -name '*.pt' | sort); do build/ptdiff asm "$f" -o "$dir/seeds/${f//\//-}"; done
[ -n "$(ls $dir/seeds)" ] || head -c 16 /dev/zero >$dir/seeds/empty

# libFuzzer; prints "executions-a-CPU-second mean-ops peak-MiB".
libfuzzer() { # NAME [ENV...]
	local d=$dir/lf-$1
	shift
	# shellcheck disable=SC2086
	rm -rf "$d"
	mkdir -p "$d"
	env "$@" PTDIFF_STATS="$d/stats" build/fuzz-libfuzzer "$d" $dir/seeds -max_total_time="$seconds" \
		-max_len=528 -len_control=0 -use_counters=0 $keep_length -seed=1 -print_final_stats=1 \
		-artifact_prefix="$d/" >"$d.log" 2>&1
	awk '{ r = $1; o = $2; t = $8 } END { printf "%.0f %.1f ", r / (t ? t : 1), o / (r ? r : 1) }' "$d/stats"
	sed -n 's/^stat::peak_rss_mb: *//p' "$d.log"
}

# AFL++; prints "rate - stability".
afl() { # NAME [ENV...]
	local d=$dir/afl-$1
	shift
	rm -rf "$d"
	env "$@" AFL_CUSTOM_MUTATOR_LIBRARY=build/afl-mutator.so AFL_CUSTOM_MUTATOR_ONLY=1 AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 \
		AFL_NO_AFFINITY=1 AFL_FAST_CAL=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_FORKSRV_INIT_TMOUT=20000 \
		PTDIFF_STATS="$d.stats" \
		afl-fuzz -i $dir/afl-seeds -o "$d" -s 1 -V "$seconds" -t 5000 -m none -- build/fuzz-afl >"$d.log" 2>&1
	awk -F'[ :]+' '/^execs_per_sec/ { r = $2 } /^stability/ { s = $2 } END { printf "%.0f - %s\n", r, s }' \
		"$d/default/fuzzer_stats"
}

# The best of three rounds, full and empty by turns: other load on the host only ever slows down.
# Sets rate, second, third (of the best full round) and empty.
measure() { # ENGINE
	local r e x y
	rate=0 empty=0
	for _ in 1 2 3; do
		read -r r x y < <("$1" full)
		[ "$r" -le "$rate" ] || rate=$r second=$x third=$y
		read -r e _ < <("$1" empty PTDIFF_EMPTY=1)
		[ "$e" -le "$empty" ] || empty=$e
	done
}

echo "implementation $impl, $(nproc) cores, $seconds s an engine measurement; $(git log -1 --format=%h 2>/dev/null)"
row what measured "engine alone" bar
# A campaign prefers short programs; these options keep the mean near that of the seeds.
keep_length="-reduce_inputs=0 -entropic=0"
measure libfuzzer
row "libFuzzer executions a CPU second (mean $second ops)" "$rate" "$empty" 100000
keep_length=
measure libfuzzer
rss=$third
row "libFuzzer as in a campaign (mean $second ops)" "$rate" "$empty" -
row "  the executor's share of an execution, us" \
	"$(awk -v a="$rate" -v b="$empty" 'BEGIN { printf "%.1f", 1e6 / a - 1e6 / b }')" - -
mkdir -p $dir/afl-seeds && cp "$(find $dir/seeds -type f | sort | head -n 1)" $dir/afl-seeds/
measure afl
row "AFL++ executions/s, persistent, shared memory" "$rate" "$empty" "$((empty / 2))"
row "AFL++ stability" "$third" - "100 %"
for g in small 4k 16k 64k; do
	bar=-
	case $g in small | 4k) bar=5 ;; esac
	read -r us ops steps _ div < <(build/bench exec $g)
	row "executor, CPU us a program of $ops ops, $steps steps, $g" "$us" - "$bar"
	[ "$div" = 0 ] || echo "  ($div of 2000 programs diverge)"
done
row "memory of a fuzzing process, MiB" "$rss" - 64
# What the kernel's own code takes on hooks that do nothing: nanoseconds, and those of the prototype, of which twice is the bar.
linux=$(find build/linux -name '*-4k.so' 2>/dev/null | sort | head -n 1)
if [ -n "$linux" ] && cc -std=gnu11 -O2 -I. tests/linux_seam_test.c -ldl -o $dir/linux_seam 2>$dir/linux_seam.log; then
	while read -r ns ref name; do
		row "$(basename "$linux" .so): $name, ns" "$ns" "$ref" "$((2 * ref))"
	done < <($dir/linux_seam --bench "$linux" | awk '
		BEGIN {
			ref["set_ptes(C) + get_and_clear_full_ptes(C)"] = 265; ref["ptep_get, folded"] = 105
			ref["ptep_get_lockless, folded"] = 100; ref["wrprotect_ptes(C)"] = 175
			ref["ptep_test_and_clear_young, folded"] = 175; ref["set_ptes(1) + ptep_get_and_clear"] = 25
			ref["fold on last, unfold on first, clear"] = 1400
		}
		{ ns = $(NF - 1); sub(/^ +/, ""); sub(/ +[0-9.]+ ns$/, ""); if ($0 in ref) print ns, ref[$0], $0 }')
fi
# What the threads argue about, counted.
PTDIFF_IMPL=opt build/bench teardown
build/bench create
build/bench split
build/bench-bugs lazy
# Minimizing the reproducer that the last `bugs` run found first, raw.
raw=$(find build/bugs/*/spool -name '*.bin' 2>/dev/null | sort | head -n 1)
if [ -n "$raw" ]; then
	bug=${raw#build/bugs/} && bug=${bug%%/*}
	t0=$(date +%s.%N)
	out=$(build/ptdiff min --bug "$bug" "$raw" -o $dir/min.pt)
	row "minimize $bug, s" "$(awk -v a="$t0" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f", b - a }')" - 1
	echo "  ($out)"
fi
