#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# build.sh LINUX_DIR OUT_DIR: build OUT_DIR/linux-<version>-{4k,16k,64k,small}.so from an arm64 kernel tree.
#
# Property: the kernel's text is compiled as it stands in LINUX_DIR. The only exceptions are listed here: two
# instruction macros of tlbflush.h are redirected, and a few functions are cut out of files too wide to build
# whole; plain loads of entries in pagewalk.c and linux/pgtable.h are named as such. Each is asserted: a tree in which one of them moved fails with one line that names file and pattern.
#
# Environment: CC (clang, else gcc), CFLAGS (default -O2 -g), SAN=1 (ASan + UBSan), COV=1 (libFuzzer coverage;
# the counters register with the program that loads the .so); MAP=0 leaves out mmu.c, pageattr.c and pagewalk.c.
# Exit status: 64 usage, 65 unusable tree.
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
[ "${MAP:-1}" = 0 ] || for f in arch/arm64/mm/pageattr.c mm/pagewalk.c include/linux/pagewalk.h; do
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
	need $arm/pgtable.h "^static (__always_)?inline (void|int|bool|pte_t) $f\("
done
need $arm/pgalloc.h '^pmd_populate\('
need $arm/pgalloc.h '^pmd_populate_kernel\('
need $arm/tlb.h '^static inline void tlb_flush\(struct mmu_gather \*tlb\)'
for f in flush_tlb_mm arch_tlbbatch_add_pending arch_tlbbatch_flush flush_tlb_kernel_range; do
	need $arm/tlbflush.h "^static inline void $f\("
done
need $arm/pgtable.h '^static inline pte_t pte_modify\('
# The anchors of what is replaced and cut.
tlbi_macro='^#define __TLBI_[01]\(op, arg\)'
set_flags='^int __ptep_set_access_flags(_anysz)?\('
attr_safe='^bool pgattr_change_is_safe\('
clear_flush='^pte_t ptep_clear_flush\('
prot_start='^pte_t ptep_modify_prot_start\('
prot_commit='^void ptep_modify_prot_commit\('
prot_start_ptes='^pte_t modify_prot_start_ptes\('
prot_commit_ptes='^void modify_prot_commit_ptes\('
early_alloc='^static phys_addr_t __init early_pgtable_alloc\('
set_fixmap='^void (__init )?__set_fixmap\('
offset_map='^pte_t \*_*__pte_offset_map\('
offset_map_lock='^pte_t \*(__)?pte_offset_map_lock\('
task_lazy='^static inline bool __task_lazy_mmu_mode_active\('
is_lazy='^static inline bool is_lazy_mmu_mode_active\('
need $arm/tlbflush.h "$tlbi_macro"
need $arm/tlbflush.h '^#define TLBI_TTL_UNKNOWN'
need $arm/tlbflush.h '^static inline void __flush_tlb_range\(struct vm_area_struct \*vma,'
need arch/arm64/mm/fault.c "$set_flags"
need arch/arm64/mm/mmu.c "$attr_safe"
need arch/arm64/mm/mmu.c "$prot_start"
need arch/arm64/mm/mmu.c "$prot_commit"
need mm/pgtable-generic.c "$clear_flush"
if [ "${MAP:-1}" != 0 ]; then
	need arch/arm64/mm/mmu.c "$early_alloc"
	need arch/arm64/mm/fixmap.c "$set_fixmap"
	need mm/pgtable-generic.c "$offset_map"
	need mm/pgtable-generic.c "$offset_map_lock"
fi

version=$(sed -n 's/^VERSION = //p;s/^PATCHLEVEL = /./p;s/^SUBLEVEL = /./p;s/^EXTRAVERSION = *//p' \
	"$linux/Makefile" | head -n 4 | tr -d '\n')
gen=$out/linux-$version.gen
rm -rf "$gen"
mkdir -p "$gen/have"

# cut FILE PATTERN: print the function whose first line matches, under its own line numbers
cut_function() {
	awk -v start="$2" -v file="$linux/$1" '
		!on && $0 ~ start { on = 1; printf "#line %d \"%s\"\n", NR, file }
		on { print }
		on && /^}/ { done = 1; exit }
		END { exit !done }
	' "$linux/$1" || die 65 "$linux/$1: no complete function matches '$2'"
}

