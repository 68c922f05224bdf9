// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's side of the seam for whole kernel maps: arch/arm64/mm/mmu.c, whole, for one number of levels (LX_LEVELS).
 *
 * Property: every function of the seam is one call of the kernel's own function. Followed, since the build does not include them:
 * __pi_map_range() for the page of the repainting's flag (arch/arm64/kernel/pi), and wait_linear_map_split_to_ptes() with
 * cpu_install_idmap() (arch/arm64/mm/proc.S, asm/mmu_context.h), which are instructions on system registers.
 *
 * A kernel answers requests that nobody may make with BUG(), and so says the table (levels.c, pt_mmu.dies).
 */
#include "arch/arm64/mm/mmu.c"
#include "impl/seam.h"
#include "map.h"

struct mm_struct init_mm;
pgd_t (*lx_swapper)[];
unsigned *lx_flag; /* trees that repaint define it too */
struct pt_mmu_env lx_mmu_env;
struct pt_split_env lx_split_env;
bool rodata_enabled = true;
static unsigned lx_cpu_now;
_Static_assert(PTRS_PER_PTE == 1 << LX_TABLE_BITS, "entries of a table");

unsigned lx_cpu(void)
{
	return lx_cpu_now;
}

phys_addr_t lx_table_new(unsigned level, const char *fn, int line)
{
	const void *table = lx_hooks->table_alloc(level, fn, line);

	return table ? __pa(table) : 0;
}

static void lx_reset_root(uint64_t *pgdir)
{
	init_mm.pgd = (pgd_t *)pgdir;
	lx_swapper = (pgd_t(*)[])pgdir;
	lx_alias = (unsigned long)lx_hooks->alias_ptr(0);
}

static void lx_mmu_reset(const struct pt_mmu_env *env)
{
	if (env->page_shift != PAGE_SHIFT || env->levels != CONFIG_PGTABLE_LEVELS || env->va_bits != VA_BITS ||
	    env->table_bits != LX_TABLE_BITS)
		lx_bug("environment of another granule", __func__, __LINE__);
	lx_mmu_env = *env;
	lx_reset_root(env->pgdir);
	lx_split_env = (struct pt_split_env){.ncpu = 1};
	lx_flag = NULL;
}

/* pgprot of a seam value's permissions, as glue.c has it. */
static pgprot_t lx_prot(uint64_t val)
{
	if (val & PT_WRITE)
		return val & PT_EXEC ? PAGE_KERNEL_EXEC : PAGE_KERNEL;
	return val & PT_EXEC ? PAGE_KERNEL_ROX : PAGE_KERNEL_RO;
}

#if LX_HAVE_PGTABLE_LEVEL
typedef phys_addr_t lx_alloc_fn(enum pgtable_level level);
#else
typedef phys_addr_t lx_alloc_fn(int shift);
#endif

static lx_alloc_fn *lx_allocator(unsigned alloc)
{
	if (alloc == PT_ALLOC_NONE)
		return NULL;
	if (alloc == PT_ALLOC_EARLY)
		return early_pgtable_alloc;
#if LX_HAVE_ALLOC_INIT_MM
	return pgd_pgtable_alloc_init_mm;
#else
	return pgd_pgtable_alloc;
#endif
}

/* At boot swapper_pg_dir is writable where it is; later it is reached through a slot of its own. */
static int lx_create_pgd_mapping(uint64_t *pgdir, uint64_t phys, uint64_t virt, uint64_t size, uint64_t val,
				 unsigned alloc, unsigned flags)
{
	_Static_assert(PT_NO_BLOCK_MAPPINGS == NO_BLOCK_MAPPINGS && PT_NO_CONT_MAPPINGS == NO_CONT_MAPPINGS &&
			       PT_NO_EXEC_MAPPINGS == NO_EXEC_MAPPINGS && PT_ENOMEM == ENOMEM &&
			       PT_EINVAL == EINVAL,
		       "seam_mmu.h");
	rodata_is_rw = alloc == PT_ALLOC_EARLY;
#if LX_HAVE_CREATE_INT
	return __create_pgd_mapping((pgd_t *)pgdir, phys, virt, size, lx_prot(val), lx_allocator(alloc),
				    (int)flags);
#else
	__create_pgd_mapping((pgd_t *)pgdir, phys, virt, size, lx_prot(val), lx_allocator(alloc), (int)flags);
	return 0;
#endif
}

