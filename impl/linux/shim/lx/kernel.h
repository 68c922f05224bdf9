/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one header that the generated one-line forwarders (asm/bug.h, linux/sched.h, ...; see build.sh) include.
 *
 * Property: what contpte.c, pgtable.h, tlbflush.h, tlb.h, pgalloc.h and the cut functions need of the rest of the
 * kernel, and nothing more. What is not here falls through to the real tree.
 */
#ifndef LX_KERNEL_H
#define LX_KERNEL_H

#include <lx/compiler.h>
#include <lx/machine.h>
#include <lx/bug.h>
#include <lx/cpufeature.h>
#include <lx/memory.h>
#include <lx/mm.h>
#include <lx/tlb.h>

#endif
