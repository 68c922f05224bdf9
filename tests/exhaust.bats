#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# `ptdiff exhaust` and `ptdiff export` as their users meet them. Property: 0 only when everything within the bounds was
# covered or the search says where it stopped; every line exported is a record that casemate's parser knows.

setup() {
	cd "$BATS_TEST_DIRNAME/.." || return
	ptdiff=build/ptdiff
	tmp=$BATS_TEST_TMPDIR
	cat >"$tmp/p.pt" <<'TXT'
ptdiff 1
cpus 2
set_ptes cpu=0 page=0.0 nr=4 write young
wrprotect_ptes cpu=0 page=0.1 nr=1
ptep_test_and_clear_young cpu=1 page=0.0
free_table cpu=0 page=0.0
set_ptes cpu=1 page=0.0 nr=1 folio=1
TXT
}

@test "exhaust: a clean core, with figures" {
	run $ptdiff exhaust --quiet --core base --ops 2 --events 0
	[ "$status" -eq 0 ]
	[[ $output == *"complete: no finding in any program of up to 2 records"* ]]
}

@test "exhaust: core full is clean to one op and one event under every header" {
	run $ptdiff exhaust --quiet --ops 1 --events 1
	[ "$status" -eq 0 ]
	[[ $output == *"complete: no finding in any program of up to 2 records"* ]]
}

@test "exhaust: a planted bug is found with its shortest program, 77, and run agrees" {
	run $ptdiff exhaust --quiet --bug convert-no-gather --core set_ptes --ops 3 --events 0
	[ "$status" -eq 77 ]
	[[ $output == *": 2 records, no program with fewer has a finding"* ]]
	printf '%s\n' "$output" | sed -n '/^ptdiff 1/,$p' >"$tmp/found.pt"
	run $ptdiff run --quiet --bug convert-no-gather "$tmp/found.pt"
	[ "$status" -eq 77 ]
}

@test "exhaust: stopped by a signal, goes on from its file, ends as the whole search" {
	run $ptdiff exhaust --quiet --core base --ops 2 --events 1 --headers dirty
	[ "$status" -eq 0 ]
	whole=$(grep -E '^(programs run|states)' <<<"$output")
	$ptdiff exhaust --quiet --core base --ops 2 --events 1 --headers dirty --resume "$tmp/state" &
	pid=$!
	sleep 0.05
	kill -INT $pid 2>/dev/null || true
	wait $pid
	run $ptdiff exhaust --quiet --core base --ops 2 --events 1 --headers dirty --resume "$tmp/state"
	[ "$status" -eq 0 ]
	[ "$(grep -E '^(programs run|states)' <<<"$output")" = "$whole" ]
}

@test "exhaust: a state file of another search, a bad number, core or header: one line" {
	echo rubbish >"$tmp/state"
	run $ptdiff exhaust --quiet --core base --ops 1 --resume "$tmp/state"
	[ "$status" -eq 65 ] && [ "${#lines[@]}" -eq 1 ]
	run $ptdiff exhaust --ops many
	[ "$status" -eq 64 ] && [ "${#lines[@]}" -eq 1 ]
	run $ptdiff exhaust --core nonsense
	[ "$status" -eq 64 ] && [ "${#lines[@]}" -eq 1 ]
	run $ptdiff exhaust --headers nonsense
	[ "$status" -eq 64 ] && [ "${#lines[@]}" -eq 1 ]
}

@test "exhaust --list names cores and headers" {
	run $ptdiff exhaust --list
	[ "$status" -eq 0 ]
	[[ $output == *contpte* && $output == *lazy-stale* ]]
}

hex='0x[0-9a-f]+'
is_record() {
	grep -Eqx "\(($1)( \(src \"[a-z_A-Z0-9]+:[0-9]+\"\))\)" <<<"$2"
}

@test "export: every line is a record of the format, ids count up, stores are under the lock" {
	$ptdiff export --format casemate "$tmp/p.pt" -o "$tmp/log" 2>/dev/null
	local n=0 line who='\(id [0-9]+\) \(tid [0-3]\)' forms
	forms="mem-write $who \(mem-order plain\) \(address $hex\) \(value $hex\)"
	forms+="|mem-(init|free) $who \(address $hex\) \(size $hex\)|mem-set $who \(address $hex\) \(size $hex\) \(value $hex\)"
	forms+="|sysreg-write $who \(sysreg [a-z0-9_]+_el2\) \(value $hex\)|hint $who \(kind set_(root_lock|owner_root)\) \(location $hex\) \(value $hex\)"
	forms+="|(lock|unlock) $who \(address $hex\)|barrier $who (isb|dsb \(kind (nsh|ish|ishst)\))"
	forms+="|tlbi $who (alle2|alle2is|(vae2is|vale2is) \(value $hex\))"
	while IFS= read -r line; do
		is_record "$forms" "$line" || { echo "$line" && false; }
		[[ $line == *"(id $n) "* ]]
		n=$((n + 1))
	done <"$tmp/log"
	[ "$n" -gt 60 ]
	awk '/^\(lock/ { l = 1 } /^\(unlock/ { l = 0 } /ttbr0/ { on = 1 } /^\(mem-write/ && on && !l { bad = 1 } END { exit bad }' "$tmp/log"
	grep -q mem-free "$tmp/log" && grep -q mem-set "$tmp/log"
}

@test "export: a granule that casemate does not know, and no format: 64" {
	printf 'ptdiff 1\ngeometry 16k\nset_ptes cpu=0 page=0.0 nr=1\n' >"$tmp/16.pt"
	run $ptdiff export --format casemate "$tmp/16.pt"
	[ "$status" -eq 64 ]
	run $ptdiff export "$tmp/p.pt"
	[ "$status" -eq 64 ]
}
