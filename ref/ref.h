/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The specification: what callers of the page-table operations may rely on, and nothing else.
 *
 * Property: after any sequence of legal operations every access, every returned value and every entry left
 * behind is explained by a version of the page that was live in its window, and access/dirty answers lie
 * between what must and what may have been recorded.
 *
 * There are no descriptors, translation caches or barriers here, and no code shared with impl/ or hw/. State is one
 * short history of versions a page. Read contracts.c for the contracts; ref.c is the mechanism under them.
 */
#ifndef REF_REF_H
#define REF_REF_H

#include <stdbool.h>
#include <stdint.h>

#define REF_MAX_PAGES 512 /* pages of the window: 4 blocks of at most 128 */
#define REF_BLOCKS    4
#define REF_TABLES    2 /* tables of the window, two blocks each; each has a lock of its own */
#define REF_RING      4 /* versions remembered a page */
#define REF_NEVER     UINT32_MAX
#define REF_WORDS     (REF_MAX_PAGES / 64) /* of a set with a bit a page */

enum ref_kind {
	REF_NONE,    /* nothing there */
	REF_PRESENT, /* maps a page */
	REF_PAYLOAD, /* swap entry or marker */
};

struct ref_val {
	uint64_t pfn;	/* REF_PRESENT: page frame; REF_PAYLOAD: the payload */
	uint16_t folio; /* REF_PRESENT: which folio the page belongs to */
	uint8_t kind;	/* enum ref_kind */
	bool write, exec, special;
	bool protnone; /* REF_PRESENT for software only: no hardware access */
	bool pad;      /* zero, so that equal values are equal bytes but for the folio */
};
_Static_assert(sizeof(struct ref_val) == 16, "two words");

/* Surely the same, folio aside? False decides nothing: flags mean nothing in a payload. */
static inline bool ref_val_equal(const struct ref_val *a, const struct ref_val *b)
{
	static const struct ref_val folio = {.folio = UINT16_MAX};
	uint64_t x[2], y[2], ignore[2];

	__builtin_memcpy(x, a, sizeof(x));
	__builtin_memcpy(y, b, sizeof(y));
	__builtin_memcpy(ignore, &folio, sizeof(ignore));
	return !((x[0] ^ y[0]) | ((x[1] ^ y[1]) & ~ignore[1]));
}

/* Knowledge about one of access/dirty of one version. */
struct ref_ad {
	bool must;	    /* recorded, and nobody has collected it: an answer "no" loses it */
	bool may;	    /* could have been recorded, or spread here from the same folio */
	bool ev, ev_must;   /* the same, from hardware events inside the operation now open */
	uint32_t loose;	    /* collected in that section: until the next one records may still vanish */
	uint32_t may_until; /* last time `may` held (lockless readers look back) */
};

/* One cache line: an execution looks at many. */
struct ref_version {
	struct ref_val val;
	struct ref_ad young, dirty;
	uint32_t born;		  /* begin of the operation that installed it */
	uint32_t gone_from;	  /* begin of the operation that replaced it, or REF_NEVER */
	uint32_t gone;		  /* its end: no longer in the table */
	uint32_t dead;		  /* end of the flush that was promised: nobody may use it after, or REF_NEVER */
	uint8_t by;		  /* operation that installed it */
	uint8_t gone_by, dead_by; /* operations that replaced it and whose flush ended it */
};

struct ref_page {
	uint32_t gen; /* state is valid for this execution only if it equals ref_mm.gen */
	uint8_t head, n;
	bool lost; /* a version that nobody had flushed fell out of the ring: legal widening */
};

struct ref_block {
	uint32_t written; /* end of the last operation that changed a page of the block */
	unsigned present; /* pages that map something */
	bool any_ad;	  /* some page has, or had since the block was last empty, A/D that may spread */
	bool teardown;	  /* full=1 removal has begun: every entry will be cleared before the flush */
};

/* What an operation's return value means. */
enum ref_ret {
	REF_RET_VOID,
	REF_RET_ENTRY,	  /* the entry of page, A/D merged over the range */
	REF_RET_YOUNG,	  /* a truth value about the access flag */
	REF_RET_LOCKLESS, /* the entry as of some moment of the window */
};

/* An operation: arguments in, then what its contract declares. */
struct ref_op {
	uint8_t id;		  /* opaque name of the operation, given back as debtor */
	unsigned page;		  /* first page */
	unsigned nr;		  /* pages */
	unsigned max_nr;	  /* set: pages left in the folio */
	struct ref_val val;	  /* set: first page's value, pfn advances */
	bool young, dirty, write; /* flags of the entry or of what is cleared */
	bool full;		  /* teardown: no user left, flush may come at the end of everything */
	uint32_t since, before;	  /* flush: it covers what was gone between these times; 0: before it began */
	/* declared by the contract */
	enum ref_ret ret;
	bool changes; /* replaces versions (opens "either" for the range) */
	bool flushes; /* only a flush: needs no lock and opens nothing */
	bool collects_young, collects_dirty;
	bool removes;		     /* collects by removal: nothing can be recorded afterwards */
	unsigned flush_lo, flush_hi; /* pages for which the operation itself promises a completed flush */
	/* filled by the mechanism */
	uint32_t begin;
	uint32_t horizon; /* lockless: begin of the window (a section then open has published nothing yet) */
	unsigned lo, hi;  /* blocks of the range, in pages */
	bool raced;	  /* lockless: a writer touched the block meanwhile */
	bool must_young, must_dirty;
	bool events; /* hardware recorded something inside it */
};

