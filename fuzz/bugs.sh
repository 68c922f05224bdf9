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
Usage: ./build.sh bugs [--seconds N] [--runs N] [--seed N] [--keep DIR] [NAME...]

  --seconds N   at most so long for each bug (default 60)
  --runs N      at most so many executions instead, with a fixed seed: the same result every time
  --seed N      libFuzzer's seed (default: another each time; with --runs 1)
  --keep DIR    copy each reproducer to DIR/planted-NAME-SIGNATURE/ (crashes/ was made so)

One line a bug, `NAME found SECONDS OPS SIGNATURE` or `NAME missed SECONDS`, then `N found, N missed`.
Reproducers and logs are in build/bugs/NAME/. Exit status: 0 all found, 1 some missed, 64 usage.
TXT
}

die() {
	local status=$1
	shift
	echo "bugs: $*" >&2
	exit "$status"
}

seconds=60 runs='' seed='' keep='' names=()
while [ $# -gt 0 ]; do
	case $1 in
	--seconds | --runs | --seed)
		[ $# -ge 2 ] || die 64 "$1: needs a value"
		[[ $2 =~ ^[0-9]+$ ]] || die 64 "$1 $2: not a number"
		declare "${1#--}=$2"
		shift
		;;
	--keep)
		[ $# -ge 2 ] || die 64 "$1: needs a value"
		keep=$2
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

# One bug: writes its result line to DIR/result.
hunt() { # NAME
	local d=$dir/$1 dropped limit raw note took ops sig why=
	rm -rf "$d"
	mkdir -p "$d"/{seeds,corpus,spool,findings}
	dropped=$(clean_seeds "$1" "$d")
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
	echo "$dropped" >"$d/dropped"
	[ -z "$keep" ] || keep_one "$1" "${note%/NOTE.md}"
}

keep_one() { # NAME FOLDER
	local to
	to=$keep/planted-$1-$(basename "$2")
	mkdir -p "$to" && cp "$2/input.pt" "$to/" && sed "s|$2|$to|g" "$2/NOTE.md" >"$to/NOTE.md"
}

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
	hunt "$n" &
	pids+=($!)
done
show_ready 0
echo "$found found, $missed missed"
[ $missed -eq 0 ]
