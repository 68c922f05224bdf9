// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ptdiff export`: the page-table events of a replay, for another tool's opinion.
 *
 * Property: every change of a reachable descriptor's output address, type, memory attributes or validity, every
 * barrier, invalidation, allocation, free and lock of the replay is one line, in the order in which software made
 * them; nothing is written that casemate would take for something else. What it has no word for is left out
 * (docs/export.md lists it).
 *
 * casemate follows pKVM's own stage 1 (TTBR0_EL2, 4K granule, no ASID), so the user address space is told as that:
 * VAE1IS becomes VAE2IS, entry for entry, and the small geometry's table indices are spread to those of 4K tables.
 */
#include <string.h>

#include "fuzz/cmd.h"
#include "fuzz/exec_internal.h"

#define TABLE_BYTES 0x1000
#define LOCK_PA	    (((uint64_t)HW_MAX_FRAMES << HW_FRAME_SHIFT) + 0x1000)
#define MAX_PAGES   512 /* of one invalidation; beyond, everything */

static FILE *to;
static unsigned long id;
static bool begun;

/* Opens a record; `rest` is completed by the caller. */
static void open_record(const char *what, unsigned tid)
{
	fprintf(to, "(%s (id %lu) (tid %u)", what, id++, tid);
}

static void close_record(const char *fn, int line)
{
	fprintf(to, " (src \"%s:%d\"))\n", fn ? fn : "setup", line);
}

static void put_write(unsigned tid, uint64_t pa, uint64_t v, const char *fn, int line)
{
	open_record("mem-write", tid);
	fprintf(to, " (mem-order plain) (address 0x%llx) (value 0x%llx)", (unsigned long long)pa,
		(unsigned long long)v);
	close_record(fn, line);
}

static void put_area(const char *what, unsigned tid, uint64_t pa, const char *fn, int line)
{
	open_record(what, tid);
	fprintf(to, " (address 0x%llx) (size 0x%x)", (unsigned long long)pa, TABLE_BYTES);
	if (!strcmp(what, "mem-set"))
		fputs(" (value 0x0)", to);
	close_record(fn, line);
}

static void put_hint(const char *kind, uint64_t pa, uint64_t v, const char *fn, int line)
{
	open_record("hint", hw.cpu);
	fprintf(to, " (kind %s) (location 0x%llx) (value 0x%llx)", kind, (unsigned long long)pa,
		(unsigned long long)v);
	close_record(fn, line);
}

static void put_sysreg(unsigned tid, const char *reg, uint64_t v)
{
	open_record("sysreg-write", tid);
	fprintf(to, " (sysreg %s) (value 0x%llx)", reg, (unsigned long long)v);
	close_record(NULL, 0);
}

/*
 * What of a descriptor casemate can judge. It wants break-before-make for any change of a valid entry but
 * software's bits, while AF, dirty state, permissions and the contiguous bit may change in place: those are set
 * to one value.
 */
static uint64_t judged(uint64_t v, unsigned level)
{
	if (!(v & HW_D_VALID))
		return v;
	if (level < 3 && (v & HW_D_TABLE))
		return v & (HW_D_OA | HW_D_TABLE | HW_D_VALID);
	return (v & (HW_D_OA | HW_D_ATTRIDX | (3ull << 8) | HW_D_NG | HW_D_TABLE | HW_D_VALID)) | HW_D_AF |
	       HW_D_USER;
}

/* Level of the table that holds p: only leaf tables and the two entries above them are ever written. */
static unsigned level_of(const uint64_t *p)
{
	return p == ex.space[0].pmdp[0] || p == ex.space[0].pmdp[1] ? 2 : 3;
}