/* An entry as observed through an implementation. */
struct ref_obs {
	struct ref_val val; /* folio unused */
	bool young, dirty;
};

struct ref_verdict {
	const char *cls; /* NULL: explained */
	const char *what;
	uint8_t debtor; /* operation that owes */
	uint64_t page;	/* of the window or of the kernel's half, whose pages take 40 bits */
};

/* Legal differences that the mechanism counts when it uses them. */
enum ref_legal {
	REF_L_BEFORE_FLUSH,   /* an old translation used before the promised flush */
	REF_L_UNRECORDED,     /* a cached entry served an access and left no trace */
	REF_L_SPURIOUS_FAULT, /* a user access faulted although the entry permits it; the handler cures it */
	REF_L_TRANSIENT_NONE, /* a lockless reader saw nothing while a writer converted the block */
	REF_L_UNDER_REPORT,   /* a lockless reader missed A/D while a writer was in the block */
	REF_L_SPREAD,	      /* A/D of another page of the folio was reported for this one */
	REF_L_WIDENED,	      /* ageing or cleaning collected for neighbours of the folio */
	REF_L_IN_FLIGHT, /* a record made just after cleaning, while the cleaning's stores are still on their way */
	REF_L_TEARDOWN_FLUSH, /* a flush inside a half cleared block promises nothing yet */
	REF_L_RING,	      /* version history overflowed */
	REF_NLEGAL
};

struct ref_mm {
	unsigned npages, cont; /* pages of the window; pages of a contiguous block */
	unsigned cont_bits;    /* log2 of the latter */
	uint32_t gen;
	uint32_t now; /* advances with every call */
	/* Of each table, whose lock makes one section after another: */
	uint32_t section[REF_TABLES];	 /* number of times it was taken (or an operation begun without) */
	uint32_t held_since[REF_TABLES]; /* when it was taken, 0: free */
	struct ref_op *open[REF_TABLES]; /* the one inside its operation, or NULL */
	struct ref_block block[REF_BLOCKS];
	uint64_t legal[REF_NLEGAL];
	/* Sets of pages: those that map something; that hold anything; whose entry must be checked, because since
	 * ref_take_changed() what it has to answer for may have changed, or ref_recheck() asked for it. */
	uint64_t present[REF_WORDS], used[REF_WORDS], changed[REF_WORDS];
	struct ref_page page[REF_MAX_PAGES];
	_Alignas(64) struct ref_version ring[REF_MAX_PAGES][REF_RING];
};

void ref_reset(struct ref_mm *mm, unsigned cont);

extern const struct ref_version ref_never_mapped;

/* The version now in force (the target, while an operation that changes the page is open). */
static inline const struct ref_version *ref_now(const struct ref_mm *mm, unsigned page)
{
	const struct ref_page *pg = &mm->page[page];

	return pg->gen == mm->gen ? &mm->ring[page][pg->head] : &ref_never_mapped;
}

static inline bool ref_in_set(const uint64_t *set, unsigned page)
{
	return set[page / 64] >> (page % 64) & 1;
}

static inline bool ref_present(const struct ref_mm *mm, unsigned page)
{
	return ref_in_set(mm->present, page);
}

static inline bool ref_used(const struct ref_mm *mm, unsigned page)
{
	return ref_in_set(mm->used, page);
}

static inline unsigned ref_table_of(const struct ref_mm *mm, unsigned page)
{
	return page >> mm->cont_bits >> 1;
}

static inline unsigned ref_block_of(const struct ref_mm *mm, unsigned page)
{
	return page >> mm->cont_bits;
}

/* The first page of the set in [page, end), or end. */
static inline unsigned ref_next(const uint64_t *set, unsigned page, unsigned end)
{
	while (page < end) {
		uint64_t rest = set[page / 64] >> (page % 64);

		if (rest) {
			page += (unsigned)__builtin_ctzll(rest);
			return page < end ? page : end;
		}
		page = (page | 63) + 1;
	}
	return end;
}

/* Can anybody still use an older translation of the page? The caller must flush before it maps anew. */
bool ref_lingers(const struct ref_mm *mm, unsigned page);
/* Can anybody still reach page frame `pfn` through an older translation of the page, installed after time `after`? */
bool ref_lingers_at(const struct ref_mm *mm, unsigned page, uint64_t pfn, uint32_t after);

/* Did the page map frame `pfn` at some moment after time `since`? */
bool ref_mapped_since(const struct ref_mm *mm, unsigned page, uint64_t pfn, uint32_t since);

