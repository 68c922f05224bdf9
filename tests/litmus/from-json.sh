#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# from-json.sh FILE.json DIR: litmus scenarios in JSON form to .litmus files, one each, in DIR/herd and DIR/rems.
#
# Property: nothing is decided here but notation. A verdict is taken over where its oracle is trusted; one that models
# dispute, or that an oracle did not give, becomes `unknown`. The older FEAT_ETS forbids less than FEAT_ETS2 and more
# than the base, so its Forbidden holds for ETS2 and its Allowed for the base.
#
# The file is an array of objects: name, oracle, source_path, relation, note, hw_update ("none", "HA", "HD", "HA HD"),
# init {pte: {page: descriptor}, mem: {Px: value}}, threads (arrays of instructions), condition, verdict and verdict_ets2
# ("Allowed", "Forbidden", null), final_states and final_states_ets2 (arrays of {observed: value}), bbm_required_flag.
# With verdict_ets instead of verdict_ets2 (REMS): init maps table entries of any level, and trust says "ok" or why not.
set -euo pipefail

[ $# -eq 2 ] || {
	echo "usage: from-json.sh FILE.json DIR" >&2
	exit 64
}
json=$1 out=$2
mkdir -p "$out/herd" "$out/rems"

# shellcheck disable=SC2016
program='
def words: gsub("invalid \\(was 2MB block\\)"; "none") | gsub("\\(never reachable\\)"; "") | gsub("2MB block"; "{oa:P1,block:1}")
	| gsub("pte3?\\(x in [a-z]+ table\\)"; "pte(x)") | gsub("pte3\\("; "pte(") | gsub("table\\([a-z]+\\)"; "table")
	| gsub(", writable"; "") | gsub(", read-only"; ",w:0") | gsub("\\binvalid\\b"; "none")
	| gsub("\\bvalid, non-global\\b|^valid$"; "{oa:Px}")
	| gsub("\\[x\\+4096\\]"; "[x+1]") | gsub("eret to EL0"; "eret") | gsub("svc \\(.*\\)"; "svc")
	| gsub(" +$"; "");
def step: if startswith("svc: handler does") then "svc", "dsb sy", "tlbi vae1 x", "dsb sy", "eret" else words end;
def question: gsub("(?<r>P[0-9]\\.r[0-9]) ?== ?content (of )?P(?<n>[0-9])"; "\(.r)==\(.n)") | gsub("^final "; "")
	| gsub("^r0 ok"; "P1.r0==1") | gsub("fault\\(A\\) at level (?<n>[0-9])"; "fault(A) && level(A)==\(.n)");
def value: if . == false then "no" elif . == "AccessFlag" then "AF" else tostring end;
def state: to_entries | map("\(.key)=\(.value | value)") | join(" ");
def upd: {"none": "none", "HA": "af", "HD": "dirty", "HA HD": "dirty"}[.];
def rems: has("verdict_ets");
def trusted: (.trust // "ok") as $t | $t == "ok" or ($t | startswith("models differ under ETS"));
def low: if . == null then "unknown" else ascii_downcase end;
def base: if rems and (trusted | not) then "unknown"
	elif .verdict == null and .verdict_ets == "Allowed" then "allowed" else .verdict | low end;
def ets2: if (rems | not) then .verdict_ets2 | low elif trusted and .verdict_ets == "Forbidden" then "forbidden"
	else "unknown" end;
def ptes: if .init.pte then .init.pte | to_entries | map("pte(\(.key)) = \(.value)")
	else .init | to_entries | map(select(.key != "current ASID"))
		| map((if .key | startswith("pte") then .key else "pte(\(.key))" end | words) + " = " + (.value | words)) end;
def mems: (.init.mem // {} | to_entries | map("mem(\(.key)) = \(.value)"))
	+ (if rems and (.condition | test("content|r0 ok")) then ["mem(P1) = 1", "mem(P2) = 2"] else [] end);
def finals: (.final_states // []) as $b | (.final_states_ets2 // []) as $e
	| ($b | map(. as $s | "final " + (if $e | index([$s]) then "" else "base " end) + state))
	+ ($e | map(. as $s | select($b | index([$s]) | not) | "final ets2 " + state));
.[] | "@@ \(if rems then "rems" else "herd" end)/\(.name).litmus",
"# SPDX-License-Identifier: GPL-2.0-only",
"test \(.name)",
(if .note != "" then "note \(.note)" else empty end),
"source \(.source_path)",
((.verdict_source // [])[] | "source \(.)"),
"relation \(.relation)",
"oracle \(if rems then "REMS isla" else .oracle end)",
"update \(.hw_update | upd)",
ptes[], mems[],
(.threads | to_entries[] | "P\(.key):", (.value[] | step | "\t" + .)),
"ask \(.condition | question)",
"expect \(base)" + (if base == ets2 then "" else " ets2 \(ets2)" end),
(if .bbm_required_flag == null then empty else "bbm \(if .bbm_required_flag then "yes" else "no" end)" end),
finals[]'

jq -r "$program" "$json" | awk -v out="$out" '
	$1 == "@@" { if (file) close(file); file = out "/" $2; n++; printf "" >file; next }
	{ print >>file }
	END { print n " scenarios" }'