static void declare(const uint64_t *table, unsigned level)
{
	const uint64_t root = hw_table_pa(ex.space[0].pt.root), pa = hw_table_pa(table);
	const unsigned n = 1u << ex.geo->table_bits;

	put_area("mem-init", 0, pa, NULL, 0);
	if (table == ex.space[0].pt.root)
		put_hint("set_root_lock", root, LOCK_PA, NULL, 0);
	else
		put_hint("set_owner_root", pa, root, NULL, 0);
	for (unsigned i = 0; i < n; i++) {
		const uint64_t v = hw_peek(table + i);

		if (level < 3 && (v & HW_D_VALID) && (v & HW_D_TABLE))
			declare(hw_table_va(v & HW_D_OA), level + 1);
		if (v)
			put_write(0, pa + i * 8u, judged(v, level), NULL, 0);
	}
}

/* Before the first step: registers, tables as they are, and the root of every CPU. */
static void prelude(void)
{
	const unsigned bits = 12 + 9 * ex.geo->levels;

	begun = true;
	for (unsigned c = 0; c < ex.p->h.ncpu; c++) {
		put_sysreg(c, "vtcr_el2", 64 - bits);
		put_sysreg(c, "tcr_el2", 64 - bits);
		put_sysreg(c, "mair_el2", 0);
		put_sysreg(c, "hcr_el2", 0);
		put_sysreg(c, "sctlr_el2", 0);
	}
	declare(ex.space[0].pt.root, 4u - ex.geo->levels);
	for (unsigned c = 0; c < ex.p->h.ncpu; c++) {
		put_sysreg(c, "ttbr0_el2", hw_table_pa(ex.space[0].pt.root));
		put_sysreg(c, "sctlr_el2", 1);
	}
}

/* Its parser knows full barriers and DSB ISHST; a weaker one is not told, a wider one as ISH. */
static void put_barrier(const struct hw_trace *t)
{
	const char *kind = NULL;

	if (t->old == HW_ISB) {
		open_record("barrier", t->cpu);
		fputs(" isb", to);
		close_record(t->fn, t->line);
		return;
	}
	if (t->old == HW_DSB && t->cmp == HW_BAR_FULL)
		kind = t->val == HW_NSH ? "nsh" : "ish";
	else if (t->old == HW_DSB && t->cmp == HW_BAR_ST && t->val != HW_NSH)
		kind = "ishst";
	if (!kind)
		return;
	open_record("barrier", t->cpu);
	fprintf(to, " dsb (kind %s)", kind);
	close_record(t->fn, t->line);
}

/* The address with the same table indices in tables of 512 entries. */
static uint64_t spread(uint64_t va)
{
	const unsigned bits = ex.geo->table_bits;
	uint64_t v = 0;

	for (unsigned l = 0; l < ex.geo->levels; l++)
		v |= (va >> (12 + l * bits) & ((1u << bits) - 1)) << (12 + 9 * l);
	return v;
}

static void put_tlbi(const struct hw_trace *t, const char *op, const uint64_t *va)
{
	open_record("tlbi", t->cpu);
	fprintf(to, " %s", op);
	if (va)
		fprintf(to, " (value 0x%llx)", (unsigned long long)(spread(*va) >> 12));
	close_record(t->fn, t->line);
}

/* Pages and level hint of an operand by address (DDI 0487 C5.5). */
static uint64_t operand(unsigned op, uint64_t xt, uint64_t *va, unsigned *level)
{
	if (op < HW_TLBI_RVAE1) {
		*va = (xt & ((1ull << 44) - 1)) << 12;
		*level = hw.cfg.ttl && (xt >> 46 & 3) ? xt >> 44 & 3 : 0;
		return 1;
	}
	*va = (xt & ((1ull << 37) - 1)) << 12;
	*level = xt >> 37 & 3;
	return ((xt >> 39 & 31) + 1) << (5 * (xt >> 44 & 3) + 1);
}

