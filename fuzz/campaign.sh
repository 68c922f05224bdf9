#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2317 # start() calls by name
#
# A campaign: both engines on all cores, from the committed corpus.
#
# Property: nothing that was found is lost, whatever ends the campaign; the same command goes on from where it
# stopped. Run through ./build.sh fuzz, from the top of the repository.
#
# build/campaign/ (build/campaign-NAME with --impl NAME):
#	corpus/    libFuzzer's, first filled from corpus/**/*.pt    afl/    AFL++'s
#	spool/     first raw input of each signature                findings/  the same, minimized, with a note
#	*.log, *.stats of each engine process
set -uo pipefail

usage() {
	cat <<'TXT'
Usage: ./build.sh fuzz [--impl NAME] [--san] [--seconds N] [--engine libfuzzer|afl] [--dir DIR]

  --impl NAME    implementation under test (default opt; build/ptdiff impls lists them)
  --san          with address and undefined-behaviour sanitizers
  --seconds N    how long (default FUZZ_SECONDS, or 60)
  --engine NAME  one engine instead of both
  --dir DIR      the campaign's folder (default build/campaign, or build/campaign-NAME with --impl NAME)

IMPL, SAN=1, FUZZ_SECONDS and ENGINE in the environment do the same. Ctrl-C keeps everything; the same command
goes on. The last line is `N findings, in DIR`. Exit status: 0 no finding, 77 findings, 130 interrupted, 64 usage,
1 an engine does not run, 74 the campaign folder cannot be written.
TXT
}

die() {
	local status=$1
	shift
	echo "fuzz: $*" >&2
	exit "$status"
}

impl=${IMPL:-opt} san=${SAN:-} seconds=${FUZZ_SECONDS:-60} engine=${ENGINE:-both} dir=
again="./build.sh fuzz${*:+ $*}"
while [ $# -gt 0 ]; do
	case $1 in
	--san) san=1 ;;
	--impl | --seconds | --engine | --dir)
		[ $# -ge 2 ] || die 64 "$1: needs a value"
		case $1 in
		--impl) impl=$2 ;;
		--seconds) seconds=$2 ;;
		--engine) engine=$2 ;;
		--dir) dir=$2 ;;
		esac
		shift
		;;
	--help | -h)
		usage
		exit 0
		;;
	*) die 64 "$1: unknown option; ./build.sh fuzz --help lists them" ;;
	esac
	shift
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die 64 "$seconds: not a number of seconds"
[[ $engine =~ ^(both|libfuzzer|afl)$ ]] || die 64 "$engine: unknown engine; it is libfuzzer or afl"

bin=build
[ -n "$dir" ] || { dir=build/campaign && [ "$impl" = opt ]; } || dir=$dir-$(basename "$impl")
[ -z "$san" ] || bin=build/san
cores=$(nproc)
nlf=$(((cores + 1) / 2)) nafl=$((cores > 1 ? cores / 2 : 1))
[ "$engine" != afl ] || { nlf=0 nafl=$cores; }
[ "$engine" != libfuzzer ] || { nafl=0 nlf=$cores; }

mkdir -p "$dir"/{corpus,spool,findings,artifacts,seeds} 2>/dev/null ||
	die 74 "$dir: cannot create the campaign's folder"
{ : >"$dir/.probe" && echo x >"$dir/.probe"; } 2>/dev/null || die 74 "$dir: cannot write there"
# Real kernels with coverage counters: libFuzzer alone understands those of a loaded library.
cov_dir=$bin/linux
[ ! -d "$cov_dir-cov" ] || cov_dir=$cov_dir-cov
"$bin/ptdiff" run --quiet --impl "$impl" /dev/null >/dev/null || die 64 "cannot run $impl"

# Findings that cannot be written anywhere are printed here.
exec 9>&1
export PTDIFF_IMPL=$impl PTDIFF_SPOOL=$dir/spool PTDIFF_SAY_FD=9

# ---- corpus

# Inputs whose contents met a full disk.
drop_empty() {
	find "$dir/corpus" -type f -size 0 -delete
}

