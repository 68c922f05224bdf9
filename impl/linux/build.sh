#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# build.sh LINUX_DIR OUT_DIR: build OUT_DIR/linux-<version>-{4k,16k,64k,small}.so from an arm64 kernel tree.
#
# Property: the kernel's text is compiled as it stands in LINUX_DIR. The only exceptions are listed here: two
# instruction macros of tlbflush.h are redirected, and five functions are cut out of files too wide to build
# whole. Each is asserted: a tree in which one of them moved fails with one line that names file and pattern.
#
# Environment: CC (clang, else gcc), CFLAGS (default -O2 -g), SAN=1 (ASan + UBSan), COV=1 (libFuzzer coverage;
# the counters register with the program that loads the .so). Exit status: 64 usage, 65 unusable tree.
set -eu

die() {
	status=$1
	shift
	echo "impl/linux: $*" >&2
	exit "$status"
}

[ $# -eq 2 ] || die 64 "usage: build.sh LINUX_DIR OUT_DIR"
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
[ -d "$1" ] || die 65 "$1: no such directory"
linux=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
if [ -z "${CC:-}" ]; then
	if command -v clang >/dev/null; then CC=clang; else CC=gcc; fi
fi

arm=arch/arm64/include/asm

# ---- what must be in the tree

# need FILE [PATTERN]: extended regular expression that a line of FILE matches
need() {
	[ -f "$linux/$1" ] || die 65 "$linux/$1: missing (is this an arm64 Linux tree?)"
	[ $# -eq 1 ] || grep -qE -- "$2" "$linux/$1" || die 65 "$linux/$1: no line matches '$2'"
}

# Files included as they are.
for f in $arm/pgtable.h $arm/pgtable-hwdef.h $arm/pgtable-prot.h $arm/pgtable-types.h $arm/pgalloc.h $arm/tlb.h \
	include/linux/pgtable.h include/linux/const.h include/linux/pfn.h include/linux/page_table_check.h \
	include/asm-generic/pgtable_uffd.h include/asm-generic/pgtable-nopud.h; do
	need "$f"
done
need Makefile '^VERSION = [0-9]'
need Makefile '^PATCHLEVEL = [0-9]'
need Makefile '^SUBLEVEL = [0-9]'
# The functions that glue.c calls.
need arch/arm64/mm/contpte.c '^void __contpte_try_fold\('
for f in set_ptes ptep_get ptep_get_lockless ptep_get_and_clear get_and_clear_full_ptes clear_full_ptes \
	wrprotect_ptes ptep_set_access_flags ptep_test_and_clear_young ptep_clear_flush_young \
	clear_young_dirty_ptes; do
	need $arm/pgtable.h "^static (__always_)?inline (void|int|pte_t) $f\("
done
need $arm/pgalloc.h '^pmd_populate\('
need $arm/pgalloc.h '^pmd_populate_kernel\('
need $arm/tlb.h '^static inline void tlb_flush\(struct mmu_gather \*tlb\)'
for f in flush_tlb_mm arch_tlbbatch_add_pending arch_tlbbatch_flush arch_flush_tlb_batched_pending \
	flush_tlb_kernel_range; do
	need $arm/tlbflush.h "^static inline void $f\("
done
need $arm/pgtable.h '^static inline pte_t pte_modify\('
# The anchors of what is replaced and cut.
tlbi_macro='^#define __TLBI_[01]\(op, arg\)'
set_flags='^int __ptep_set_access_flags\('
attr_safe='^bool pgattr_change_is_safe\('
clear_flush='^pte_t ptep_clear_flush\('
prot_start='^pte_t ptep_modify_prot_start\('
prot_commit='^void ptep_modify_prot_commit\('
need $arm/tlbflush.h "$tlbi_macro"
need $arm/tlbflush.h '^#define TLBI_TTL_UNKNOWN'
need $arm/tlbflush.h '^static inline void __flush_tlb_range\(struct vm_area_struct \*vma,'
need arch/arm64/mm/fault.c "$set_flags"
need arch/arm64/mm/mmu.c "$attr_safe"
need arch/arm64/mm/mmu.c "$prot_start"
need arch/arm64/mm/mmu.c "$prot_commit"
need mm/pgtable-generic.c "$clear_flush"

version=$(sed -n 's/^VERSION = //p;s/^PATCHLEVEL = /./p;s/^SUBLEVEL = /./p;s/^EXTRAVERSION = *//p' \
	"$linux/Makefile" | head -n 4 | tr -d '\n')
gen=$out/linux-$version.gen
rm -rf "$gen"
mkdir -p "$gen"

# ---- generated headers and cut functions: kernel text, so they stay in OUT_DIR

# Headers that shim/lx/kernel.h stands in for. Whatever is not here is read from the tree.
for h in asm/barrier.h asm/bug.h asm/cacheflush.h asm/cmpxchg.h asm/cpufeature.h asm/cputype.h asm/fixmap.h \
	asm/memory.h asm/mmu.h asm/mte.h asm/por.h asm/proc-fns.h asm/processor.h asm/types.h \
	asm-generic/pgalloc.h asm-generic/tlb.h linux/bitfield.h linux/bug.h linux/efi.h linux/errno.h linux/export.h \
	linux/jump_label.h linux/mm_types.h linux/mmdebug.h linux/mmu_notifier.h linux/pagemap.h \
	linux/sched.h linux/swap.h linux/types.h; do
	mkdir -p "$gen/$(dirname $h)"
	echo '#include <lx/kernel.h>' >"$gen/$h"
done
printf '#include <lx/kernel.h>\n#include <linux/pgtable.h>\n' >"$gen/linux/mm.h"

# tlbflush.h with the two macros that hold the instruction redirected to lx_tlbi() of shim/lx/machine.h. Their
# continuation lines become empty, so that line numbers stay the kernel's.
awk -v macro="$tlbi_macro" '
	more { more = /\\$/; print ""; next }
	$0 ~ macro {
		if (/__TLBI_0/) print "#define __TLBI_0(op, arg) lx_tlbi(LX_TLBI_##op, 0)"
		else print "#define __TLBI_1(op, arg) lx_tlbi(LX_TLBI_##op, arg)"
		more = /\\$/
		next
	}
	{ print }
' "$linux/$arm/tlbflush.h" >"$gen/asm/tlbflush.h"
[ "$(grep -c 'lx_tlbi(LX_TLBI_' "$gen/asm/tlbflush.h")" -eq 2 ] ||
	die 65 "$linux/$arm/tlbflush.h: expected two macros that match '$tlbi_macro'"
if grep -vE '^[[:space:]]*/?\*' "$gen/asm/tlbflush.h" | grep -qE '\basm *(volatile)? *\('; then
	die 65 "$linux/$arm/tlbflush.h: an asm statement is left outside the macros '$tlbi_macro'"
fi

# cut FILE PATTERN: print the function whose first line matches, under its own line numbers
cut_function() {
	awk -v start="$2" -v file="$linux/$1" '
		!on && $0 ~ start { on = 1; printf "#line %d \"%s\"\n", NR, file }
		on { print }
		on && /^}/ { done = 1; exit }
		END { exit !done }
	' "$linux/$1" || die 65 "$linux/$1: no complete function matches '$2'"
}
{
	echo '#include <linux/mm.h>'
	echo '#include <asm/tlbflush.h>'
	cut_function arch/arm64/mm/fault.c "$set_flags"
	cut_function arch/arm64/mm/mmu.c "$attr_safe"
	cut_function mm/pgtable-generic.c "$clear_flush"
	cut_function arch/arm64/mm/mmu.c "$prot_start"
	cut_function arch/arm64/mm/mmu.c "$prot_commit"
} >"$gen/cut.c"
echo '#include "arch/arm64/mm/contpte.c"' >"$gen/contpte_unit.c"

# ---- compile

# What the kernel's own Makefile promises to its code.
base="-std=gnu11 -fPIC -fvisibility=hidden -fno-strict-aliasing -fno-strict-overflow -fno-delete-null-pointer-checks"
base="$base -ffunction-sections -fdata-sections -ffreestanding"
extra=
link=-Wl,-z,defs
if [ "${SAN:-0}" = 1 ]; then
	extra="$extra -fsanitize=address,undefined -fno-omit-frame-pointer"
	link= # the runtime is the loading program's
fi
if [ "${COV:-0}" = 1 ]; then
	extra="$extra -fsanitize-coverage=inline-8bit-counters,pc-table"
	link=
fi
: "${CFLAGS:=-O2 -g}"
warn="-Wall -Wextra -Wshadow -Wundef -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes"
# Freestanding headers of the compiler itself: -nostdinc keeps the host's libc out.
case $($CC --version) in
*clang*) builtin=$($CC -print-resource-dir)/include ;;
*) builtin=$($CC -print-file-name=include) ;;
esac
kernel_inc="-nostdinc -isystem $builtin -I$here/shim -isystem $gen -isystem $linux/arch/arm64/include \
	-isystem $linux/include -isystem $linux/include/uapi -include lx/config.h"

