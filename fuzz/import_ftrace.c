// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel traces as programs: kprobe events on the contpte functions of a real arm64 kernel (docs/import.md).
 *
 * Property: each traced page-table call appears as the same op with its real alignment, batch length,
 * permissions and physical contiguity. Single-entry stores are inlined in the kernel and leave no event; what an
 * event proves about them (its old value, a fold attempt) enters the picture instead.
 */
#include "import_priv.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "hw/hw.h"

#define TASKS	 256
#define TABLES	 1024 /* page tables known at a time: ptep -> address */
#define MAX_NR	 512
#define TEAR_MAX 16

/* Software bits of the kernel's arm64 descriptors (pgtable-prot.h). */
#define PTE_SWDIRTY (1ull << 55)
#define PTE_SPECIAL (1ull << 56)

/* What a task is doing: gives a meaning to unfolds by inlined single-entry helpers. */
enum doing { DO_NOTHING, DO_ZAP, DO_PROTECT, DO_FORK };

struct task {
	unsigned pid;
	enum doing doing;
	uint64_t fault_mm, fault_page;	   /* its last fault */
	uint64_t set_mm, set_page, set_nr; /* its last batched set: fold attempts in it are no news */
};

struct table {
	uint64_t ptep; /* kernel address of the table; 0: free */
	uint64_t mm, page;
};

struct ftrace {
	struct imp im;
	struct task task[TASKS];
	struct table table[TABLES];
	uint64_t last_page; /* of a single-entry ageing op */
	struct tear {
		enum op_kind kind;
		uint64_t page;
		unsigned nr;
	} tear[TEAR_MAX]; /* full=1 removals that wait for their neighbours */
	unsigned ntear;
	struct imp_mm *tear_mm;
};

struct event {
	struct ftrace *x;
	struct task *t;
	struct imp_mm *mm;
	const char *args;
	uint64_t page, pte, old;
	unsigned nr;
	bool full;
};

static bool get(const struct event *e, const char *key, uint64_t *v)
{
	const size_t n = strlen(key);

	for (const char *s = e->args; (s = strstr(s, key)); s += n) {
		char *end;

		if (s[n] != '=' || (s > e->args && s[-1] != ' '))
			continue;
		*v = strtoull(s + n + 1, &end, 0);
		return end > s + n + 1;
	}
	return false;
}

static uint64_t pte_pfn(uint64_t pte)
{
	return (pte & HW_D_OA) >> 12;
}

/* pte_write() is DBM; pte_dirty() is the software bit, or DBM with RDONLY clear. */
static uint8_t pte_flags(uint64_t pte)
{
	const bool w = pte & HW_D_DBM, d = pte & PTE_SWDIRTY || (w && !(pte & HW_D_RDONLY));

	return (uint8_t)((w ? IMP_W : 0) | (pte & HW_D_AF ? IMP_Y : 0) | (d ? IMP_D : 0) |
			 (pte & HW_D_UXN ? 0 : IMP_X) | (pte & PTE_SPECIAL ? IMP_S : 0) | IMP_P);
}

/* ---- where a ptep is ---- */

static struct table *table_slot(struct ftrace *x, uint64_t ptep)
{
	return &x->table[(ptep >> 12) * 0x9e3779b97f4a7c15ull >> 54];
}

static void note_table(struct ftrace *x, uint64_t ptep, uint64_t mm, uint64_t page)
{
	*table_slot(x, ptep) = (struct table){ptep >> 12, mm, page - (ptep & 0xfff) / 8};
}

static void find_ptep(struct event *e, uint64_t ptep)
{
	const struct table *t = table_slot(e->x, ptep);

	if (t->ptep != ptep >> 12)
		return;
	e->mm = imp_mm_get(&e->x->im, t->mm);
	e->page = t->page + (ptep & 0xfff) / 8;
}

/* ---- events ---- */

/* What `old` says: these entries are there, with frames that continue the first one's. */
static void assume_old(struct event *e)
{
	if (e->old & 1)
		imp_assume(&e->x->im, e->mm, e->page, e->nr, pte_pfn(e->old), pte_flags(e->old));
}