static inline bool ref_in_teardown(const struct ref_mm *mm, unsigned page)
{
	const struct ref_block *b = &mm->block[ref_block_of(mm, page)];

	return b->teardown && b->present;
}

typedef void (*ref_contract)(struct ref_mm *mm, struct ref_op *op);
typedef bool (*ref_clip)(const struct ref_mm *mm, struct ref_op *op);

/* The lock of a table is taken and released: what a section changed is visible to others from its release on. */
void ref_lock(struct ref_mm *mm, unsigned table);
void ref_unlock(struct ref_mm *mm, unsigned table);

/* Around an operation. begin: runs the contract. end: judges what it returned (NULL: void). */
void ref_begin(struct ref_mm *mm, struct ref_op *op, ref_contract contract);
struct ref_verdict ref_end(struct ref_mm *mm, struct ref_op *op, const struct ref_obs *ret);

/* The entry of `page` is to be checked again: the table shows something else. */
static inline void ref_recheck(struct ref_mm *mm, unsigned page)
{
	mm->changed[page / 64] |= 1ull << (page % 64);
}

/* The pages of the set in [page, end) up to the end of its word, as bits of that word; they leave the set. */
static inline uint64_t ref_take_changed(struct ref_mm *mm, unsigned page, unsigned end)
{
	const unsigned n = end - (page & ~63u);
	const uint64_t range = ~0ull << (page % 64) & (n < 64 ? (1ull << n) - 1 : ~0ull),
		       got = mm->changed[page / 64] & range;

	mm->changed[page / 64] &= ~range;
	return got;
}

/* Could this have been recorded, and is what must have been? (no operation is open) */
static inline bool ref_ad_explained(const struct ref_ad *ad, bool seen)
{
	return seen ? ad->may | ad->ev : !ad->must;
}

/* Is what the table shows for `page` surely as specified, when no operation is open (or the open one has just ended)? If
 * not, ref_check_entry() decides and says how. */
static inline bool ref_entry_explained(const struct ref_mm *mm, unsigned page, const struct ref_obs *o)
{
	const struct ref_version *v = ref_now(mm, page);

	return ref_val_equal(&v->val, &o->val) &&
	       (v->val.kind != REF_PRESENT ||
		(ref_ad_explained(&v->young, o->young) && ref_ad_explained(&v->dirty, o->dirty)));
}
/* What the table shows for `page` when no operation is open (or the open one has just ended). */
struct ref_verdict ref_check_entry(struct ref_mm *mm, unsigned page, const struct ref_obs *o, uint8_t op);

/* A hardware access happened. `cached`: served from a cached translation. */
struct ref_verdict ref_access(struct ref_mm *mm, unsigned page, bool write, bool ok, uint64_t pfn, bool cached);
/* The table shows a record of an access to `page`: of the access, of a write. `cached`: it was served from a cached
 * translation, so another access has left it. */
void ref_recorded(struct ref_mm *mm, unsigned page, bool young, bool dirty, bool cached);
/* Hardware may have set the access flag without an access. */
void ref_speculated(struct ref_mm *mm, unsigned page);

/* Contracts (contracts.c): clip says whether an op is legal near its page and moves it there; the contract
 * declares what callers may rely on. */
/* clang-format off */
#define REF_OPS(X)                  \
	X(set_ptes)                 \
	X(set_marker)               \
	X(ptep_get)                 \
	X(ptep_get_lockless)        \
	X(ptep_get_and_clear)       \
	X(ptep_get_and_clear_full)  \
	X(get_and_clear_full_ptes)  \
	X(clear_full_ptes)          \
	X(ptep_clear_flush)         \
	X(wrprotect_ptes)           \
	X(ptep_set_access_flags)    \
	X(ptep_test_and_clear_young) \
	X(ptep_clear_flush_young)   \
	X(test_and_clear_young_ptes) \
	X(clear_flush_young_ptes)   \
	X(clear_young_dirty_ptes)   \
	X(modify_prot_start_ptes)   \
	X(modify_prot_commit_ptes)  \
	X(flush_tlb_range)
/* clang-format on */
#define X(name)                                                                                                    \
	void ref_##name(struct ref_mm *mm, struct ref_op *op);                                                     \
	bool ref_clip_##name(const struct ref_mm *mm, struct ref_op *op);
REF_OPS(X)
#undef X

/*
 * For callers made of several operations: whatever of pages [page, page + nr) was removed or replaced between times `since`
 * and `before` must not be used by anybody from now on; `id` owes it.
 */
void ref_promise_flush(struct ref_mm *mm, uint8_t id, unsigned page, unsigned nr, uint32_t since, uint32_t before);

/* For the contracts: the version of `page` becomes `val` when this operation ends. */
void ref_target(struct ref_mm *mm, struct ref_op *op, unsigned page, const struct ref_val *val, bool keep_ad);
void ref_note(struct ref_mm *mm, enum ref_legal l);

#endif
