#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# `ptdiff hazards`. Property: correct callers have no place; each planted place is listed once, with who sets and who
# reads; an implementation that queues nothing is refused.

setup() {
	cd "$BATS_TEST_DIRNAME/.." || return
}

@test "correct callers: no place on the whole corpus" {
	run build/ptdiff hazards corpus
	[ "$status" -eq 0 ]
	[[ ${lines[-1]} == "0 places in "* ]]
}

@test "each planted hazard is found, at its place and nowhere else" {
	local row bug set read
	for row in "hazard-fork-exclusive restore_exclusive_pte copy_present" "hazard-protect-reread change_batch change_batch" \
		"hazard-move-verify move_one move_one" "hazard-zap-marker zap_entries zap_entries"; do
		read -r bug set read <<<"$row"
		run build/ptdiff-bugs hazards --bug "$bug" corpus
		[ "$status" -eq 77 ]
		for line in "${lines[@]::${#lines[@]}-1}"; do
			[[ $line == *" $set ("*" sets, $read ("*" reads" ]]
		done
	done
}

@test "all of them at once: every place once" {
	run build/ptdiff-bugs hazards --bug hazard-everywhere corpus
	[ "$status" -eq 77 ]
	[ "$(printf '%s\n' "${lines[@]}" | grep ' sets, ' | sed 's/^ *[0-9]*//' | sort | uniq -d | wc -l)" -eq 0 ]
	for fn in copy_present change_batch move_one zap_entries; do
		[[ $output == *"$fn ("*") reads"* ]]
	done
}

@test "an implementation that queues no stores: 64 and a line that says what to do" {
	run build/ptdiff hazards --impl opt corpus
	[ "$status" -eq 64 ]
	[[ $output == *deferred* ]]
}
