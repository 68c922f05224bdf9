/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for linux/{compiler,types,bits,align,math,minmax,bitfield,sizes,kconfig}.h.
 *
 * Property: no behaviour of its own beyond the arithmetic those names mean; nothing here reaches the machine.
 */
#ifndef LX_COMPILER_H
#define LX_COMPILER_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

/* ---- attributes and annotations */
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define noinline	__attribute__((noinline))
#define __always_unused __attribute__((unused))
#define __maybe_unused	__attribute__((unused))
#define __weak		__attribute__((weak))
#define __pure		__attribute__((pure))
#define fallthrough	__attribute__((fallthrough))
#define __must_check
#define __init
#define __ro_after_init
#define __user
#define __force
#define __bitwise
#define likely(c)	     __builtin_expect(!!(c), 1)
#define unlikely(c)	     __builtin_expect(!!(c), 0)
#define EXPORT_SYMBOL(s)     struct lx_unused_export
#define EXPORT_SYMBOL_GPL(s) struct lx_unused_export

/* ---- fixed-width types: as the kernel has them on arm64, u64 is unsigned long long */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s32 __s32;
typedef s64 __s64;
typedef u64 phys_addr_t;
typedef unsigned gfp_t;
typedef unsigned long pgoff_t;
typedef unsigned long vm_flags_t;
typedef u32 vm_fault_t;

#define U8_MAX	  0xff
#define INT_MAX	  0x7fffffff
#define ULONG_MAX (~0ul)
#define U64_MAX	  (~0ull)

/* ---- IS_ENABLED(CONFIG_X): 1 if X is defined to 1, else 0. The token after LX_SET_ is 1 only then; it then
 * brings a comma that shifts the 1 into second place. */
#define LX_SET_1	     ignored,
#define LX_SECOND(a, b, ...) b
#define LX_PICK(a)	     LX_SECOND(a 1, 0, )
#define LX_ENABLED(value)    LX_PICK(LX_SET_##value)
#define IS_ENABLED(option)   LX_ENABLED(option)
#define IS_BUILTIN(option)   LX_ENABLED(option)

/* ---- build-time checks */
#define static_assert _Static_assert
#define BUILD_BUG_ON(c)	       _Static_assert(!(c), #c)
#define BUILD_BUG_ON_MSG(c, m) _Static_assert(!(c), m)

/* ---- bits and fields (linux/const.h is the real one) */
#include <linux/const.h>
#define BIT(n)		      (1ul << (n))
#define BIT_ULL(n)	      (1ull << (n))
#define GENMASK(h, l)	      ((~0ul << (l)) & (~0ul >> (63 - (h))))
#define GENMASK_ULL(h, l)     ((~0ull << (l)) & (~0ull >> (63 - (h))))
#define FIELD_PREP(m, f)      (((typeof(m))(f) << __builtin_ctzll(m)) & (m))
#define FIELD_GET(m, r)	      ((typeof(m))(((r) & (m)) >> __builtin_ctzll(m)))
#define FIELD_MODIFY(m, q, f) (*(q) = (*(q) & ~(typeof(*(q)))(m)) | FIELD_PREP(m, f))
#define ilog2(n)	      (63 - __builtin_clzl(n))

/* ---- alignment: powers of two only */
#define ALIGN(n, a)	     (((n) + ((typeof(n))(a)-1)) & ~((typeof(n))(a)-1))
#define ALIGN_DOWN(n, a)     ((n) & ~((typeof(n))(a)-1))
#define IS_ALIGNED(n, a)     (((n) & ((typeof(n))(a)-1)) == 0)
#define PTR_ALIGN(q, a)	     ((typeof(q))ALIGN((unsigned long)(q), (unsigned long)(a)))
#define PTR_ALIGN_DOWN(q, a) ((typeof(q))ALIGN_DOWN((unsigned long)(q), (unsigned long)(a)))
#define round_down(n, a)     ((n) & ~((typeof(n))((a)-1)))
#define round_up(n, a)	     ((((n)-1) | ((typeof(n))((a)-1))) + 1)
#define DIV_ROUND_UP(n, d)   (((n) + (d)-1) / (d))

/* ---- minimum and maximum; each side evaluated once */
#define min(a, b)                                                                                                  \
	({                                                                                                         \
		typeof(a) lx_a = (a);                                                                              \
		typeof(b) lx_b = (b);                                                                              \
		lx_a < lx_b ? lx_a : lx_b;                                                                         \
	})
#define max(a, b)                                                                                                  \
	({                                                                                                         \
		typeof(a) lx_a = (a);                                                                              \
		typeof(b) lx_b = (b);                                                                              \
		lx_a > lx_b ? lx_a : lx_b;                                                                         \
	})
#define min_t(t, a, b)	      min((t)(a), (t)(b))
#define max_t(t, a, b)	      max((t)(a), (t)(b))
#define ARRAY_SIZE(a)	      (sizeof(a) / sizeof((a)[0]))
#define container_of(q, t, m) ((t *)((char *)(q)-offsetof(t, m)))

#define SZ_4K  0x1000
#define SZ_16K 0x4000
#define SZ_64K 0x10000
#define SZ_2M  0x200000
#define SZ_8M  0x800000
#define SZ_2G  0x80000000ul

#endif