static void ev_set_ptes(struct event *e)
{
	struct imp *im = &e->x->im;

	if (!(e->pte & 1)) {
		if (e->pte)
			imp_act(im, e->mm, OP_set_marker, e->page, 1, 1);
		return;
	}
	imp_set(im, e->mm, e->page, e->nr, pte_pfn(e->pte), pte_flags(e->pte));
	imp_show(im, e->mm, e->page, e->nr);
	e->t->set_mm = e->mm->id;
	e->t->set_page = e->page;
	e->t->set_nr = e->nr;
}

/*
 * exit_mmap(): nothing may be mapped between the removals, so the window shows all their blocks first. Showing
 * may cut the program; what was shown before the cut is shown again in the new one, which has room for it.
 */
static void flush_tear(struct ftrace *x)
{
	struct imp_mm *mm = x->tear_mm;
	const unsigned n = x->ntear;

	x->ntear = 0;
	x->tear_mm = NULL;
	for (unsigned i = 0; i < 2 * n; i++)
		imp_show(&x->im, mm, x->tear[i % n].page, x->tear[i % n].nr);
	for (unsigned i = 0; i < n; i++)
		imp_act(&x->im, mm, x->tear[i].kind, x->tear[i].page, x->tear[i].nr, 2);
}

static unsigned tear_blocks(const struct ftrace *x)
{
	unsigned n = 0;

	for (unsigned i = 0; i < x->ntear; i++) {
		const struct tear *t = &x->tear[i];
		const uint64_t first = t->page / IMP_BLOCK, last = (t->page + t->nr - 1) / IMP_BLOCK;

		n += (unsigned)(last - first) + !(i && (t[-1].page + t[-1].nr - 1) / IMP_BLOCK == first);
	}
	return n;
}

static void remove_pages(struct event *e, enum op_kind kind)
{
	struct ftrace *x = e->x;

	/* A torn-down address space that goes on is a new process with the old one's mm_struct. */
	if (e->mm->torn && !e->full)
		imp_mm_clear(&x->im, e->mm);
	assume_old(e);
	if (!e->full) {
		imp_act(&x->im, e->mm, kind, e->page, e->nr, 0);
		return;
	}
	x->tear_mm = e->mm;
	x->tear[x->ntear++] = (struct tear){kind, e->page, e->nr};
	if (x->ntear < TEAR_MAX && tear_blocks(x) <= PROG_BLOCKS)
		return;
	x->ntear--; /* one too many: it begins the next group */
	if (x->ntear)
		flush_tear(x);
	x->tear_mm = e->mm;
	x->tear[x->ntear++] = (struct tear){kind, e->page, e->nr > PROG_BLOCKS / 2 * IMP_BLOCK ? IMP_BLOCK : e->nr};
}

static void ev_clear_full(struct event *e)
{
	remove_pages(e, OP_clear_full_ptes);
}

static void ev_get_clear_full(struct event *e)
{
	remove_pages(e, OP_get_and_clear_full_ptes);
}

static void ev_clear_flush(struct event *e)
{
	e->full = false;
	remove_pages(e, OP_ptep_clear_flush);
	if (e->t->fault_mm != e->mm->id || e->t->fault_page != e->page)
		return;
	/* wp_page_copy(): the copy follows, one frame of its own, by an inlined store. */
	imp_set(&e->x->im, e->mm, e->page, 1, e->page << 6 | e->page % IMP_BLOCK,
		IMP_W | IMP_Y | IMP_D | (pte_flags(e->old) & IMP_X));
	imp_show(&e->x->im, e->mm, e->page, 1);
}

static void ev_wrprotect(struct event *e)
{
	assume_old(e);
	imp_act(&e->x->im, e->mm, OP_wrprotect_ptes, e->page, e->nr, 0);
}

static void ev_clear_young_dirty(struct event *e)
{
	uint64_t flags = 0;

	get(e, "flags", &flags);
	assume_old(e);
	imp_act(&e->x->im, e->mm, OP_clear_young_dirty_ptes, e->page, e->nr, flags & 3);
}

/* Scans visit each entry of each block: the first two and the last of a stretch stand for all. */
static void scan(struct event *e, enum op_kind kind)
{
	struct ftrace *x = e->x;
	const unsigned off = (unsigned)(e->page % IMP_BLOCK);
	const bool next = x->last_page + 1 == e->page;

	assume_old(e);
	x->last_page = e->page;
	if (!next || off == 1 || off == IMP_BLOCK - 1)
		imp_act(&x->im, e->mm, kind, e->page, 1, 0);
}

