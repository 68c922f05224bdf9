#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# The command line as its users meet it. Property: every failure is a clear line with the documented exit status
# (docs/exit-status.md), and nothing that was found or converted gets lost.

setup() {
	cd "$BATS_TEST_DIRNAME/.." || return
	ptdiff=build/ptdiff
	tmp=$BATS_TEST_TMPDIR
	printf 'ptdiff 1\ngeometry small\n' >"$tmp/empty.pt"
}

# First committed reproducer of a planted bug: its folder, bug and signature.
golden() {
	local d
	for d in crashes/*/; do
		[ -f "$d/NOTE.md" ] || continue
		bug=$(sed -n 's/^- Bug: *//p' "$d/NOTE.md" | tr -d '`')
		sig=$(sed -n 's/^- Signature: *//p' "$d/NOTE.md" | tr -d '`')
		crash=${d%/}/input.pt
		[ "$bug" = "none planted" ] || return 0
	done
	skip "no reproducer in crashes/"
}

one_line() { # the output is one line
	[ "${#lines[@]}" -eq 1 ]
}

@test "no command, unknown command: one line, 64" {
	run $ptdiff
	[ "$status" -eq 64 ] && one_line
	run $ptdiff frobnicate
	[ "$status" -eq 64 ] && one_line
	[[ $output == *frobnicate* ]]
}

@test "unknown option, missing argument: 64, and the line names it" {
	run $ptdiff run --frobnicate x
	[ "$status" -eq 64 ]
	[[ ${lines[0]} == *--frobnicate* ]]
	run $ptdiff run
	[ "$status" -eq 64 ]
	run $ptdiff min "$tmp/empty.pt"
	[ "$status" -eq 64 ] && one_line
}

@test "every listed command has --help" {
	run $ptdiff --help
	[ "$status" -eq 0 ]
	for c in $($ptdiff --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
		run $ptdiff "$c" --help
		[ "$status" -eq 0 ]
		[[ $output == *"ptdiff $c"* ]]
	done
}

@test "unknown implementation or bug: one line, 64" {
	run $ptdiff run --impl nonesuch "$tmp/empty.pt"
	[ "$status" -eq 64 ] && one_line
	[[ $output == *nonesuch* ]]
	run $ptdiff run --bug nonesuch "$tmp/empty.pt"
	[ "$status" -eq 64 ] && one_line
}

@test "an empty program agrees; any bytes are a program" {
	run $ptdiff run "$tmp/empty.pt" /dev/null
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == *": agrees (0 ops"* ]]
	head -c 500 build/ptdiff >"$tmp/bytes"
	run $ptdiff run --quiet "$tmp/bytes"
	[ "$status" -eq 0 ] || [ "$status" -eq 77 ]
}

@test "malformed text: one line with file and line, 65" {
	printf 'ptdiff 1\ngeometry small\nfrobnicate 0.0\n' >"$tmp/bad.pt"
	run $ptdiff run "$tmp/bad.pt"
	[ "$status" -eq 65 ] && one_line
	[[ $output == *"bad.pt:3:"* ]]
	run $ptdiff asm "$tmp/bad.pt" -o "$tmp/out"
	[ "$status" -eq 65 ] && one_line
}

@test "a missing file among good ones: the worst status, all verdicts" {
	run $ptdiff run "$tmp/missing.pt" "$tmp/empty.pt"
	[ "$status" -eq 65 ]
	[[ $output == *missing.pt* ]] && [[ $output == *"empty.pt: agrees"* ]]
}

@test "asm and show are inverse" {
	local f
	for f in "$tmp/empty.pt" $(find corpus crashes -name '*.pt' | sort | head -n 20); do
		$ptdiff asm "$f" -o "$tmp/b"
		$ptdiff show "$f" -o "$tmp/t1.pt"
		$ptdiff show "$tmp/b" >"$tmp/t2.pt"
		cmp "$tmp/t1.pt" "$tmp/t2.pt"
	done
}

