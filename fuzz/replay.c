/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Replay: the step trace and the pictures.
 *
 * Property: what is printed is what happened; printing changes nothing (a replay has the outcome and hash of
 * the plain run). The first passes find the step, the last
 * marks it with ">>>".
 */
#include "callers/kernel.h"
#include "exec_internal.h"
#include "hw/tables.h"
#include "tree.h"

#include <stdio.h>
#include <string.h>

static bool show_steps, all_tables;

/* "0.3" for an entry of the window, "table 2[17]" for anything else. */
static void place(char *buf, size_t cap, const void *ptr)
{
	unsigned half = 2 * ex.cont, n = 1u << ex.geo->table_bits;
	uint64_t pa;

	for (unsigned t = 0; t < 2; t++) {
		const uint64_t *p = ptr, *lo = ex.sp->leaf[t] ? ex.sp->leaf[t] + (t ? 0 : n - half) : NULL;

		if (lo && p >= lo && p < lo + half) {
			unsigned page = (unsigned)(p - lo) + t * half;

			snprintf(buf, cap, "%u.%u", page / ex.cont, page % ex.cont);
			return;
		}
	}
	for (unsigned t = 0; t < 2; t++) {
		const uint64_t *p = ptr, *lo = ex.kernel.leaf[t] ? ex.kernel.leaf[t] + (t ? 0 : n - half) : NULL;

		if (lo && p >= lo && p < lo + half) {
			unsigned page = (unsigned)(p - lo) + t * half;

			snprintf(buf, cap, "kernel %u.%u", page / ex.cont, page % ex.cont);
			return;
		}
	}
	for (unsigned t = 0; t < HW_MAX_CPU; t++) {
		if (ptr == &ex.task[t].pt.flags) {
			snprintf(buf, cap, "flags of task %u", t);
			return;
		}
	}
	if (!ptr) {
		snprintf(buf, cap, "-");
		return;
	}
	pa = hw_table_pa(ptr);
	snprintf(buf, cap, "table %llu[%llu]", (unsigned long long)(pa >> HW_FRAME_SHIFT),
		 (unsigned long long)((pa & ((1u << HW_FRAME_SHIFT) - 1)) / 8));
}

/* Level of the table that an entry is in; 3 for what is none. */
static int level_of(const void *p)
{
	const uint64_t frame = p ? hw_table_pa(p) >> HW_FRAME_SHIFT : HW_MAX_FRAMES;
	struct hw_frame_look f;

	return frame < HW_MAX_FRAMES && hw_look_frame((unsigned)frame, &f) ? f.level : 3;
}

static void descriptor(char *buf, size_t cap, const void *p, uint64_t d)
{
	uint64_t v;

	if (!d) {
		snprintf(buf, cap, "none");
		return;
	}
	if (hw_is_poison(d)) {
		snprintf(buf, cap, "never written");
		return;
	}
	if ((d & 3) == 3 && level_of(p) < 3) {
		snprintf(buf, cap, "to table %llu", (unsigned long long)((d & HW_D_OA) >> HW_FRAME_SHIFT));
		return;
	}
	if (!(d & HW_D_VALID)) {
		snprintf(buf, cap, "invalid %#llx", (unsigned long long)d);
		return;
	}
	v = ex.impl->entry_read(d);
	snprintf(buf, cap, "pfn %#llx%s%s%s%s", (unsigned long long)PT_PFN(v), v & PT_WRITE ? " rw" : " ro",
		 d & HW_D_AF ? " AF" : "", v & PT_DIRTY ? " dirty" : "", d & HW_D_CONT ? " CONT" : "");
}

static const char *const kind_names[] = {
	[HW_T_LOAD] = "load",	    [HW_T_STORE] = "store",	[HW_T_XCHG] = "xchg",
	[HW_T_CMPXCHG] = "cmpxchg", [HW_T_BARRIER] = "barrier", [HW_T_TLBI] = "tlbi",
	[HW_T_NOTIFY] = "notify",   [HW_T_ALLOC] = "alloc",	[HW_T_FREE] = "free",
	[HW_T_CLEAR] = "clear",	    [HW_T_LOCK] = "lock",	[HW_T_UNLOCK] = "unlock",
	[HW_T_DRAIN] = "drain",	    [HW_T_ACCESS] = "access",	[HW_T_SPURIOUS_AF] = "hw-AF",
	[HW_T_CTXSYNC] = "sync",
};

static void barrier_text(char *buf, size_t cap, const struct hw_trace *t)
{
	static const char *const dom[] = {"nsh", "ish", "osh", ""}, *const type[] = {"", "st", "ld"};

	if (t->old == HW_ISB)
		snprintf(buf, cap, "isb");
	else if (t->val == HW_SY)
		snprintf(buf, cap, "%s %s", t->old == HW_DSB ? "dsb" : "dmb", t->cmp ? type[t->cmp % 3] : "sy");
	else
		snprintf(buf, cap, "%s %s%s", t->old == HW_DSB ? "dsb" : "dmb", dom[t->val % 4], type[t->cmp % 3]);
}

