/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of the tables a finding is about, and the drawing that the replay makes of it.
 *
 * Property: marked are the store, access or address that the finding names, as they were at its step; what a finding of
 * numbers, return values or waiting has to do with tables is not drawn.
 */
#include "tree_priv.h"

static struct {
	bool found, done;
	uint64_t step;
	struct space *sp;
	unsigned cpu;
	const void *refused;
	struct hw_trace culprit, marked, load; /* kind HW_T_CTXSYNC: none */
	struct hw_access access;
	bool accessed;
} at;

void tree_begin(void)
{
	memset(&at, 0, sizeof(at));
	at.culprit.kind = at.marked.kind = at.load.kind = HW_T_CTXSYNC;
}

static bool changes_table(const struct hw_trace *t)
{
	switch (t->kind) {
	case HW_T_STORE:
	case HW_T_XCHG:
	case HW_T_CMPXCHG:
	case HW_T_CLEAR:
	case HW_T_ALLOC:
	case HW_T_FREE:
	case HW_T_DRAIN:
	case HW_T_SPURIOUS_AF:
		return in_arena(t->p);
	default:
		return false;
	}
}

/* The machine reports before it traces: the first event after a finding is what made it. */
void tree_event(const struct hw_trace *t)
{
	if (t->kind == HW_T_ACCESS && (!at.found || at.culprit.kind == HW_T_CTXSYNC)) {
		at.access = *t->access;
		at.accessed = true;
	}
	if (t->kind == HW_T_LOAD && !at.found && in_arena(t->p))
		at.load = *t;
	if (t->step == ex.mark && !at.found && changes_table(t))
		at.marked = *t;
	if (at.found && at.culprit.kind == HW_T_CTXSYNC && t->step == at.step &&
	    (changes_table(t) || t->kind == HW_T_ACCESS))
		at.culprit = *t;
}

void tree_finding(void)
{
	at.found = true;
	at.step = hw.step;
	at.sp = ex.sp;
	at.cpu = hw.cpu;
	at.refused = hw_refused();
	/* The machine reports in the middle of a step; what is found by comparing is found between two. */
	if (!strncmp(ex.out->sig, "access/", 7) || !strncmp(ex.out->sig, "state/", 6))
		replay_tables();
}

static void mark_access(const struct hw_access *a)
{
	char text[100] = "", who[16] = "";
	const void *root;
	unsigned asid;
	void *user;

	hw_get_context(a->agent, &user, &asid);
	root = a->va >> 55 & 1 ? hw_kernel_table() : user;
	tree_add_agents(who, sizeof(who), 1u << a->agent);
	tree_add(text, sizeof(text), "%s %s: ", who, a->write ? "writes" : a->fetch ? "fetches" : "reads");
	if (a->fault != HW_OK)
		tree_add(text, sizeof(text), "%s", hw_fault_str(a->fault));
	else
		tree_add(text, sizeof(text), "reaches pfn %#llx",
			 (unsigned long long)(a->pa >> ex.geo->page_shift));
	if (a->stale)
		tree_add(text, sizeof(text), " by %s",
			 a->fault == HW_FAULT_TRANSLATION ? "an earlier walk" : "what it has cached");
	tree_mark_va(root, a->va, text);
}

/* Where a cached table descriptor that leads to the frame was. */
static void mark_cached_links(unsigned frame)
{
	struct hw_frame_look f;
	struct hw_cached c;

	for (unsigned i = 0; hw_look_cached(&i, &c);) {
		const uint64_t *t = table_of(c.val, c.level);
		const void *root = c.asid == HW_ASID_KERNEL ? hw_kernel_table() : at.sp->pt.root;

		if (t && frame_of(t) == frame && hw_look_frame(frame_of(root), &f) && f.asid == c.asid)
			tree_mark(tree_locate(root, c.va, c.level), false, "led to table %u", frame);
	}
}

static void mark_event(const struct hw_trace *t)
{
	static const char *const words[] = {
		[HW_T_DRAIN] = "visible now, stored by cpu",
		[HW_T_SPURIOUS_AF] = "AF set by hardware of cpu",
		[HW_T_CLEAR] = "cleared by cpu",
		[HW_T_ALLOC] = "allocated by cpu",
		[HW_T_FREE] = "freed by cpu",
		[HW_T_CTXSYNC] = NULL,
	};
	const bool whole = t->kind == HW_T_CLEAR || t->kind == HW_T_ALLOC || t->kind == HW_T_FREE;

	if (t->kind == HW_T_ACCESS) {
		mark_access(&at.access);
		return;
	}
	tree_mark(t->p, whole, "%s%u, step %llu, %s:%d", words[t->kind] ? words[t->kind] : "stored by cpu", t->cpu,
		  (unsigned long long)t->step, t->fn ? t->fn : "hardware", t->line);
	if (t->kind == HW_T_FREE)
		mark_cached_links(frame_of(t->p));
}

static bool is_class(const struct outcome *o, const char *cls)
{
	return !strncmp(o->sig, cls, strlen(cls));
}

/* What the machine refused, or what was read and followed to no table, has no event. */
static void mark_refused(const struct outcome *o)
{
	if (is_class(o, "fixmap/") && !ex.about)
		tree_mark(at.refused, false, "cpu%u goes through it", at.cpu);
	if (strstr(o->sig, "/store-outside") || strstr(o->sig, "/freed-store"))
		tree_mark(at.refused, false, "cpu%u stores there", at.cpu);
	if ((strstr(o->sig, "/freed-read") || strstr(o->sig, "/not-a-table")) && at.load.kind == HW_T_LOAD)
		tree_mark(at.load.p, false, "cpu%u has read it before, and follows it", at.cpu);
}

static void mark_finding(const struct outcome *o)
{
	mark_refused(o);
	if (at.culprit.kind != HW_T_CTXSYNC && !is_class(o, "fixmap/"))
		mark_event(&at.culprit);
	else if (is_class(o, "access/") && at.accessed)
		mark_access(&at.access);
	if (ex.about)
		tree_mark_va(ex.about >> 55 & 1 ? hw_kernel_table() : at.sp->pt.root, ex.about, "the finding");
	if (at.marked.kind != HW_T_CTXSYNC && at.marked.step != at.step)
		mark_event(&at.marked);
	if (o->page >= 0)
		tree_mark_va(at.sp->pt.root, ex_addr((unsigned)o->page), "the finding");
}

/* What is not in the tables: numbers, return values, who waits. */
static bool is_about_tables(const char *sig)
{
	static const char *const cls[] = {"bbm/", "lifetime/", "fixmap/", "access/", "state/"};

	for (unsigned i = 0; i < sizeof(cls) / sizeof(cls[0]); i++)
		if (!strncmp(sig, cls[i], strlen(cls[i])))
			return true;
	return strstr(sig, "writable-and-executable") || !strncmp(sig, "value/walk/", 11) ||
	       strstr(sig, "cont-lost") || strstr(sig, "text-split");
}

void tree_of_finding(FILE *f, bool all)
{
	const char *sig = ex.out->sig;
	const bool lost = strstr(sig, "leak") != NULL;

	if (at.done || (!all && !is_about_tables(sig)))
		return;
	at.done = true;
	tree_reset();
	if (at.found)
		mark_finding(ex.out);
	if (!all && !tree_is_marked() && !lost)
		return;
	fprintf(f, "    %s:\n", all ? "all tables" : at.found ? "tables at this step" : "tables");
	tree_draw_around(f, all, lost, !strncmp(sig, "access/", 7) || strstr(sig, "unpublished"));
}
