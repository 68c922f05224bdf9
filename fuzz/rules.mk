# SPDX-License-Identifier: GPL-2.0-only
#
# Property: every binary is built from every *.c of its folders (a new file needs no line here), into build/ only,
# and only impl/ is instrumented for coverage: it is what is under test.
#
# Called by build.sh, which installs what is missing. Variants of an object, by folder under build/obj:
#	prod, bugs, san    plain; with -DPTDIFF_BUGS; with address and undefined-behaviour sanitizers
#	*-lf, *-afl        impl/ of the same variant, instrumented for libFuzzer or by AFL++
#	pic                for the AFL++ mutator, a shared library
#	oss                with the caller's CC, CFLAGS, CXX, CXXFLAGS, LIB_FUZZING_ENGINE, into OUT

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SECONDARY:
ifeq ($(origin CC),default)
CC := clang
endif
ifeq ($(origin CXX),default)
CXX := clang++
endif
AFL_CC ?= afl-clang-fast
B ?= build

WARN := -Wall -Wextra -Wshadow -Wundef -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes $(WERROR)
BASE := -std=gnu11 -D_GNU_SOURCE= -I. -g -MMD -MP $(WARN)
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

# Stack depth as a feature would follow the fibers' stacks. Comparison hooks feed a mutator that we do not use.
LF := -fsanitize=fuzzer-no-link -fno-sanitize-coverage=stack-depth,trace-cmp,indirect-calls
FLAGS_prod := -O2
FLAGS_bugs := -O2 -DPTDIFF_BUGS
FLAGS_san := -O1 $(SANFLAGS)
FLAGS_pic := -O2 -fPIC -fvisibility=hidden
FLAGS_prod-lf := $(FLAGS_prod) $(LF)
FLAGS_bugs-lf := $(FLAGS_bugs) $(LF)
FLAGS_san-lf := $(FLAGS_san) $(LF)
FLAGS_prod-afl := $(FLAGS_prod)
FLAGS_san-afl := $(FLAGS_san)
# The later flag wins: what the caller asks for everywhere is wanted in impl/ alone.
FLAGS_oss := $(CFLAGS) -fno-sanitize-coverage=stack-depth
FLAGS_oss-core := $(FLAGS_oss) $(if $(findstring fuzzer-no-link,$(CFLAGS)),-fno-sanitize=fuzzer-no-link)