static void ev_test_clear_young(struct event *e)
{
	scan(e, OP_ptep_test_and_clear_young);
}

static void ev_clear_flush_young(struct event *e)
{
	scan(e, OP_ptep_clear_flush_young);
}

static void read_entry(struct event *e, enum op_kind kind)
{
	uint64_t orig = 0;

	get(e, "orig", &orig);
	e->old = orig;
	if (e->mm->torn || e->x->ntear)
		return; /* the teardown's own look at the next entry */
	if (!(e->page == e->x->last_page + 1 && e->page % IMP_BLOCK > 1 && e->page % IMP_BLOCK < 15)) {
		assume_old(e);
		imp_act(&e->x->im, e->mm, kind, e->page, 1, 0);
	}
}

static void ev_ptep_get(struct event *e)
{
	read_entry(e, OP_ptep_get);
}

static void ev_ptep_get_lockless(struct event *e)
{
	read_entry(e, OP_ptep_get_lockless);
}

static void ev_set_access_flags(struct event *e)
{
	uint64_t entry = 0;

	get(e, "entry", &entry);
	assume_old(e);
	imp_act(&e->x->im, e->mm, OP_ptep_set_access_flags, e->page, 1, pte_flags(entry) & (IMP_W | IMP_Y | IMP_D));
}

/* Protection change of one entry. */
static void ev_prot_commit(struct event *e)
{
	uint64_t new = 0;
	uint8_t fl;

	get(e, "new", &new);
	if (!(e->old & 1) || !(new & 1) || pte_pfn(e->old) != pte_pfn(new))
		return;
	assume_old(e);
	fl = pte_flags(new);
	imp_act(&e->x->im, e->mm, OP_mprotect, e->page, 1, (fl & IMP_W ? 1 : 0) | (fl & IMP_X ? 2 : 0));
}

static void ev_fault(struct event *e)
{
	const struct imp_page *pg = imp_page_find(e->mm, e->page);
	uint64_t flags = 0;

	get(e, "flags", &flags);
	e->t->fault_mm = e->mm->id;
	e->t->fault_page = e->page;
	if (pg && pg->fl & IMP_P)
		imp_act(&e->x->im, e->mm, OP_touch, e->page, 1, flags & 1);
}

/* Fault-around on a file: single entries, stored inline; only the picture changes. */
static void ev_set_pte_range(struct event *e)
{
	e->mm = e->t->fault_mm ? imp_mm_get(&e->x->im, e->t->fault_mm) : NULL;
	if (e->mm)
		imp_assume(&e->x->im, e->mm, e->page, e->nr, e->page, IMP_X | IMP_Y);
}

/* Folding is tried after a store; outside a batched set that is the store of one entry, inlined. */
static void ev_try_fold(struct event *e)
{
	const struct task *t = e->t;
	const struct imp_page *pg = imp_page_find(e->mm, e->page);

	if (t->set_mm == e->mm->id && e->page >= t->set_page && e->page < t->set_page + t->set_nr)
		return;
	if (!(e->pte & 1) || (pg && pg->fl == pte_flags(e->pte) && pg->pfn == pte_pfn(e->pte)))
		return;
	imp_set(&e->x->im, e->mm, e->page, 1, pte_pfn(e->pte), pte_flags(e->pte));
	imp_show(&e->x->im, e->mm, e->page, 1);
}

/* Unfolding precedes an inlined change of one entry; the task's last system call says which. */
static void ev_try_unfold(struct event *e)
{
	e->old = e->pte;
	e->nr = 1;
	if (e->t->doing == DO_FORK) {
		ev_wrprotect(e);
	} else if (e->t->doing == DO_ZAP) {
		ev_clear_full(e);
	} else if (e->t->doing == DO_PROTECT) {
		assume_old(e);
		imp_act(&e->x->im, e->mm, OP_wrprotect_ptes, e->page, 1, 0);
	} else {
		remove_pages(e, OP_ptep_get_and_clear);
	}
}

/* ---- lines ---- */

enum { NEED_MM = 1, NEED_PTEP = 2, NEED_ADDR = 4 };