# ---- what the tree has. By name, never by version: trees between two releases and backports are asked the same.

has() { # FILE PATTERN
	grep -qE -- "$2" "$linux/$1"
}
have() { # NAME COMMAND...: a line of lx_have.h
	name=$1
	shift
	if "$@"; then echo "#define $name 1"; else echo "#define $name 0"; fi
}
relaxes_locally() {
	cut_function arch/arm64/mm/fault.c "$set_flags" | grep -q TLBF_NOBROADCAST
}
fixes_spurious() {
	has $arm/pgtable.h '^#define flush_tlb_fix_spurious_fault\(' &&
		! has $arm/pgtable.h '^#define flush_tlb_fix_spurious_fault\(.*do \{ *\}'
}
maps_to_clear() { # up to 6.9: early allocation maps a table to clear it
	cut_function arch/arm64/mm/mmu.c "$early_alloc" | grep -q 'pte_set_fixmap('
}
batch_takes_range() {
	sed -n '/^static inline void arch_tlbbatch_add_pending(/,/^{/p' "$linux/$arm/tlbflush.h" | grep -q 'unsigned long end'
}
{
	echo '/* Generated by impl/linux/build.sh: what the tree has. */'
	have LX_HAVE_TLBF has $arm/tlbflush.h '^#define TLBF_NOWALKCACHE'
	have LX_HAVE_BATCH_RANGE batch_takes_range
	have LX_HAVE_BATCHED_PENDING has $arm/tlbflush.h '^static inline void arch_flush_tlb_batched_pending\('
	have LX_HAVE_YOUNG_PTES has $arm/pgtable.h '^static inline bool clear_flush_young_ptes\('
	have LX_HAVE_PROT_PTES has $arm/pgtable.h '^#define modify_prot_start_ptes '
	have LX_HAVE_FIX_SPURIOUS fixes_spurious
	have LX_HAVE_RELAX_LOCAL relaxes_locally
	have LX_HAVE_FOLD_NO_TLBI has arch/arm64/mm/contpte.c 'system_supports_bbml2_noabort\(\)'
	have LX_HAVE_LAZY_COUNTER has include/linux/pgtable.h '^static inline void lazy_mmu_mode_enable\('
	have LX_HAVE_LAZY_FLAG has $arm/pgtable.h 'set_thread_flag\(TIF_LAZY_MMU\)'
	have LX_HAVE_PGTABLE_LEVEL has arch/arm64/mm/mmu.c 'early_pgtable_alloc\(enum pgtable_level'
	have LX_HAVE_ALLOC_INIT_MM has arch/arm64/mm/mmu.c '^pgd_pgtable_alloc_init_mm\('
	have LX_HAVE_REMAP maps_to_clear
	have LX_HAVE_CREATE_INT has arch/arm64/mm/mmu.c '^static int __create_pgd_mapping\('
	have LX_HAVE_SPLIT has arch/arm64/mm/mmu.c '^static int range_split_to_ptes\('
	have LX_HAVE_WALK_LOCKLESS has mm/pagewalk.c '^int walk_kernel_page_table_range_lockless\('
} >"$gen/have/lx_have.h"
says() {
	grep -q "^#define $1 1" "$gen/have/lx_have.h"
}
if says LX_HAVE_PROT_PTES; then
	need arch/arm64/mm/mmu.c "$prot_start_ptes"
	need arch/arm64/mm/mmu.c "$prot_commit_ptes"
fi
if says LX_HAVE_LAZY_COUNTER; then
	need include/linux/sched.h "$task_lazy"
	need include/linux/sched.h "$is_lazy"
	need $arm/pgtable.h '^static inline void queue_pte_barriers\('
fi
if says LX_HAVE_RELAX_LOCAL; then
	says LX_HAVE_FIX_SPURIOUS || die 65 "$linux/$arm/pgtable.h: relaxing flushes are local, but flush_tlb_fix_spurious_fault() does nothing"
fi