static void access_text(char *buf, size_t cap, const struct hw_access *a)
{
	unsigned page = (unsigned)((a->va - ex.va) >> ex.geo->page_shift) & (PROG_BLOCKS * ex.cont - 1);
	int n = snprintf(buf, cap, "%s %s%u.%u by %s: ",
			 a->write   ? "write"
			 : a->fetch ? "fetch"
				    : "read",
			 a->priv ? "kernel " : "", page / ex.cont, page % ex.cont,
			 a->agent == HW_SMMU ? "the SMMU" : "CPU");

	if (n < 0 || (size_t)n >= cap)
		return;
	if (a->fault != HW_OK)
		snprintf(buf + n, cap - (size_t)n, "%s fault, level %d%s", hw_fault_str(a->fault), a->level,
			 a->stale ? " (cached walk)" : "");
	else
		snprintf(buf + n, cap - (size_t)n, "pfn %#llx%s%s%s%s",
			 (unsigned long long)(a->pa >> ex.geo->page_shift), a->stale ? ", cached translation" : "",
			 a->set_af ? ", sets AF" : "", a->set_dirty ? ", sets dirty" : "",
			 a->recorded || a->recorded_dirty ? "" : ", leaves no trace");
}

static void step_text(char *buf, size_t cap, const struct hw_trace *t)
{
	char at[40], from[96], to[96];

	place(at, sizeof(at), t->p);
	descriptor(from, sizeof(from), t->p, t->old);
	descriptor(to, sizeof(to), t->p, t->val);
	switch (t->kind) {
	case HW_T_LOAD:
		snprintf(buf, cap, "%-8s %s: %s", kind_names[t->kind], at, from);
		break;
	case HW_T_STORE:
	case HW_T_XCHG:
	case HW_T_DRAIN:
	case HW_T_SPURIOUS_AF:
		snprintf(buf, cap, "%-8s %s: %s -> %s", kind_names[t->kind], at, from, to);
		break;
	case HW_T_CMPXCHG:
		snprintf(buf, cap, "%-8s %s: %s -> %s%s", kind_names[t->kind], at, from, to,
			 t->ok ? "" : " (failed)");
		break;
	case HW_T_BARRIER:
		barrier_text(buf, cap, t);
		break;
	case HW_T_TLBI:
		snprintf(buf, cap, "%-8s %s %#llx", "tlbi", hw_tlbi_str((unsigned)t->old),
			 (unsigned long long)t->val);
		break;
	case HW_T_ACCESS:
		access_text(buf, cap, t->access);
		break;
	default:
		snprintf(buf, cap, "%-8s %s", kind_names[t->kind], t->p ? at : "");
		break;
	}
}

static bool is_machine_event(const struct hw_trace *t)
{
	return t->kind == HW_T_ACCESS || t->kind == HW_T_DRAIN || t->kind == HW_T_SPURIOUS_AF ||
	       t->kind == HW_T_CTXSYNC;
}

void replay_hw(const struct hw_trace *t)
{
	char line[400];
	unsigned cpu = t->kind == HW_T_ACCESS ? t->access->agent : t->cpu;

	if (!ex.log)
		return;
	tree_event(t);
	if (!show_steps || t->kind == HW_T_CTXSYNC)
		return;
	step_text(line, sizeof(line), t);
	fprintf(ex.log, "%s%6llu %s%u %s%s", t->step == ex.mark && !is_machine_event(t) ? ">>>" : "   ",
		(unsigned long long)t->step, is_machine_event(t) ? "* agent" : "cpu", cpu, line,
		t->fn && !is_machine_event(t) ? "" : "\n");
	if (t->fn && !is_machine_event(t))
		fprintf(ex.log, "  (%s:%d)\n", t->fn, t->line);
}

/* One character an entry: what the table holds (own A/D of each descriptor). */
static char entry_char(uint64_t raw)
{
	uint64_t v;

	if (!raw)
		return '.';
	if (!(raw & HW_D_VALID))
		return 'm';
	v = ex.impl->entry_read(raw);
	if (v & PT_DIRTY)
		return 'D';
	return v & PT_YOUNG ? 'a' : 'o';
}

static char spec_char(const struct ref_version *v)
{
	if (v->val.kind != REF_PRESENT)
		return v->val.kind == REF_NONE ? '.' : 'm';
	if (v->dirty.must)
		return 'D';
	if (v->dirty.may)
		return 'd';
	return v->young.must ? 'A' : v->young.may ? 'a' : 'o';
}

static void draw_block(unsigned b)
{
	char table[EX_MAX_CONT + 1] = "", spec[EX_MAX_CONT + 1] = "";
	bool cont = false, used = false;

	for (unsigned i = 0; i < ex.cont; i++) {
		const uint64_t *p = ex_ptep(b * ex.cont + i);
		uint64_t raw = p ? hw_peek(p) : 0;

		table[i] = entry_char(raw);
		spec[i] = spec_char(ref_now(&ex.sp->mm, b * ex.cont + i));
		cont |= (raw & HW_D_VALID) && (raw & HW_D_CONT);
		used |= table[i] != '.' || spec[i] != '.';
	}
	if (used)
		fprintf(ex.log, "      block %u  table %c%s%c  spec |%s|%s\n", b, cont ? '[' : '|', table,
			cont ? ']' : '|', spec, cont ? "  folded" : "");
}