static const struct probe {
	const char *name;
	void (*fn)(struct event *e);
	unsigned need;
} probes[] = {
	{"set_ptes", ev_set_ptes, NEED_MM},
	{"clear_full", ev_clear_full, NEED_MM},
	{"get_clear_full", ev_get_clear_full, NEED_MM},
	{"wrprotect", ev_wrprotect, NEED_MM},
	{"clear_young_dirty", ev_clear_young_dirty, NEED_MM},
	{"test_clear_young", ev_test_clear_young, NEED_MM},
	{"clear_flush_young", ev_clear_flush_young, NEED_MM},
	{"set_access_flags", ev_set_access_flags, NEED_MM},
	{"set_access_flags1", ev_set_access_flags, NEED_MM},
	{"prot_commit", ev_prot_commit, NEED_MM},
	{"clear_flush", ev_clear_flush, NEED_MM},
	{"fault", ev_fault, NEED_MM},
	{"try_fold", ev_try_fold, NEED_MM},
	{"try_unfold", ev_try_unfold, NEED_MM},
	{"ptep_get", ev_ptep_get, NEED_PTEP},
	{"ptep_get_lockless", ev_ptep_get_lockless, NEED_PTEP},
	{"set_pte_range", ev_set_pte_range, NEED_ADDR},
};

/* Events that say how the kernel did it: the implementation under test does that its own way. */
static const char *const internals[] = {"convert",	"unfold_partial", "get_clear_full_ret",
					"ptep_get_ret", "pte_alloc",	  "pmd_alloc",
					"tlb_finish",	"copy_range",	  "tracing_mark_write"};

static const struct {
	const char *name;
	enum doing doing;
} syscalls[] = {{"sys_munmap(", DO_ZAP}, {"sys_mmap(", DO_ZAP},	      {"sys_madvise(", DO_ZAP},
		{"sys_brk(", DO_ZAP},	 {"sys_exit_group(", DO_ZAP}, {"sys_mprotect(", DO_PROTECT},
		{"sys_clone(", DO_FORK}, {"sys_mremap(", DO_NOTHING}, {"sys_execve(", DO_ZAP},
		{"sys_clone3(", DO_FORK}};

static bool parse_args(struct event *e, unsigned need)
{
	uint64_t v = 0, ptep = 0;

	e->nr = 1;
	get(e, "pte", &e->pte);
	get(e, "old", &e->old);
	e->full = get(e, "full", &v) && v;
	if (get(e, "nr", &v))
		e->nr = v > MAX_NR ? MAX_NR : (unsigned)v;
	if (need == NEED_PTEP) {
		if (get(e, "ptep", &ptep))
			find_ptep(e, ptep);
		return ptep;
	}
	if (!e->nr || !get(e, "addr", &v))
		return false;
	e->page = v >> 12;
	if (need == NEED_ADDR)
		return true;
	if (!get(e, "mm", &v))
		return false;
	e->mm = imp_mm_get(&e->x->im, v);
	if (e->mm && get(e, "ptep", &ptep))
		note_table(e->x, ptep, v, e->page);
	return e->mm;
}

/* Does this event end the group of removals that waits? Reads and more removals of the same mm do not. */
static bool ends_tear(const struct event *e, unsigned probe)
{
	const struct ftrace *x = e->x;
	const bool reads = probes[probe].need == NEED_PTEP;

	return x->ntear && (e->mm != x->tear_mm || !(e->full || reads));
}

static void run_event(struct event *e, const char *name, size_t n, unsigned cpu, const char *comm)
{
	struct imp *im = &e->x->im;

	for (unsigned i = 0; i < sizeof(internals) / sizeof(*internals); i++)
		if (strlen(internals[i]) == n && !memcmp(internals[i], name, n)) {
			im->st->noted++;
			return;
		}
	for (unsigned i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		if (strlen(probes[i].name) != n || memcmp(probes[i].name, name, n))
			continue;
		if (!parse_args(e, probes[i].need))
			break;
		if (probes[i].need == NEED_PTEP && !e->mm) { /* a table that no event has placed yet */
			im->st->noted++;
			return;
		}
		if (e->mm) {
			e->mm->cpu = cpu & 1;
			snprintf(e->mm->comm, sizeof(e->mm->comm), "%s", comm);
		}
		if (ends_tear(e, i))
			flush_tear(e->x);
		probes[i].fn(e);
		im->st->used++;
		return;
	}
	imp_skip(im);
}