if says LX_HAVE_SPLIT; then
	need arch/arm64/mm/mmu.c '^u32 idmap_kpti_bbml2_flag;'
	need arch/arm64/mm/mmu.c '^static bool linear_map_requires_bbml2;'
	need arch/arm64/mm/mmu.c '^static DEFINE_MUTEX\(pgtable_split_lock\);'
	need arch/arm64/mm/mmu.c '^static int __init linear_map_split_to_ptes\('
	need arch/arm64/mm/pageattr.c 'walk_kernel_page_table_range_lockless\('
fi

# ---- generated headers and cut functions: kernel text, so they stay in OUT_DIR

# Headers that shim/lx/kernel.h stands in for. Whatever is not here is read from the tree.
for h in asm/barrier.h asm/bug.h asm/cacheflush.h asm/cmpxchg.h asm/cpufeature.h asm/cputype.h asm/fixmap.h \
	asm/memory.h asm/mmu.h asm/mte.h asm/por.h asm/proc-fns.h asm/processor.h asm/rsi.h asm/types.h \
	asm-generic/pgalloc.h asm-generic/tlb.h linux/bitfield.h linux/bug.h linux/efi.h linux/errno.h linux/export.h \
	linux/jump_label.h linux/mm_types.h linux/mmdebug.h linux/mmu_notifier.h linux/pagemap.h \
	linux/swap.h linux/types.h; do
	mkdir -p "$gen/$(dirname $h)"
	echo '#include <lx/kernel.h>' >"$gen/$h"
done
printf '#include <lx/kernel.h>\n#include <linux/pgtable.h>\n' >"$gen/linux/mm.h"
# Whether lazy MMU mode is active is said by two functions of the real sched.h, where there are any.
{
	printf '#ifndef LX_SCHED_H\n#define LX_SCHED_H\n#include <lx/kernel.h>\n'
	if says LX_HAVE_LAZY_COUNTER; then
		cut_function include/linux/sched.h "$task_lazy"
		cut_function include/linux/sched.h "$is_lazy"
	fi
	echo '#endif'
} >"$gen/linux/sched.h"

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

{
	echo '#include <linux/mm.h>'
	echo '#include <asm/tlbflush.h>'
	cut_function arch/arm64/mm/fault.c "$set_flags"
	cut_function arch/arm64/mm/mmu.c "$attr_safe"
	cut_function mm/pgtable-generic.c "$clear_flush"
	if says LX_HAVE_PROT_PTES; then
		cut_function arch/arm64/mm/mmu.c "$prot_start_ptes"
		cut_function arch/arm64/mm/mmu.c "$prot_commit_ptes"
	fi
	cut_function arch/arm64/mm/mmu.c "$prot_start"
	cut_function arch/arm64/mm/mmu.c "$prot_commit"
} >"$gen/cut.c"
echo '#include "arch/arm64/mm/contpte.c"' >"$gen/contpte_unit.c"

