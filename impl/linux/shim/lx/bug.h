/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for linux/{bug,mmdebug,printk}.h.
 *
 * Property: a failed kernel assertion is a finding that carries its condition, function and line. The _ONCE
 * forms report every time: once a boot would make an execution depend on those before it.
 */
#ifndef LX_BUG_H
#define LX_BUG_H

static inline _Noreturn void lx_bug(const char *what, const char *fn, int line)
{
	lx_hooks->bug(what, fn, line);
	__builtin_trap(); /* hw/hook.h: bug does not return */
}

/* `text` is stringified by the macro that the kernel code named, before expansion. */
#define LX_WARN(c, text)                                                                                           \
	({                                                                                                         \
		bool lx_bad = !!(c);                                                                               \
		if (__builtin_expect(lx_bad, 0))                                                                   \
			lx_hooks->warn(text, __func__, __LINE__);                                                  \
		lx_bad;                                                                                            \
	})
#define LX_BUG(c, text)                                                                                            \
	do {                                                                                                       \
		if (__builtin_expect(!!(c), 0))                                                                    \
			lx_bug(text, __func__, __LINE__);                                                          \
	} while (0)

#define WARN_ON(c)	      LX_WARN(c, #c)
#define WARN_ON_ONCE(c)	      LX_WARN(c, #c)
#define WARN(c, ...)	      LX_WARN(c, #c)
#define WARN_ONCE(c, ...)     LX_WARN(c, #c)
#define BUG()		      lx_bug("BUG", __func__, __LINE__)
#define BUG_ON(c)	      LX_BUG(c, #c)
#define BUILD_BUG()	      lx_bug("BUILD_BUG reached", __func__, __LINE__)
#define VM_WARN_ON(c)	      ((void)LX_WARN(c, #c))
#define VM_WARN_ON_ONCE(c)    LX_WARN(c, #c)
#define VM_WARN(c, ...)	      ((void)LX_WARN(c, #c))
#define VM_WARN_ONCE(c, ...)  ((void)LX_WARN(c, #c))
#define VM_BUG_ON(c)	      LX_BUG(c, #c)
#define VM_BUG_ON_PAGE(c, pg) LX_BUG(c, #c)
#define VM_BUG_ON_MM(c, m)    LX_BUG(c, #c)
#define VM_BUG_ON_VMA(c, m)   LX_BUG(c, #c)

/* Messages belong to whoever replays, not to the implementation. */
#define pr_err(...)                                                                                                \
	do {                                                                                                       \
	} while (0)
#define pr_warn(...)                                                                                               \
	do {                                                                                                       \
	} while (0)
#define pr_info(...)                                                                                               \
	do {                                                                                                       \
	} while (0)
#define pr_debug(...)                                                                                              \
	do {                                                                                                       \
	} while (0)

#endif
