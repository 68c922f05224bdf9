#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# oss.sh OUT: beside OUT/ptdiff_fuzzer what OSS-Fuzz and ClusterFuzzLite expect: seed corpus and options.
#
# Property: the seeds are the committed corpus; text needs no conversion, the target reads both forms.
set -euo pipefail
out=$1
printf '[libfuzzer]\nmax_len = 528\nlen_control = 0\nuse_counters = 0\n' >"$out/ptdiff_fuzzer.options"
if command -v zip >/dev/null; then
	rm -f "$out/ptdiff_fuzzer_seed_corpus.zip"
	find corpus -name '*.pt' -print | sort | zip -q "$out/ptdiff_fuzzer_seed_corpus.zip" -@
else
	echo "oss.sh: no zip: no seed corpus made" >&2
fi
