#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# Recording and distilling. Property: whatever ends a recording, its programs are kept and nothing else stays; each
# failure is one line with its exit status (docs/exit-status.md); distilling loses no feature.

setup() {
	cd "$BATS_TEST_DIRNAME/.." || return
	ptdiff=$PWD/build/ptdiff
	[ -z "${PTDIFF:-}" ] || ptdiff=$PTDIFF
	tmp=$BATS_TEST_TMPDIR
	export TMPDIR=$tmp/tmp
	mkdir -p "$TMPDIR"
}

teardown() {
	[ -z "$(ls "$TMPDIR")" ] # no FIFO is left behind
}

need() {
	command -v "$1" >/dev/null || skip "no $1"
}

one_line() {
	[ "${#lines[@]}" -eq 1 ]
}

can_trace() {
	need strace
	strace -o /dev/null true 2>/dev/null || skip "tracing is not allowed here"
}

@test "record: programs that agree; the command's status is told and is no failure" {
	can_trace
	run $ptdiff record -o "$tmp/d" -- sh -c 'sort /etc/passwd >/dev/null; exit 3'
	[ "$status" -eq 0 ]
	[[ $output == *"exit status 3"* ]]
	[ -s "$tmp/d/sh-001.pt" ]
	run $ptdiff run --quiet "$tmp"/d/*.pt
	[ "$status" -eq 0 ]
}

@test "record --accesses: through a pipe, programs that agree" {
	need valgrind
	run $ptdiff record --accesses -o "$tmp/d" -- true
	[ "$status" -eq 0 ]
	[ -s "$tmp/d/true-001.pt" ]
	grep -q '^# lackey of true, lines' "$tmp/d/true-001.pt"
	run $ptdiff stats --check "$tmp/d"
	[ "$status" -eq 0 ]
}

@test "record: Ctrl-C ends the command and keeps what was traced" {
	can_trace
	run timeout -s INT 2 $ptdiff record -o "$tmp/d" -- sh -c 'sort /etc/passwd >/dev/null; sleep 60'
	[[ $output == *"interrupted: this is what was traced until then"* ]]
	[ -s "$tmp/d/sh-001.pt" ]
}

@test "record: SIGTERM alone ends a command that ignores it, and keeps what was traced" {
	can_trace
	$ptdiff record -o "$tmp/d" -- sh -c 'trap "" INT TERM; sort /etc/passwd; sleep 60; sleep 60' >"$tmp/log" 2>&1 3>&- &
	pid=$!
	sleep 1.5
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	[ "$status" -eq 0 ]
	grep -q interrupted "$tmp/log"
	[ -s "$tmp/d/sh-001.pt" ]
}

@test "record: missing tracer 69 with its package, missing command 65, no folder 64, unwritable 74" {
	PATH=/nonexistent run "$ptdiff" record -o "$tmp/d" -- /bin/true
	[ "$status" -eq 69 ] && one_line
	[[ $output == *"apt-get install -y --no-install-recommends strace"* ]]
	PATH=/nonexistent run "$ptdiff" record -a -o "$tmp/d" -- /bin/true
	[ "$status" -eq 69 ] && one_line
	[[ $output == *"valgrind" ]]
	need strace
	run $ptdiff record -o "$tmp/d" -- no-such-command
	[ "$status" -eq 65 ] && one_line
	run $ptdiff record -- true
	[ "$status" -eq 64 ] && one_line
	: >"$tmp/file"
	run $ptdiff record -o "$tmp/file/d" -- true
	[ "$status" -eq 74 ] && one_line
}

@test "record: a full disk is one line, 74, and leaves no half program" {
	can_trace
	# A limit of no bytes a file stands for it.
	run bash -c "trap '' XFSZ; ulimit -f 0; $ptdiff record -o $tmp/d -- sort /etc/passwd 2>&1 >/dev/null"
	[ "$status" -eq 74 ] && one_line
	[[ $output == *"cannot write: File too large"* ]]
	[ -z "$(ls "$tmp/d")" ]
}

@test "distill: keeps every feature, names what it drops, deletes nothing" {
	mkdir "$tmp/c"
	cp corpus/strace-sort/*.pt "$tmp/c"
	for f in corpus/strace-sort/*.pt; do cp "$f" "$tmp/c/twice-${f##*/}"; done
	n=$(ls "$tmp/c" | wc -l)
	run $ptdiff distill "$tmp/c" -o "$tmp/out"
	[ "$status" -eq 0 ]
	kept=$(ls "$tmp/out" | wc -l)
	[ "$kept" -ge 1 ] && [ "$kept" -le $((n / 2)) ]
	[ "$(ls "$tmp/c" | wc -l)" -eq "$n" ]
	[ "$(grep -c '^drop ' <<<"$output")" -eq $((n - kept)) ]
	all=$(sed -n 's/.* \([0-9]*\) features .*/\1/p' <<<"$output")
	run $ptdiff distill --quiet "$tmp/out"
	[[ $output == "$kept of $kept programs kept"*" $all features "* ]]
	[ "${#lines[@]}" -eq 1 ]
}

@test "distill: missing folder, folder without programs 65; unwritable 74" {
	run $ptdiff distill "$tmp/missing"
	[ "$status" -eq 65 ] && one_line
	mkdir "$tmp/empty"
	run $ptdiff distill "$tmp/empty"
	[ "$status" -eq 65 ] && one_line
	: >"$tmp/file"
	run $ptdiff distill corpus/strace-sort -o "$tmp/file/d"
	[ "$status" -eq 74 ] && one_line
	run bash -c "trap '' XFSZ; ulimit -f 0; $ptdiff distill corpus/strace-sort -q -o $tmp/full 2>&1 >/dev/null"
	[ "$status" -eq 74 ] && one_line
	[ -z "$(ls "$tmp/full")" ]
}