@test "output that cannot be written: one line, 74" {
	run bash -c "$ptdiff ops >/dev/full"
	[ "$status" -eq 74 ] && one_line
	run $ptdiff show "$tmp/empty.pt" -o "$tmp/no/such/folder.pt"
	[ "$status" -eq 74 ] && one_line
	run $ptdiff asm "$tmp/empty.pt" -o /dev/full
	[ "$status" -eq 74 ]
}

@test "a planted bug runs in the sibling binary: 77, drawn, first difference marked" {
	golden
	run $ptdiff run --bug "$bug" "$crash"
	[ "$status" -eq 77 ]
	[[ $output == *"$crash: $sig ("* ]] && [[ $output == *">>>"* ]]
	run $ptdiff run --quiet --bug "$bug" "$crash"
	[ "$status" -eq 77 ]
	[ "${#lines[@]}" -le 2 ]
}

@test "a divergence about tables draws them, in 16 lines at most; one about numbers does not" {
	local f=crashes/planted-unfold-no-flush-bbm-contpte_convert-cont-change/input.pt
	run $ptdiff run --bug unfold-no-flush "$f"
	[ "$status" -eq 77 ]
	[[ $output == *"tables at this step:"* ]]
	[[ $output == *"(0.0) page pfn 0x1000 r-- AF   <-- stored by cpu0"* ]]
	[[ $output == *"TLB of cpu0: [8..11] pages pfn 0x1000..0x1003 r-- AF CONT"* ]]
	[ "$(sed -n '/tables at this step/,/^[^ ]/p' <<<"$output" | wc -l)" -le 18 ]
	run $ptdiff run --bug lockless-no-recheck crashes/planted-lockless-no-recheck-*/input.pt
	[[ $output != *"tables at this step:"* ]]
}

@test "--tables draws all tables of an agreeing program at its end, the same each time" {
	run $ptdiff run --tables corpus/hand/split-levels.pt
	[ "$status" -eq 0 ]
	[[ $output == *"user tables: table 1"* && $output == *"kernel tables: table 5"* && $output == *"identity map"* ]]
	[[ $output == *"(pud) blocks 64K pfn 0x540..0x5ff rw- DBM AF CONT"* ]]
	local first=$output
	run $ptdiff run --tables corpus/hand/split-levels.pt
	[ "$output" = "$first" ]
	run $ptdiff run corpus/hand/split-levels.pt
	one_line
}

@test "min keeps the signature and does not grow; an agreeing program is refused" {
	golden
	run $ptdiff min --bug "$bug" "$crash" -o "$tmp/min.pt"
	[ "$status" -eq 0 ]
	[[ $output == *"$sig"* ]]
	[ "$(wc -l <"$tmp/min.pt")" -le "$(grep -vc '^#' "$crash")" ]
	run $ptdiff min "$crash" -o "$tmp/none.pt"
	[ "$status" -eq 65 ] && one_line
	[ ! -e "$tmp/none.pt" ]
}

@test "save files a finding once; into an unwritable folder it prints the program, 74" {
	golden
	run $ptdiff save --bug "$bug" -o "$tmp/found" "$crash"
	[ "$status" -eq 0 ]
	[[ $output == *": new"* ]]
	[ -s "$tmp/found/${sig//\//-}/input.pt" ]
	grep -q 'Replay: 10 of 10' "$tmp/found/${sig//\//-}/NOTE.md"
	run $ptdiff save --bug "$bug" -o "$tmp/found" "$crash"
	[[ $output == *": known"* ]]
	: >"$tmp/file"
	run $ptdiff save --bug "$bug" -o "$tmp/file" "$crash"
	[ "$status" -eq 74 ]
	[[ $output == *"here it is"* ]] && [[ $output == *ptdiff* ]]
}

