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
#	clear-not-ordered	    made up: init_clear_pgtable() without its DSB
#	split-sleeps-in-atomic	    before ce2b3a50ad92: split_kernel_leaf_mapping() takes its mutex for what is mapped by pages
#	split-loses-invalid	    like d1770e909898: split_pmd() takes a present-invalid leaf for a valid one
#	set-memory-huge		    before fcf8dda8cc48: change_memory_common() accepts areas that may hold blocks
#	walk-stale-action	    before aedf2efd1897: walk_pmd_range() leaves with ACTION_AGAIN when a table has vanished
set -eu

die() {
	status=$1
	shift
	echo "impl/linux/plant.sh: $*" >&2
	exit "$status"
}

[ $# -eq 3 ] || die 64 "usage: plant.sh NAME LINUX_DIR OUT_DIR; names: see the head of this file"
name=$1 from=$2 to=$3
[ -f "$from/arch/arm64/mm/contpte.c" ] || die 65 "$from/arch/arm64/mm/contpte.c: missing (is this an arm64 Linux tree?)"
mkdir -p "$to/arch/arm64/mm" || die 74 "$to: cannot be written"
cp -r "$from/arch/arm64/include" "$to/arch/arm64/"
cp -r "$from/include" "$from/Makefile" "$to/"
cp "$from"/arch/arm64/mm/*.c "$to/arch/arm64/mm/"
mkdir -p "$to/mm"
cp "$from"/mm/pgtable-generic.c "$from"/mm/pagewalk.c "$to/mm/"

# edit FILE SED-SCRIPT: must change the file
edit_file() {
	f=$to/$1
	sed -E "$2" "$f" >"$f.new"
	! cmp -s "$f" "$f.new" || die 65 "$f: the place of $name is not there (sed '$2')"
	mv "$f.new" "$f"
}
edit() { edit_file arch/arm64/mm/contpte.c "$1"; }

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
clear-not-ordered)
	edit_file arch/arm64/mm/mmu.c '/^static void init_clear_pgtable/,/^}/s/^\tdsb\(ishst\);$//'
	;;
split-sleeps-in-atomic)
	edit_file arch/arm64/mm/mmu.c '/^int split_kernel_leaf_mapping/,/^}/s/if \(!linear_map_requires_bbml2 \|\| is_kfence_address\(\(void \*\)start\)\)/if (0)/'
	;;
split-loses-invalid)
	edit_file arch/arm64/mm/mmu.c '/^static int split_pmd/,/^}/s/if \(!pmd_valid\(pmd\)\)/if (0)/'
	;;
set-memory-huge)
	edit_file arch/arm64/mm/pageattr.c 's/\(\(area->flags & \(VM_ALLOC \| VM_ALLOW_HUGE_VMAP\)\) != VM_ALLOC\)/!(area->flags \& VM_ALLOC)/'
	;;
walk-stale-action)
	edit_file mm/pagewalk.c '/^static int walk_pmd_range/,/^}/{
		/^\t\twalk->action = ACTION_SUBTREE;$/s/.*//
		s/^\t\tif \(ops->pmd_entry\)$/\t\twalk->action = ACTION_SUBTREE;\n&/
	}'
	;;
*) die 64 "$name: no such plant" ;;
esac
