#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# plant.sh NAME LINUX_DIR OUT_DIR: a copy of the parts of LINUX_DIR that build.sh needs, in OUT_DIR, with one
# historical mistake put back into the kernel's own source.
#
# Property: the tree given is not touched; each edit is asserted, so a tree in which the place has moved
# fails with one line (65). The mistakes are public history; the edits are our own words for them.
#
#	access-flags-gathered-noop  before 97c5550b7631: the "nothing to do" test of contpte_ptep_set_access_flags() looks at
#				    gathered A/D, so a walker that evaluates each descriptor faults for ever
#	young-dirty-range	    as 89e86854fb0a was: contpte_clear_young_dirty_ptes() takes pages for bytes
#	convert-no-flush	    contpte_convert() without its TLBI, on hardware that needs it
set -eu

die() {
	status=$1
	shift
	echo "impl/linux/plant.sh: $*" >&2
	exit "$status"
}

[ $# -eq 3 ] || die 64 "usage: plant.sh access-flags-gathered-noop|young-dirty-range|convert-no-flush LINUX_DIR OUT_DIR"
name=$1 from=$2 to=$3
[ -f "$from/arch/arm64/mm/contpte.c" ] || die 65 "$from/arch/arm64/mm/contpte.c: missing (is this an arm64 Linux tree?)"
mkdir -p "$to/arch/arm64/mm" || die 74 "$to: cannot be written"
cp -r "$from/arch/arm64/include" "$to/arch/arm64/"
cp -r "$from/include" "$from/Makefile" "$to/"
cp "$from"/arch/arm64/mm/*.c "$to/arch/arm64/mm/"
mkdir -p "$to/mm"
cp "$from"/mm/pgtable-generic.c "$to/mm/"
c=$to/arch/arm64/mm/contpte.c

# edit SED-SCRIPT: must change the file
edit() {
	sed -E "$1" "$c" >"$c.new"
	! cmp -s "$c" "$c.new" || die 65 "$c: the place of $name is not there (sed '$1')"
	mv "$c.new" "$c"
}

case $name in
access-flags-gathered-noop)
	edit 's/if \(contpte_all_subptes_match_access_flags\(ptep, entry\)\)/if (pte_val(pte_mknoncont(ptep_get(ptep))) == pte_val(entry))/'
	;;
young-dirty-range)
	edit '/^void contpte_clear_young_dirty_ptes/,/^}/s/end = start \+ nr \* PAGE_SIZE/end = start + nr/'
	edit '/^void contpte_clear_young_dirty_ptes/,/^}/s/\(end - start\) \/ PAGE_SIZE/end - start/'
	;;
convert-no-flush)
	edit '/^static void contpte_convert/,/^}/s/^.*__flush_tlb_range\(.*$//'
	;;
*) die 64 "$name: no such plant" ;;
esac