@test "an engine that cannot write a finding prints it and goes on" {
	golden
	$ptdiff asm "$crash" -o "$tmp/crash.bin"
	PTDIFF_BUG=$bug PTDIFF_SPOOL=$tmp/nowhere run build/fuzz-bugs "$tmp/crash.bin"
	[[ $output == *"DEDUP_TOKEN: $sig"* ]] && [[ $output == *"here it is"* ]]
}

@test "without a spool folder a finding aborts after its token (OSS-Fuzz)" {
	golden
	PTDIFF_BUG=$bug run build/fuzz-bugs -artifact_prefix="$tmp/" "$crash"
	[ "$status" -ne 0 ]
	[[ $output == *"DEDUP_TOKEN: $sig"* ]]
}

@test "import: unknown lines are counted, a truncated trace keeps what it gave" {
	printf 'mmap(NULL, 65536, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000\nnonsense\n' >"$tmp/log"
	run $ptdiff import strace "$tmp/log" -o "$tmp/got"
	[ "$status" -eq 0 ]
	[[ $output == *"1 skipped"* ]]
	for _ in $(seq 300); do cat "$tmp/log"; done | gzip >"$tmp/log.gz"
	head -c 100 "$tmp/log.gz" >"$tmp/cut.gz"
	run $ptdiff import strace "$tmp/cut.gz" -o "$tmp/cut"
	[ "$status" -eq 65 ]
	[[ $output == *cut.gz* ]]
}

@test "import: missing trace 65, unwritable folder 74, unknown kind 64" {
	run $ptdiff import strace "$tmp/missing" -o "$tmp/x"
	[ "$status" -eq 65 ] && one_line
	run $ptdiff import perf "$tmp/empty.pt" -o "$tmp/x"
	[ "$status" -eq 64 ] && one_line
	printf 'mmap(NULL, 65536, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000\n' >"$tmp/log"
	run $ptdiff import strace "$tmp/log" -o "$tmp/log/x"
	[ "$status" -eq 74 ] && one_line
}

@test "stats: a table with every op" {
	mkdir "$tmp/d" && cp "$tmp/empty.pt" "$tmp/d"
	run $ptdiff stats "$tmp/d"
	[ "$status" -eq 0 ]
	[[ $output == *set_ptes* ]] && [[ $output == *"1 programs"* ]]
	run $ptdiff stats "$tmp/missing"
	[ "$status" -eq 65 ] && one_line
}

@test "build.sh: unknown verb one line, 64; help 0" {
	run ./build.sh frobnicate
	[ "$status" -eq 64 ] && one_line
	run ./build.sh help
	[ "$status" -eq 0 ]
	run fuzz/campaign.sh --frobnicate
	[ "$status" -eq 64 ] && one_line
	run fuzz/bugs.sh nonesuch
	[ "$status" -eq 64 ] && one_line
}