seed_corpus() {
	local f name
	while IFS= read -r f; do
		name=${f#corpus/}
		name=seed-${name//\//-}
		[ -s "$dir/seeds/${name%.pt}" ] && [ ! "$f" -nt "$dir/seeds/${name%.pt}" ] && continue
		build/ptdiff asm "$f" -o "$dir/seeds/${name%.pt}" || die 74 "$dir: cannot prepare the corpus"
	done < <(find corpus -name '*.pt' | sort)
	drop_empty
	# AFL++ wants one seed at least: the empty program.
	[ -n "$(ls "$dir/seeds")" ] || head -c 16 /dev/zero >"$dir/seeds/seed-empty"
	local why
	why=$(cp -u "$dir"/seeds/* "$dir/corpus/" 2>&1) || die 74 "$dir: cannot prepare the corpus: ${why##*: }"
}

# A corpus of thousands of files slows libFuzzer down: keep what is needed for the same features.
distill() {
	[ "$(find "$dir/corpus" -type f | wc -l)" -gt 1500 ] || return 0
	rm -rf "$dir/corpus.new"
	mkdir "$dir/corpus.new"
	PTDIFF_LINUX_DIR=$cov_dir "$bin/fuzz-libfuzzer" -merge=1 -use_counters=0 "$dir/corpus.new" "$dir/seeds" \
		"$dir/corpus" >"$dir/merge.log" 2>&1 9>&9 || return 0
	[ -n "$(ls "$dir/corpus.new")" ] || return 0
	mv "$dir/corpus" "$dir/corpus.old" && mv "$dir/corpus.new" "$dir/corpus" && rm -rf "$dir/corpus.old"
}

# ---- engines

declare -A pid_of=() started=()
end=0

start_libfuzzer() { # INDEX
	local left=$((end - SECONDS)) extra
	[ $left -gt 0 ] || return 0
	mapfile -t extra < <(find "$dir/afl" -maxdepth 2 -name queue 2>/dev/null)
	PTDIFF_STATS=$dir/libfuzzer-$1.stats PTDIFF_LINUX_DIR=$cov_dir "$bin/fuzz-libfuzzer" "$dir/corpus" "${extra[@]}" \
		-max_total_time=$left -max_len=528 -len_control=0 -timeout=20 -rss_limit_mb=2048 -reload=1 \
		-use_counters=0 -print_final_stats=1 -artifact_prefix="$dir/artifacts/" \
		>>"$dir/libfuzzer-$1.log" 2>&1 9>&9 &
	pid_of[libfuzzer-$1]=$! started[libfuzzer-$1]=$SECONDS
}

# What a full disk left half made AFL++ refuses to resume: its inputs go to the corpus, from where they come back.
heal_afl() { # FOLDER
	find "$1/queue" -type f -size 0 -delete 2>/dev/null
	[ -d "$1" ] && { [ ! -s "$1/fuzzer_stats" ] || [ ! -s "$1/fuzzer_setup" ]; } || return 0
	[ ! -d "$1/queue" ] || find "$1/queue" -maxdepth 1 -type f -exec cp -n -t "$dir/corpus" {} + 2>/dev/null || return 0
	rm -rf "$1"
}

start_afl() { # INDEX
	local left=$((end - SECONDS)) role=(-S "s$1")
	[ $left -gt 0 ] || return 0
	[ "$1" -ne 0 ] || role=(-M m0 -F "$dir/corpus")
	# Custom mutators only; the rest are checks of the host that a shared or virtual machine cannot pass.
	PTDIFF_STATS=$dir/afl-$1.stats AFL_CUSTOM_MUTATOR_LIBRARY=build/afl-mutator.so AFL_CUSTOM_MUTATOR_ONLY=1 \
		AFL_NO_UI=1 AFL_NO_COLOR=1 AFL_AUTORESUME=1 AFL_FAST_CAL=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 \
		AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_CRASH_README=1 AFL_FORKSRV_INIT_TMOUT=20000 \
		AFL_TESTCACHE_SIZE=16 \
		afl-fuzz -i "$dir/seeds" -o "$dir/afl" "${role[@]}" -V $left -t 5000 -m none -- "$bin/fuzz-afl" \
		>>"$dir/afl-$1.log" 2>&1 9>&9 &
	pid_of[afl-$1]=$! started[afl-$1]=$SECONDS
}

start() { # ENGINE-INDEX
	"start_${1%-*}" "${1##*-}"
}

# An engine that ended early: say why, keep what it left, start it again (not if it dies at once).
revive() {
	local e status
	for e in "${!pid_of[@]}"; do
		kill -0 "${pid_of[$e]}" 2>/dev/null && continue
		wait "${pid_of[$e]}"
		status=$?
		unset "pid_of[$e]"
		[ $status -eq 0 ] && [ $SECONDS -ge $((end - 2)) ] && continue
		[ $status -eq 0 ] || echo "$e ended with status $status: $(tail -n 1 "$dir/$e.log" | cut -c1-150) (log: $dir/$e.log)"
		if [ $((SECONDS - started[$e])) -lt 3 ]; then
			failed=1
		else
			start "$e"
		fi
	done
}

# ---- findings

# A process that died in a program: crash, timeout, sanitizer.
file_artifacts() {
	local f name
	for f in "$dir"/artifacts/* "$dir"/afl/*/crashes/id* "$dir"/afl/*/hangs/id*; do
		[ -f "$f" ] || continue
		name=$(basename "$f")
		name=process-${name//[^A-Za-z0-9]/_}
		[ -d "$dir/findings/$name" ] && continue
		mkdir -p "$dir/findings/$name" && cp "$f" "$dir/findings/$name/input.bin" && {
			echo "# A fuzzing process ended in this program"
			echo
			echo "- Reproduce: \`$bin/ptdiff run --impl $impl $dir/findings/$name/input.bin\`"
			echo
			echo '```'
			tail -n 60 "$dir"/libfuzzer-*.log 2>/dev/null
			echo '```'
		} >"$dir/findings/$name/NOTE.md" && echo "finding: a process ended: $dir/findings/$name"
	done
}

file_findings() {
	local f sig
	for f in "$dir"/spool/*.bin; do
		[ -f "$f" ] && [ ! -f "$f.filed" ] || continue
		sig=$(timeout 300 build/ptdiff save --impl "$impl" -o "$dir/findings" "$f" 2>"$dir/save.log") || {
			echo "finding: $f could not be filed: $(cat "$dir/save.log")"
			grep -q 'agrees' "$dir/save.log" && touch "$f.filed"
			continue
		}
		touch "$f.filed"
		echo "finding: ${sig#*.bin: } in $dir/findings"
	done
	file_artifacts
}

count_findings() {
	find "$dir/findings" -mindepth 1 -maxdepth 1 -type d | wc -l
}

# A full disk stops nothing, but is said, once.
probe() {
	[ -z "$full" ] || return 0
	# More than what other processes' changes leave free for a moment.
	! head -c 65536 /dev/zero >"$dir/.probe" 2>/dev/null || { rm "$dir/.probe" && return; }
	rm -f "$dir/.probe"
	full=1
	echo "warning: $dir cannot be written (disk full?): the corpus stops growing, new findings are printed here"
}

# ---- figures

# Sums the stats files of an engine: runs ops effective findings, and the largest feature count.
sums() { # ENGINE
	cat "$dir/$1"-*.stats 2>/dev/null |
		awk '{ r += $1; o += $2; e += $3; if ($5 > f) f = $5 } END { printf "%d %d %d %d\n", r, o, e, f }'
}

cov_libfuzzer() {
	tail -q -n 200 "$dir"/libfuzzer-*.log 2>/dev/null | sed -n 's/.* cov: \([0-9]*\) .*/\1/p' | sort -n | tail -n 1
}

cov_afl() {
	cat "$dir"/afl-*.stats 2>/dev/null | awk '$7 > m { m = $7 } END { print m + 0 }'
}

figures() { # ENGINE LABEL SECONDS
	local r o e f cov
	read -r r o e f < <(sums "$1")
	cov=$("cov_$1")
	awk -v n="$2" -v r="$r" -v o="$o" -v e="$e" -v f="$f" -v c="${cov:-0}" -v t="$3" 'BEGIN {
		if (t < 1) t = 1
		printf "%s %d execs %.1f k/s cov %d state %d effective %.1f %%", n, r, r / t / 1000, c, f,
			100 * e / (o ? o : 1) }'
}

status_line() {
	local t=$((SECONDS - t0))
	printf '[%4d s] ' $t
	[ $nlf -eq 0 ] || figures libfuzzer libFuzzer $t
	[ $nlf -eq 0 ] || [ $nafl -eq 0 ] || printf ' | '
	[ $nafl -eq 0 ] || figures afl AFL++ $t
	printf ' | findings %d\n' "$(count_findings)"
}

summary() {
	local n
	n=$(count_findings)
	echo
	echo "summary: $impl${san:+ (sanitized)}, $((SECONDS - t0)) s, $nlf libFuzzer and $nafl AFL++ processes"
	[ $nlf -eq 0 ] || echo "  $(figures libfuzzer libFuzzer $((SECONDS - t0)))"
	[ $nafl -eq 0 ] || echo "  $(figures afl AFL++ $((SECONDS - t0)))"
	echo "  corpus: $(find "$dir/corpus" -type f | wc -l) programs in $dir/corpus"
	if build/ptdiff stats --impl "$impl" "$dir/corpus" >"$dir/stats.txt" 2>/dev/null || [ -s "$dir/stats.txt" ]; then
		awk '$1 == "all" { all = $4 } $5 == "%" && $1 != "all" && $2 > 0 && (min == "" || $4 < min) { min = $4; op = $1 }
			END { printf "  effective on the corpus: %s %% of all ops; least %s with %s %%", all, op, min }' "$dir/stats.txt"
		echo " ($dir/stats.txt)"
	fi
	[ -z "$interrupted" ] || echo "  interrupted; everything is kept; go on with: $again"
	for f in "$dir"/findings/*/; do
		[ -d "$f" ] && echo "  finding: ${f%/}"
	done
	echo "$n findings, in $dir/findings"
	[ "$n" -eq 0 ] || return 77
}

stop_engines() {
	local e
	for e in "${!pid_of[@]}"; do kill -INT "${pid_of[$e]}" 2>/dev/null; done
	for e in "${!pid_of[@]}"; do
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			kill -0 "${pid_of[$e]}" 2>/dev/null || break
			sleep 0.3
		done
		kill -KILL "${pid_of[$e]}" 2>/dev/null
		wait "${pid_of[$e]}" 2>/dev/null
	done
}

interrupted='' failed='' full=''
trap 'interrupted=1' INT TERM
seed_corpus
distill
rm -f "$dir"/*.stats
for e in "$dir"/*.log; do [ ! -f "$e" ] || mv -f "$e" "$e.old"; done
echo "fuzzing $impl for $seconds s: $nlf libFuzzer, $nafl AFL++; corpus $(find "$dir/corpus" -type f | wc -l) programs; $dir"
t0=$SECONDS end=$((SECONDS + seconds))
for e in "$dir"/afl/*/; do [ ! -d "$e" ] || heal_afl "${e%/}"; done # before libFuzzer is told of them
for ((i = 0; i < nlf; i++)); do start libfuzzer-$i; done
for ((i = 0; i < nafl; i++)); do start afl-$i; done
tick=${FUZZ_STATUS:-5} next=$((SECONDS + tick))
while [ -z "$interrupted" ] && [ ${#pid_of[@]} -gt 0 ] && [ $SECONDS -lt $((end + 5)) ]; do
	sleep 1
	[ -z "$interrupted" ] || break
	revive
	file_findings
	probe
	if [ $SECONDS -ge $next ]; then
		status_line
		next=$((SECONDS + tick))
	fi
done
trap '' INT TERM
stop_engines
drop_empty
probe
file_findings
summary
status=$?
[ -z "$interrupted" ] || exit 130
[ -z "$full" ] || exit 74
[ -z "$failed" ] || [ $status -ne 0 ] || exit 1
exit $status