# Files with a main() of their own, or for one engine only.
SPECIAL := fuzz/main.c $(wildcard fuzz/cmd_*.c fuzz/bench*.c fuzz/engine*.c fuzz/afl_*.c)
CLI := fuzz/main.c $(wildcard fuzz/cmd_*.c)
IMPL := $(wildcard impl/*.c)
CORE := $(filter-out $(SPECIAL),$(wildcard hw/*.c ref/*.c fuzz/*.c fuzz/callers/*.c))
TESTS := $(patsubst tests/%_test.c,%,$(wildcard tests/*_test.c))
BUGTESTS := $(patsubst tests/%_bugtest.c,%,$(wildcard tests/*_bugtest.c))
LIBS := -lz

# Objects of sources $(2) in variant $(1).
objs = $(patsubst %.c,$B/obj/$(1)/%.o,$(2))
# Core and implementation call each other.
group = -Wl,--start-group $(1) -Wl,--end-group $(LIBS)

.PHONY: all fuzzers sanitized tests oss
all: fuzzers $B/ptdiff-bugs $B/fuzz-bugs $B/bench $B/bench-bugs
fuzzers: $B/ptdiff $B/fuzz-libfuzzer $B/fuzz-afl $B/afl-mutator.so
sanitized: $B/san/ptdiff $B/san/fuzz-libfuzzer $B/san/fuzz-afl $B/afl-mutator.so
tests: all sanitized $(patsubst %,$B/tests/%_test,$(TESTS)) $(patsubst %,$B/tests/%_bugtest,$(BUGTESTS))
oss: $(OUT)/ptdiff_fuzzer

# $(1) variant, $(2) compiler
define compile
$B/obj/$(1)/%.o: %.c fuzz/rules.mk
	@mkdir -p $$(@D)
	$(2) $(BASE) $$(FLAGS_$(1)) -c -o $$@ $$<
endef
$(foreach v,prod bugs san pic prod-lf bugs-lf san-lf oss oss-core,$(eval $(call compile,$v,$(CC))))
$(foreach v,prod-afl san-afl,$(eval $(call compile,$v,AFL_QUIET=1 $(AFL_CC))))

# Archives: a test may define a function of the core itself and then gets its own.
define archive
$B/obj/$(1)/core.a: $(call objs,$(1),$(CORE))
	@rm -f $$@ && ar rcs $$@ $$^
$B/obj/$(1)/impl.a: $(call objs,$(1),$(IMPL))
	@rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach v,prod bugs san pic,$(eval $(call archive,$v)))

$B/ptdiff: $(call objs,prod,$(CLI)) $B/obj/prod/core.a $B/obj/prod/impl.a
$B/ptdiff-bugs: $(call objs,bugs,$(CLI)) $B/obj/bugs/core.a $B/obj/bugs/impl.a
$B/bench: $(call objs,prod,$(wildcard fuzz/bench*.c)) $B/obj/prod/core.a $B/obj/prod/impl.a
$B/bench-bugs: $(call objs,bugs,$(wildcard fuzz/bench*.c)) $B/obj/bugs/core.a $B/obj/bugs/impl.a
$B/ptdiff $B/ptdiff-bugs $B/bench $B/bench-bugs:
	$(CC) -g -o $@ $(call group,$^)
$B/san/ptdiff: $(call objs,san,$(CLI)) $B/obj/san/core.a $B/obj/san/impl.a
	@mkdir -p $(@D)
	$(CC) -g $(SANFLAGS) -o $@ $(call group,$^)

# -rdynamic: coverage counters of a loaded implementation register with the engine in the program.
LF_ENGINE := fuzz/engine.c fuzz/engine_libfuzzer.c
$B/fuzz-libfuzzer: $(call objs,prod,$(LF_ENGINE)) $(call objs,prod-lf,$(IMPL)) $B/obj/prod/core.a
$B/fuzz-bugs: $(call objs,bugs,$(LF_ENGINE)) $(call objs,bugs-lf,$(IMPL)) $B/obj/bugs/core.a
$B/fuzz-libfuzzer $B/fuzz-bugs:
	$(CC) -g -fsanitize=fuzzer -rdynamic -o $@ $(call group,$^)
$B/san/fuzz-libfuzzer: $(call objs,san,$(LF_ENGINE)) $(call objs,san-lf,$(IMPL)) $B/obj/san/core.a
	@mkdir -p $(@D)
	$(CC) -g $(SANFLAGS) -fsanitize=fuzzer -rdynamic -o $@ $(call group,$^)

AFL_ENGINE := fuzz/engine.c fuzz/engine_afl.c
$B/fuzz-afl: $(call objs,prod,$(AFL_ENGINE)) $(call objs,prod-afl,$(IMPL)) $B/obj/prod/core.a
	AFL_QUIET=1 $(AFL_CC) -g -fsanitize=fuzzer -rdynamic -o $@ $(call group,$^)
$B/san/fuzz-afl: $(call objs,san,$(AFL_ENGINE)) $(call objs,san-afl,$(IMPL)) $B/obj/san/core.a
	@mkdir -p $(@D)
	AFL_QUIET=1 $(AFL_CC) -g $(SANFLAGS) -fsanitize=fuzzer -rdynamic -o $@ $(call group,$^)
$B/afl-mutator.so: $(call objs,pic,fuzz/afl_mutator.c) $B/obj/pic/core.a $B/obj/pic/impl.a
	$(CC) -shared -o $@ $(call group,$^)

$B/tests/%_test: $B/obj/san/tests/%_test.o $B/obj/san/core.a $B/obj/san/impl.a
	@mkdir -p $(@D)
	$(CC) -g $(SANFLAGS) -Wl,--allow-multiple-definition -o $@ $(call group,$^) -lcmocka
$B/tests/%_bugtest: $B/obj/bugs/tests/%_bugtest.o $B/obj/bugs/core.a $B/obj/bugs/impl.a
	@mkdir -p $(@D)
	$(CC) -g -Wl,--allow-multiple-definition -o $@ $(call group,$^) -lcmocka

$(OUT)/ptdiff_fuzzer: $(call objs,oss-core,$(CORE) $(LF_ENGINE)) $(call objs,oss,$(IMPL))
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -o $@ $(call group,$^) $(LIB_FUZZING_ENGINE)

-include $(shell find $B/obj -name '*.d' 2>/dev/null)