# Whole maps. Headers that mmu.c, pageattr.c and pagewalk.c include and shim/lx/wide.h stands in for: all but those that are
# listed. Plain loads of entries (`*pmd` as an argument) become lx_plain(*pmd), on their own lines.
plain='s/\b(p(g|4|u|m)d_[a-z_]+)\(\*(p(g|4|u|m)dp?)\)/\1(lx_plain(*\3))/g'
prepare_map() {
	real=" linux/pgtable.h linux/pagewalk.h linux/set_memory.h linux/const.h linux/pfn.h linux/sched.h linux/mm.h
		asm/set_memory.h asm/kernel-pgtable.h asm/pgtable.h asm/pgtable-prot.h asm/pgtable-hwdef.h asm/pgtable-types.h
		asm/pgalloc.h asm/tlbflush.h asm/tlb.h asm-generic/set_memory.h "
	for f in arch/arm64/mm/mmu.c arch/arm64/mm/pageattr.c mm/pagewalk.c include/linux/pagewalk.h \
		include/linux/set_memory.h $arm/set_memory.h $arm/kernel-pgtable.h; do
		[ ! -f "$linux/$f" ] || sed -n 's/^ *# *include <\(.*\)>.*/\1/p' "$linux/$f"
	done | sort -u | while read -r h; do
		case $real in *[[:space:]]"$h"[[:space:]]*) continue ;; esac
		mkdir -p "$gen/wide/$(dirname "$h")"
		echo '#include <lx/wide.h>' >"$gen/wide/$h"
	done
	mkdir -p "$gen/wide/linux" "$gen/walk"
	printf '#include <lx/kernel.h>\n#include <linux/pgtable.h>\n' >"$gen/wide/linux/mm.h"
	sed -E "$plain" "$linux/include/linux/pgtable.h" >"$gen/wide/linux/pgtable.h"
	grep -q 'pmd_page_vaddr(lx_plain(\*pmd))' "$gen/wide/linux/pgtable.h" ||
		die 65 "$linux/include/linux/pgtable.h: pte_offset_kernel() does not load as expected"
	echo '#include <lx/wide.h>' >"$gen/walk/internal.h"
	{
		echo "#line 1 \"$linux/mm/pagewalk.c\""
		sed -E "$plain" "$linux/mm/pagewalk.c"
	} >"$gen/walk/pagewalk.c"
	! grep -qE '[^&a-z_)]\((\*p(g|4|u|m)d)\)' "$gen/walk/pagewalk.c" ||
		grep -q 'lx_plain(\*pmd)' "$gen/walk/pagewalk.c" || die 65 "$linux/mm/pagewalk.c: no plain loads as expected"
	{
		echo '#include <lx/wide.h>'
		cut_function arch/arm64/mm/fixmap.c "$set_fixmap"
		cut_function mm/pgtable-generic.c "$offset_map"
		cut_function mm/pgtable-generic.c "$offset_map_lock"
		if grep -q '^pte_t \*__pte_offset_map_lock(' "$linux/mm/pgtable-generic.c"; then
			echo 'pte_t *pte_offset_map_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, spinlock_t **ptlp)'
			echo '{ return __pte_offset_map_lock(mm, pmd, addr, ptlp); }'
		fi
	} >"$gen/walk/cut.c"
}
# For the small geometry: the same header, but a table has 1 << LX_TABLE_BITS entries, which is no page full of them.
hwdef_small() {
	mkdir -p "$gen/small/asm"
	sed -E '/^#define PTDESC_ORDER 3/s/ 3/ (PAGE_SHIFT - LX_TABLE_BITS)/
		/^#define ARM64_HW_PGTABLE_LEVEL_SHIFT/s/\+ 3\)/+ PAGE_SHIFT - LX_TABLE_BITS)/
		s/\(PAGE_SHIFT - 3\)/LX_TABLE_BITS/' "$linux/$arm/pgtable-hwdef.h" >"$gen/small/asm/pgtable-hwdef.h"
	grep -q LX_TABLE_BITS "$gen/small/asm/pgtable-hwdef.h" ||
		die 65 "$linux/$arm/pgtable-hwdef.h: entries of a table are not counted as expected"
}
[ "${MAP:-1}" = 0 ] || prepare_map
[ "${MAP:-1}" = 0 ] || hwdef_small

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

