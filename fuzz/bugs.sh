#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Is each planted bug found, how fast, and how short is its reproducer?
#
# Property: the seeds do not give the answer away: those that already show the bug are dropped first. "found"
# means an expected signature, a 1-minimal reproducer, the same signature in ten replays of ten, and agreement
# of the same program with the bug off.
# Run through ./build.sh bugs, from the top of the repository.
set -uo pipefail

usage() {
	cat <<'TXT'
Usage: ./build.sh bugs [--seconds N] [--runs N] [--seed N] [--runs-per-bug N] [--keep DIR] [NAME...]
       ./build.sh bugs --refile DIR

  --seconds N   at most so long for each bug (default 60)
  --runs N      at most so many executions instead, with a fixed seed: the same result every time
  --seed N      libFuzzer's seed (default: another each time; with --runs 1)
  --runs-per-bug N
                hunt each bug N times with seeds of their own (default 1): SECONDS and OPS are medians, and a bug
                is found only if each hunt finds it
  --keep DIR    copy each reproducer to DIR/planted-NAME-SIGNATURE/ (crashes/ was made so)
  --refile DIR  no hunt: minimize and replay what --keep left in DIR again, and write it anew where its signature
                is still the same (after a change of the tool or of what it tests)

One line a bug, `NAME found SECONDS OPS SIGNATURE` or `NAME missed SECONDS`, then `N found, N missed`. With several
hunts the range of SECONDS follows in brackets.
Reproducers and logs are in build/bugs/NAME/. Exit status: 0 all found, 1 some missed, 64 usage.
TXT
}

die() {
	local status=$1
	shift
	echo "bugs: $*" >&2
	exit "$status"
}

seconds=60 runs='' seed='' keep='' refile='' runs_per_bug=1 names=()
while [ $# -gt 0 ]; do
	case $1 in
	--seconds | --runs | --seed | --runs-per-bug)
		[ $# -ge 2 ] || die 64 "$1: needs a value"
		[[ $2 =~ ^[0-9]+$ ]] || die 64 "$1 $2: not a number"
		name=${1#--}
		declare "${name//-/_}=$2"
		shift
		;;
	--keep | --refile)
		[ $# -ge 2 ] || die 64 "$1: needs a value"
		declare "${1#--}=$2"
		shift
		;;
	--help | -h)
		usage
		exit 0
		;;
	-*) die 64 "$1: unknown option; ./build.sh bugs --help lists them" ;;
	*) names+=("$1") ;;
	esac
	shift
done
[ "$runs_per_bug" -ge 1 ] || die 64 "--runs-per-bug $runs_per_bug: at least 1"
mapfile -t all < <(build/ptdiff bugs --quiet)
for n in "${names[@]}"; do
	printf '%s\n' "${all[@]}" | grep -qxF -- "$n" || die 64 "$n: no such bug; build/ptdiff bugs lists them"
done
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")
dir=build/bugs
mkdir -p "$dir" 2>/dev/null || die 74 "$dir: cannot create the folder"
[ -z "$runs" ] || seed=${seed:-1}

# Fills DIR/seeds with the committed corpus less what shows the bug; prints how many were dropped.
clean_seeds() { # NAME DIR
	local f dropped=0 verdict
	local -A shows=()
	while IFS= read -r verdict; do
		shows[${verdict%%: *}]=1
	done < <(find corpus -name '*.pt' -print0 | sort -z |
		xargs -0r build/ptdiff-bugs run --quiet --bug "$1" 2>/dev/null | grep -v '^ ' | grep -v ': agrees (')
	while IFS= read -r f; do
		if [ -n "${shows[$f]:-}" ]; then
			dropped=$((dropped + 1))
		else
			build/ptdiff asm "$f" -o "$2/seeds/${f//\//-}" 2>/dev/null
		fi
	done < <(find corpus -name '*.pt' | sort)
	echo $dropped
}

impl_of() { # NAME: the implementation that has it
	build/ptdiff bugs | awk -v name="$1" '$0 == name { here = 1 } here && $1 == "in" { sub(";", "", $2); print $2; exit }'
}