/* ---- splitting and repainting */

#if LX_HAVE_SPLIT
static int lx_range_split_to_ptes(uint64_t start, uint64_t end, bool atomic)
{
	return range_split_to_ptes(start, end, atomic ? GFP_ATOMIC : GFP_PGTABLE_KERNEL);
}

static int lx_split_kernel_leaf_mapping(uint64_t start, uint64_t end)
{
	return split_kernel_leaf_mapping(start, end);
}

static void lx_repaint_prepare(void)
{
	__set_pte((pte_t *)lx_split_env.idmap_flag_ptep, pfn_pte(__phys_to_pfn(lx_split_env.flag_pa), PAGE_KERNEL));
	init_idmap_kpti_bbml2_flag();
}

static int lx_linear_map_split_to_ptes(unsigned cpu)
{
	lx_cpu_now = cpu;
	return linear_map_split_to_ptes(NULL);
}

/* Nothing of the user's half, then the identity map. */
void cpu_install_idmap(void)
{
	lx_hooks->write_ttbr0(NULL, 0, __func__, __LINE__);
	local_flush_tlb_all();
	lx_hooks->write_ttbr0(lx_split_env.idmap, lx_split_env.idmap_asid, __func__, __LINE__);
}

void cpu_uninstall_idmap(void)
{
	lx_hooks->write_ttbr0(NULL, 0, __func__, __LINE__);
	local_flush_tlb_all();
}

void wait_linear_map_split_to_ptes(void);
void wait_linear_map_split_to_ptes(void)
{
	uint64_t *flag = lx_split_env.flag;
	uint64_t n;

	lx_hooks->write_ttbr1(true, __func__, __LINE__);
	local_flush_tlb_all();
	do
		n = lx_hooks->load(flag, HW_RELAXED, __func__, __LINE__);
	while (lx_cmpxchg(flag, n, n + 1, HW_RELAXED, __func__, __LINE__) != n);
	while (lx_hooks->load(flag, HW_RELAXED, __func__, __LINE__))
		cpu_relax();
	lx_hooks->write_ttbr1(false, __func__, __LINE__);
}
#endif

static void lx_split_reset(const struct pt_split_env *env)
{
	if (env->page_shift != PAGE_SHIFT || env->levels != CONFIG_PGTABLE_LEVELS ||
	    env->table_bits != LX_TABLE_BITS)
		lx_bug("environment of another granule", __func__, __LINE__);
	lx_split_env = *env;
	lx_reset_root(env->pgdir);
	rodata_is_rw = true; /* the driver has no fixmap here: its root is writable */
	lx_walk_reset(env);
#if LX_HAVE_SPLIT
	lx_flag = (unsigned *)env->flag;
	pgtable_split_lock.word = env->mutex;
	linear_map_requires_bbml2 = !env->force_pte;
	lx_attr_reset(env);
#endif
}

static const struct pt_mmu lx_this_mmu = {
	.reset = lx_mmu_reset,
	.create_pgd_mapping = lx_create_pgd_mapping,
};

static const struct pt_split lx_this_split = {
	.reset = lx_split_reset,
	.walk_page_range = lx_walk_page_range,
#if LX_HAVE_SPLIT
	.split_kernel_leaf_mapping = lx_split_kernel_leaf_mapping,
	.range_split_to_ptes = lx_range_split_to_ptes,
	.set_memory = lx_set_memory,
	.repaint_prepare = lx_repaint_prepare,
	.linear_map_split_to_ptes = lx_linear_map_split_to_ptes,
#endif
};

#define LX_NAME_OF(levels)  LX_NAME_OF_(levels)
#define LX_NAME_OF_(levels) lx_map_##levels
extern const struct lx_map LX_NAME_OF(LX_LEVELS);
const struct lx_map LX_NAME_OF(LX_LEVELS) = {&lx_this_mmu, &lx_this_split};