@test "campaign: status lines, summary, last line, status 0" {
	FUZZ_STATUS=2 run fuzz/campaign.sh --seconds 6 --dir "$tmp/c"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"execs"*"k/s cov"*"state"*"effective"*"findings 0"* ]]
	[ "${lines[-1]}" = "0 findings, in $tmp/c/findings" ]
	for p in $(pgrep -x fuzz-afl); do # no process stays behind
		[[ $(readlink "/proc/$p/fd/0") != "$tmp"/* ]]
	done
}

@test "campaign: Ctrl-C keeps everything and says how to go on" {
	# A script's background job would ignore SIGINT; TERM takes the same path.
	fuzz/campaign.sh --seconds 60 --dir "$tmp/c" >"$tmp/log" 2>&1 3>&- &
	pid=$!
	sleep 6
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	cat "$tmp/log"
	[ "$status" -eq 130 ]
	grep -q "go on with: ./build.sh fuzz --seconds 60 --dir $tmp/c" "$tmp/log"
	[ "$(find "$tmp/c/corpus" -type f | wc -l)" -gt 5 ]
	[[ "$(tail -n 1 "$tmp/log")" == *"findings, in $tmp/c/findings" ]]
}

@test "campaign: an unwritable folder is one line, 74" {
	: >"$tmp/file"
	run fuzz/campaign.sh --seconds 5 --dir "$tmp/file/c"
	[ "$status" -eq 74 ] && one_line
}

# A small file system of its own at $tmp/m; the test that has one unmounts it.
small_disk() { # SIZE
	mkdir -p "$tmp/m"
	mount -t tmpfs -o size="$1" none "$tmp/m" 2>/dev/null || skip "mounting is not permitted here"
}

teardown() {
	! mountpoint -q "$tmp/m" || umount -l "$tmp/m"
}

@test "campaign: a disk that fills in the middle: it goes on and says so, nothing written before is lost, 74" {
	small_disk 24m
	FUZZ_STATUS=1 fuzz/campaign.sh --seconds 12 --dir "$tmp/m/c" >"$tmp/log" 2>&1 3>&- &
	pid=$!
	for _ in $(seq 60); do # until the engines run
		sleep 0.5
		[ "$(find "$tmp/m/c/corpus" -type f 2>/dev/null | wc -l)" -lt 250 ] || break
	done
	dd if=/dev/zero of="$tmp/m/fill" bs=4k 2>/dev/null || true
	sleep 0.5 # what was under way ends
	execs=$(grep -c execs "$tmp/log" || true)
	mkdir "$tmp/before" # empty files hold nothing, and come and go
	find "$tmp/m/c/corpus" -ignore_readdir_race -type f -size +0 -exec cp -t "$tmp/before" {} +
	status=0
	wait $pid || status=$?
	cat "$tmp/log"
	[ "$status" -eq 74 ]
	[ "$(grep -c 'disk full?' "$tmp/log")" -eq 1 ]
	[ "$(grep -c execs "$tmp/log")" -gt $((execs + 3)) ]
	! grep -q 'ended with status' "$tmp/log"
	for f in "$tmp"/before/*; do
		cmp "$f" "$tmp/m/c/corpus/${f##*/}"
	done
	[ "$(find "$tmp/m/c/corpus" -type f -size 0 | wc -l)" -eq 0 ]
	rm "$tmp/m/fill"
	run fuzz/campaign.sh --seconds 4 --dir "$tmp/m/c" # the same command goes on
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "campaign: a finding made on a full disk is printed" {
	small_disk 8m
	# A tree whose engine has a planted bug, and fills the disk when it starts.
	mkdir -p "$tmp/tree/build"
	ln -s "$PWD/fuzz" "$PWD/corpus" "$tmp/tree/"
	ln -s "$PWD/build/ptdiff" "$tmp/tree/build/"
	printf '#!/bin/sh\ndd if=/dev/zero of=%s bs=4k 2>/dev/null\nexec %s "$@"\n' "$tmp/m/fill" "$PWD/build/fuzz-bugs" \
		>"$tmp/tree/build/fuzz-libfuzzer"
	chmod +x "$tmp/tree/build/fuzz-libfuzzer"
	cd "$tmp/tree" || return
	PTDIFF_BUG=fold-misaligned run fuzz/campaign.sh --engine libfuzzer --seconds 6 --dir "$tmp/m/c"
	echo "$output"
	[ "$status" -eq 74 ]
	[[ $output == *"here it is"* ]] && [[ $output == *"set_ptes cpu="* ]]
}

@test "bisect wrapper: 0 and 77 pass, the rest is 125" {
	golden
	run fuzz/bisect-run.sh "$tmp/empty.pt"
	[ "$status" -eq 0 ]
	run fuzz/bisect-run.sh --bug "$bug" "$crash"
	[ "$status" -eq 77 ]
	run fuzz/bisect-run.sh "$tmp/missing.pt"
	[ "$status" -eq 125 ]
}