static void put_invalidation(const struct hw_trace *t)
{
	const unsigned op = (unsigned)t->old & ~(unsigned)HW_TLBI_IS;
	const bool is = t->old & HW_TLBI_IS;
	bool leaf = op == HW_TLBI_VALE1 || op == HW_TLBI_VAALE1 || op == HW_TLBI_RVALE1 || op == HW_TLBI_RVAALE1;
	uint64_t va, n;
	unsigned level;

	if (op == HW_TLBI_VMALLE1 || op == HW_TLBI_ASIDE1) {
		put_tlbi(t, is ? "alle2is" : "alle2", NULL);
		return;
	}
	n = operand(op, t->val, &va, &level);
	if (!is || (level && level != 3))
		return; /* no word for a local one; a wrong hint promises nothing about entries of level 3 */
	leaf |= level == 3;
	if (n > MAX_PAGES) {
		put_tlbi(t, "alle2is", NULL);
		return;
	}
	for (; n--; va += 0x1000)
		put_tlbi(t, leaf ? "vale2is" : "vae2is", &va);
}

static void put_lock(const struct hw_trace *t, const char *what)
{
	open_record(what, t->cpu);
	fprintf(to, " (address 0x%llx)", (unsigned long long)(LOCK_PA + 8 * t->val));
	close_record(t->fn, t->line);
}

static void put_store(const struct hw_trace *t)
{
	if (hw_in_table(t->p) && (t->kind != HW_T_CMPXCHG || t->ok))
		put_write(t->cpu, hw_table_pa(t->p), judged(t->val, level_of(t->p)), t->fn, t->line);
}

static void on_trace(const struct hw_trace *t)
{
	if (!begun)
		prelude();
	switch (t->kind) {
	case HW_T_STORE:
	case HW_T_XCHG:
	case HW_T_CMPXCHG:
		put_store(t);
		break;
	case HW_T_BARRIER:
		put_barrier(t);
		break;
	case HW_T_TLBI:
		put_invalidation(t);
		break;
	case HW_T_ALLOC:
		if (t->p) {
			put_area("mem-init", t->cpu, hw_table_pa(t->p), t->fn, t->line);
			put_hint("set_owner_root", hw_table_pa(t->p), hw_table_pa(ex.space[0].pt.root), t->fn,
				 t->line);
		}
		break;
	case HW_T_CLEAR:
		put_area("mem-set", t->cpu, hw_table_pa(t->p), t->fn, t->line);
		break;
	case HW_T_FREE:
		put_area("mem-free", t->cpu, hw_table_pa(t->p), t->fn, t->line);
		break;
	case HW_T_LOCK:
		put_lock(t, "lock");
		break;
	case HW_T_UNLOCK:
		put_lock(t, "unlock");
		break;
	default: /* loads, hardware's accesses and updates, when stores become visible, secondary TLBs */
		break;
	}
}

static int export_to(FILE *f, struct prog *p, const struct pt_impl *impl)
{
	struct outcome o;

	to = f;
	begun = false;
	id = 0;
	hw.trace = on_trace;
	exec_run(p, impl, &o);
	hw.trace = NULL;
	fprintf(stderr, "ptdiff: export: %lu records; ptdiff says: %s\n", id, o.sig[0] ? o.sig : "agrees");
	return 0;
}

int cmd_export(const struct cmd_args *a)
{
	static struct prog p;
	const struct pt_impl *impl;
	FILE *f = stdout;
	int r = cmd_setup(a, &impl);

	if (r)
		return r;
	if (!a->format || strcmp(a->format, "casemate"))
		return cmd_fail(EXIT_USAGE, "export: --format: needs casemate");
	if ((r = cmd_read(&p, a->file[0])))
		return r;
	if (p.h.geo > HW_GEO_4K)
		return cmd_fail(EXIT_USAGE, "%s: casemate knows the 4K granule alone, and this is %s", a->file[0],
				prog_geo_name(p.h.geo));
	if (a->out && !(f = fopen(a->out, "w")))
		return cmd_fail(EXIT_OUTPUT, "%s: cannot be written", a->out);
	r = export_to(f, &p, impl);
	if (a->out && (ferror(f) | fclose(f)))
		return cmd_fail(EXIT_OUTPUT, "%s: cannot be written", a->out);
	return r;
}