static char kernel_char(uint64_t raw)
{
	if (!(raw & HW_D_VALID))
		return raw ? '?' : '.';
	return raw & HW_D_RDONLY ? 'r' : 'w';
}

static char kernel_spec_char(const struct ref_k_version *v)
{
	if (!ref_k_present(v))
		return '.';
	return v->visible == REF_NEVER ? 'q' : v->val.write ? 'w' : 'r';
}

/* Kernel entries: r, w; the specification also q: set, and not published yet. */
void replay_kernel(void)
{
	for (unsigned b = 0; b < PROG_BLOCKS; b++) {
		char table[EX_MAX_CONT + 1] = "", spec[EX_MAX_CONT + 1] = "";
		bool used = false;

		for (unsigned i = 0; i < ex.cont; i++) {
			const uint64_t *p = kernel_ptep(b * ex.cont + i);

			table[i] = kernel_char(p ? hw_peek(p) : 0);
			spec[i] = kernel_spec_char(ref_k_now(&ex.kernel.ref, b * ex.cont + i));
			used |= table[i] != '.' || spec[i] != '.';
		}
		if (used)
			fprintf(ex.log, "      kernel block %u  table |%s|  spec |%s|\n", b, table, spec);
	}
}

void replay_tables(void)
{
	tree_of_finding(ex.log, all_tables);
}

void replay_op(const struct rec *r)
{
	char line[200];

	prog_print_rec(ex.p, r, line, sizeof(line));
	fprintf(ex.log, "op %u: %s\n", ex.cur->op.rec, line);
}

/* What became of the request: clipped to what is legal, skipped, or not offered. */
void replay_result(const struct rec *r, const struct rec *eff, int result)
{
	char asked[200], done[200];

	if (ex.stop)
		replay_tables();
	if (result <= 0) {
		fprintf(ex.log, "    (%s)\n", result ? "this implementation lacks it" : "skipped: nowhere legal");
		return;
	}
	prog_print_rec(ex.p, r, asked, sizeof(asked));
	prog_print_rec(ex.p, eff, done, sizeof(done));
	if (strcmp(asked, done) != 0)
		fprintf(ex.log, "    (done as: %s)\n", done);
}

void replay_blocks(void)
{
	for (unsigned b = 0; b < PROG_BLOCKS; b++)
		draw_block(b);
}

/*
 * Where did it go wrong? A lost or invented bit, or a wrong entry, is found when the op that owes it ends; the step that
 * made the difference is the last one at which the page's entry, as the table shows it, took its final answer.
 */
static struct {
	int page;
	uint64_t last, answer, step;
} watch;

static uint64_t table_answer(unsigned page)
{
	const uint64_t *p = ex_ptep(page);
	uint64_t raw = p ? hw_peek(p) : 0, v;

	if (!raw)
		return 0;
	v = ex.impl->entry_read(raw);
	for (unsigned i = 0; (raw & HW_D_VALID) && (raw & HW_D_CONT) && i < ex.cont; i++) {
		uint64_t sib = hw_peek(p - page % ex.cont + i);

		if ((sib & HW_D_VALID) && (sib & HW_D_CONT))
			v |= ex.impl->entry_read(sib) & (PT_YOUNG | PT_DIRTY);
	}
	return v;
}

/* A break in progress answers nothing: the step that matters is the one that puts the wrong answer there. */
static void watch_step(const struct hw_trace *t)
{
	uint64_t a = table_answer((unsigned)watch.page);

	if (a == watch.last || t->step > watch.answer)
		return;
	watch.last = a;
	watch.step = t->step;
}

static uint64_t find_step(struct prog *p, const struct pt_impl *impl, struct outcome *out)
{
	if (!out->sig[0])
		return ~0ull;
	if (out->page < 0 || (strncmp(out->sig, "ad/", 3) != 0 && strncmp(out->sig, "state/", 6) != 0))
		return out->step;
	watch.page = out->page;
	watch.last = 0;
	watch.answer = watch.step = out->step;
	hw.trace = watch_step;
	exec_run(p, impl, out);
	hw.trace = NULL;
	return watch.step;
}

void exec_replay(struct prog *p, const struct pt_impl *impl, struct outcome *out, FILE *f, unsigned what)
{
	exec_run(p, impl, out);
	ex.mark = find_step(p, impl, out);
	ex.log = f;
	show_steps = what & REPLAY_STEPS;
	all_tables = what & REPLAY_TABLES;
	tree_begin();
	hw.trace = replay_hw;
	if (show_steps)
		fprintf(f, "entries: . none  m marker  o old  a young  D dirty; [ ] folded, | | not; "
			   "spec: D must be dirty, d may be, A must be young, a may be\n");
	exec_run(p, impl, out);
	if (out->sig[0] || all_tables)
		replay_tables();
	hw.trace = NULL;
	ex.log = NULL;
}