# Kernel maps of one number of levels: one object, in which nothing but its name is global.
build_map() { # FOLDER FLAGS LEVELS:VA_BITS PAGE_SHIFT [TABLE_BITS]
	lv=${3%:*}
	sub=$1/map$lv
	mkdir -p "$sub"
	bits=$(($4 - 3)) small=
	[ "${5:-}" = "" ] || small="-isystem $gen/small" bits=$5
	m="$small -isystem $gen/wide $2 -DLX_TABLE_BITS=$bits -include lx/wide.h -DLX_LEVELS=$lv -DLX_VA_BITS=${3#*:} -I$linux -I$gen/walk -w"
	# shellcheck disable=SC2086
	{
		compile "$sub/map.o" $m "$here/map.c"
		compile "$sub/walk.o" $m "$here/walk.c"
		compile "$sub/cut.o" $m "$gen/walk/cut.c"
		! says LX_HAVE_SPLIT || compile "$sub/attr.o" $m "$here/attr.c"
		$CC -r -nostdlib -o "$sub/all.ro" "$sub"/*.o 2>"$sub/link.log" ||
			die 65 "$linux does not link: $(head -n 1 "$sub/link.log") (all of it: $sub/link.log)"
	}
	objcopy --keep-global-symbol="lx_map_$lv" "$sub/all.ro" "$1/map$lv.o"
}

# The tables that coverage and sanitizers keep refer to every function, also to those that nothing calls and that the plain link
# leaves out (it proves so: -z defs). What those alone would call is nowhere; it is made to trap.
absent() { # FOLDER
	# shellcheck disable=SC2086
	$CC -shared $CFLAGS $extra -Wl,--gc-sections -o "$1/trial.so" "$1"/*.o 2>"$1/link.log" || return 0
	nm -D --undefined-only "$1/trial.so" | awk '$1 == "U" { print $2 }' |
		grep -Ev '@|^__(sanitizer|sancov|asan|ubsan)' >"$1/absent.txt" || return 0
	{
		echo 'void lx_absent(void);'
		echo 'void lx_absent(void)'
		echo '{'
		echo '	__builtin_trap();'
		echo '}'
		while read -r sym; do
			printf '__asm__(".globl %s; .hidden %s; .set %s, lx_absent");\n' "$sym" "$sym" "$sym"
		done <"$1/absent.txt"
	} >"$1/absent.c"
	compile "$1/absent.o" -fvisibility=hidden "$1/absent.c"
}

build_one() { # NAME PAGE_SHIFT HW_GEO LEVELS [FLAGS [TABLE_BITS]]
	dir=$gen/$1
	mkdir -p "$dir"
	k="$kernel_inc -DLX_PAGE_SHIFT=$2 ${5:-} -I$top -I$here -I$gen/have"
	: >"$dir/lx_maps.h"
	if [ "${MAP:-1}" != 0 ]; then
		jobs=
		for l in $4; do
			echo "LX_MAP(${l%:*})" >>"$dir/lx_maps.h"
			build_map "$dir" "$k" "$l" "$2" "${6:-}" &
			jobs="$jobs $!"
		done
		for l in $jobs; do
			wait "$l" || exit $?
		done
	fi
	# shellcheck disable=SC2086
	{
		compile "$dir/contpte.o" -Werror=implicit-function-declaration $k -I"$linux" "$gen/contpte_unit.c"
		compile "$dir/cut.o" -Werror=implicit-function-declaration $k "$gen/cut.c"
		compile "$dir/glue.o" $warn $k "$here/glue.c"
	}
	maps=0
	if [ -s "$dir/lx_maps.h" ]; then
		maps=1
		# shellcheck disable=SC2086
		compile "$dir/levels.o" $warn -I"$top" -I"$here" -I"$gen/have" -I"$dir" "$here/levels.c"
	fi
	# shellcheck disable=SC2086
	compile "$dir/entry.o" $warn -I"$top" -I"$here" -I"$gen/have" "-DLX_MAPS=$maps" "-DLX_GEO=$3" "-DLX_VERSION=\"$version\"" \
		"-DLX_NAME=\"linux-$version-$1\"" "$here/entry.c"
	rm -f "$dir/absent.o"
	[ -n "$link" ] || absent "$dir"
	# shellcheck disable=SC2086
	$CC -shared $CFLAGS $extra $link -Wl,--gc-sections -Wl,-z,nodelete -o "$out/linux-$version-$1.so.tmp" \
		"$dir"/*.o 2>"$dir/link.log" ||
		die 65 "$linux does not link: $(grep -m1 -E 'undefined|error' "$dir/link.log") (all of it: $dir/link.log)"
	mv "$out/linux-$version-$1.so.tmp" "$out/linux-$version-$1.so"
	echo "$out/linux-$version-$1.so"
}

# Levels of the kernel's half and the bits of address that they translate, 48 at most.
build_one 4k 12 HW_GEO_4K "2:30 3:39 4:48"
build_one 16k 14 HW_GEO_16K "2:36 3:47 4:48"
build_one 64k 16 HW_GEO_64K "2:42 3:48"
# 4K pages with contiguous runs of 4 and tables of 16, to fit the machine's small geometry.
build_one small 12 HW_GEO_SMALL "2:20 3:24 4:28" "-DLX_CONT_PTE_SHIFT=2 -DLX_CONT_PMD_SHIFT=2" 4