# One hunt: writes its result line to DIR/result.
hunt() { # NAME DIR SEED
	local d=$2 seed=$3 dropped limit raw note took ops sig why=
	rm -rf "$d"
	mkdir -p "$d"/{seeds,corpus,spool,findings}
	dropped=$(clean_seeds "$1" "$d")
	echo "$dropped" >"$d/dropped"
	if [ -n "$runs" ]; then limit=-runs=$runs; else limit=-max_total_time=$seconds; fi
	PTDIFF_BUG=$1 PTDIFF_SPOOL=$d/spool PTDIFF_STATS=$d/stats build/fuzz-bugs "$d/corpus" "$d/seeds" "$limit" \
		${seed:+-seed=$seed} -max_len=528 -len_control=0 -use_counters=0 -timeout=20 -artifact_prefix="$d/" >"$d/log" 2>&1
	local status=$?
	took=$(awk '{ printf "%.1f", $6 }' "$d/stats" 2>/dev/null)
	if [ $status -ne 77 ]; then
		[ $status -eq 0 ] || tail -n 2 "$d/log" >&2
		echo "$1 missed ${took:-0}" >"$d/result"
		return
	fi
	# The last signature reported is the expected one.
	sig=$(sed -n 's/^DEDUP_TOKEN: //p' "$d/log" | tail -n 1)
	raw=$d/spool/${sig//\//-}.bin
	note=$d/findings/${sig//\//-}/NOTE.md
	build/ptdiff-bugs save --bug "$1" -o "$d/findings" "$raw" >>"$d/log" 2>&1 || why="cannot be filed"
	grep -q '1-minimal: yes' "$note" || why="not 1-minimal"
	grep -q 'Replay: 10 of 10' "$note" || why="not the same in ten replays"
	build/ptdiff run --quiet --impl "$(impl_of "$1")" "${note%NOTE.md}input.pt" >>"$d/log" 2>&1 || why="also without the bug"
	if [ -n "$why" ]; then
		echo "$1 missed $took ($sig: $why; $note)" >"$d/result"
		return
	fi
	ops=$(sed -n 's/^- Size: \([0-9]*\) ops.*/\1/p' "$note")
	echo "$1 found $took $ops $sig" >"$d/result"
	[ -z "$keep" ] || keep_one "$1" "${note%/NOTE.md}"
}

keep_one() { # NAME FOLDER
	local to
	to=$keep/planted-$1-$(basename "$2")
	mkdir -p "$to" && cp "$2/input.pt" "$to/" && sed "s|$2|$to|g" "$2/NOTE.md" >"$to/NOTE.md"
}

# All hunts of one bug, summed up in its folder.
hunt_all() { # NAME
	local i d=$dir/$1 n=$runs_per_bug
	rm -rf "$d"
	for ((i = 1; i <= n; i++)); do
		if [ "$n" -eq 1 ]; then hunt "$1" "$d" "$seed"; else hunt "$1" "$d/$i" "${seed:+$((seed + i - 1))}"; fi
	done
	[ "$n" -gt 1 ] || return
	cat "$d"/*/result >"$d/results"
	cp "$d/1/dropped" "$d/"
	if grep ' missed ' "$d/results" | head -n 1 >"$d/result" && [ -s "$d/result" ]; then return; fi
	# Median of seconds and of ops; the signature that came most often.
	awk -v n="$n" -v name="$1" '
		function median(a, i, j, t) {
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && a[j - 1] > a[j]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
			return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
		}
		{ s[NR] = $3 + 0; o[NR] = $4 + 0; if (++c[$5] > c[sig]) sig = $5 }
		END {
			m = median(s)
			printf "%s found %.1f %g %s [%.1f..%.1f of %d]\n", name, m, median(o), sig, s[1], s[n], n
		}' "$d/results" >"$d/result"
}

# A filed reproducer again, by the tool as it is now.
refile_one() { # FOLDER
	local bug to=$dir/refile sig
	bug=$(sed -n 's/^- Bug: //p' "$1/NOTE.md")
	[ "$bug" != "none planted" ] || return 0
	rm -rf "$to"
	build/ptdiff-bugs save --bug "$bug" -o "$to" "$1/input.pt" >"$dir/refile.log" 2>&1
	sig=$(basename "$1")
	sig=${sig#"planted-$bug-"}
	if [ ! -d "$to/$sig" ]; then # the minimizer files what it meets on the way, too
		echo "$1: no longer that ($dir/refile.log)"
		return 1
	fi
	keep=$(dirname "$1") keep_one "$bug" "$to/$sig"
}

if [ -n "$refile" ]; then
	status=0
	for f in "$refile"/planted-*/; do refile_one "${f%/}" || status=1; done
	exit $status
fi

# Two at a time on two cores; results in the catalogue's order as they come.
jobs=$(nproc)
declare -a pids=()
shown=0 found=0 missed=0
show_ready() { # MINIMUM number of running jobs that may remain
	while [ $shown -lt ${#pids[@]} ] && [ $((${#pids[@]} - shown)) -gt "$1" ]; do
		wait "${pids[$shown]}"
		local n=${names[$shown]}
		cat "$dir/$n/result" || echo "$n missed 0"
		if grep -q "^$n found " "$dir/$n/result"; then found=$((found + 1)); else missed=$((missed + 1)); fi
		[ ! -s "$dir/$n/dropped" ] || [ "$(cat "$dir/$n/dropped")" = 0 ] ||
			echo "  ($(cat "$dir/$n/dropped") seeds that show it were dropped)"
		shown=$((shown + 1))
	done
}
trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM
for n in "${names[@]}"; do
	show_ready $((jobs - 1))
	hunt_all "$n" &
	pids+=($!)
done
show_ready 0
echo "$found found, $missed missed"
[ $missed -eq 0 ]