compile() { # OBJECT FLAGS... SOURCE
	obj=$1
	shift
	# shellcheck disable=SC2086
	$CC $base $CFLAGS $extra -c -o "$obj" "$@" 2>"$obj.log" ||
		die 65 "$linux does not compile against the shim: $(grep -m1 -E 'error' "$obj.log") (all of it: $obj.log)"
	[ ! -s "$obj.log" ] || cat "$obj.log" >&2
}

build_one() { # NAME PAGE_SHIFT HW_GEO [FLAG]
	dir=$gen/$1
	mkdir -p "$dir"
	k="$kernel_inc -DLX_PAGE_SHIFT=$2 ${4:-} -I$top -I$here"
	# shellcheck disable=SC2086
	{
		compile "$dir/contpte.o" -Werror=implicit-function-declaration $k -I"$linux" "$gen/contpte_unit.c"
		compile "$dir/cut.o" -Werror=implicit-function-declaration $k "$gen/cut.c"
		compile "$dir/glue.o" $warn $k "$here/glue.c"
	}
	# shellcheck disable=SC2086
	compile "$dir/entry.o" $warn -I"$top" -I"$here" "-DLX_GEO=$3" "-DLX_VERSION=\"$version\"" \
		"-DLX_NAME=\"linux-$version-$1\"" "$here/entry.c"
	# shellcheck disable=SC2086
	$CC -shared $CFLAGS $extra $link -Wl,--gc-sections -Wl,-z,nodelete -o "$out/linux-$version-$1.so.tmp" \
		"$dir"/*.o 2>"$dir/link.log" ||
		die 65 "$linux does not link: $(grep -m1 -E 'undefined|error' "$dir/link.log") (all of it: $dir/link.log)"
	mv "$out/linux-$version-$1.so.tmp" "$out/linux-$version-$1.so"
	echo "$out/linux-$version-$1.so"
}

build_one 4k 12 HW_GEO_4K
build_one 16k 14 HW_GEO_16K
build_one 64k 16 HW_GEO_64K
# 4K pages with contiguous runs of 4, to fit the machine's small geometry.
build_one small 12 HW_GEO_SMALL -DLX_CONT_PTE_SHIFT=2