static bool run_syscall(struct event *e, const char *s)
{
	for (unsigned i = 0; i < sizeof(syscalls) / sizeof(*syscalls); i++) {
		if (strncmp(s, syscalls[i].name, strlen(syscalls[i].name)))
			continue;
		e->t->doing = syscalls[i].doing;
		if (e->x->ntear)
			flush_tear(e->x);
		if (e->t->fault_mm || e->t->set_mm)
			imp_border(&e->x->im, imp_mm_get(&e->x->im, e->t->set_mm ? e->t->set_mm : e->t->fault_mm));
		e->x->im.st->used++;
		return true;
	}
	return false;
}

static struct task *task_get(struct ftrace *x, unsigned pid)
{
	struct task *t = &x->task[pid % TASKS];

	if (t->pid != pid)
		*t = (struct task){.pid = pid};
	return t;
}

/* "COMM-PID  [CPU] FLAGS  TIME: EVENT: (...) ARGS": finds where EVENT begins. */
static char *split_line(char *s, char *comm, size_t cap, unsigned *pid, unsigned *cpu)
{
	char *br = strstr(s, " ["), *end, *dash;

	while (br && !isdigit((unsigned char)br[2]))
		br = strstr(br + 2, " [");
	if (!br)
		return NULL;
	*cpu = (unsigned)strtoul(br + 2, &end, 10);
	if (*end != ']')
		return NULL;
	for (dash = br; dash > s && *dash != '-';)
		dash--;
	if (*dash != '-' || !isdigit((unsigned char)dash[1]))
		return NULL;
	*pid = (unsigned)strtoul(dash + 1, NULL, 10);
	s += strspn(s, " ");
	snprintf(comm, cap, "%.*s", (int)(dash > s ? dash - s : 0), s);
	for (char *c = comm; *c; c++)
		*c = isgraph((unsigned char)*c) ? *c : '_';
	end = strstr(end, ": ");
	return end ? end + 2 : NULL;
}

/* Phases of a recording share nothing: addresses of tables and mm_structs start afresh. */
static void begin_phase(struct ftrace *x, const char *name)
{
	if (x->ntear)
		flush_tear(x);
	for (struct imp_mm *mm = x->im.mms; mm; mm = mm->next)
		imp_mm_clear(&x->im, mm);
	memset(x->table, 0, sizeof(x->table));
	memset(x->task, 0, sizeof(x->task));
	if (name)
		snprintf(x->im.phase, sizeof(x->im.phase), "%.31s", name);
}

static void parse_comment(struct ftrace *x, const char *s)
{
	x->im.st->noted++;
	if (strstr(s, "RUN "))
		begin_phase(x, NULL);
	if (strstr(s, "no HAFDBS"))
		x->im.update = HW_UPD_NONE;
	else if (strstr(s, "HAFDBS"))
		x->im.update = HW_UPD_AF_DIRTY;
}

static void parse_line(struct ftrace *x, char *s)
{
	struct event e = {.x = x};
	unsigned pid = 0, cpu = 0;
	char comm[32];
	size_t n;

	if (!*s || *s == '#') {
		parse_comment(x, s);
		return;
	}
	if (!strncmp(s, "@@PHASE ", 8)) {
		begin_phase(x, s + 8);
		x->im.st->noted++;
		return;
	}
	s = split_line(s, comm, sizeof(comm), &pid, &cpu);
	if (!s) {
		imp_skip(&x->im);
		return;
	}
	e.t = task_get(x, pid);
	n = strcspn(s, ":(");
	e.args = s + n;
	if (s[n] == ':')
		run_event(&e, s, n, cpu, comm);
	else if (!run_syscall(&e, s))
		imp_skip(&x->im);
}

int import_ftrace(const char *path, const char *outdir, struct import_stats *st, char *err, size_t errcap)
{
	struct ftrace *x = calloc(1, sizeof(*x));
	char *s;
	int ret;

	if (!x) {
		snprintf(err, errcap, "%s: out of memory; nothing was read", path);
		return -1;
	}
	ret = imp_open(&x->im, "ftrace", path, outdir, st, err, errcap);
	if (!ret) {
		while ((s = imp_getline(&x->im)))
			parse_line(x, s);
		if (x->ntear)
			flush_tear(x);
		ret = imp_close(&x->im, "record with the kprobes that docs/import.md lists");
	}
	free(x);
	return ret;
}
