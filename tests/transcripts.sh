#!/bin/sh
# transcripts.sh - recorded conversations with memcached 1.6.45, replayed.
#
#     sh tests/transcripts.sh SLABD
#
# They and their runner lie beside the project; without them there is nothing
# to do.

cd "$(dirname "$0")/.." || exit 1
RUNNER=../shared/run_transcripts.py
SLABD=${1:-build/slabd}
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
TMP=build/check
mkdir -p $TMP

if [ ! -f "$RUNNER" ]; then
	echo "no $RUNNER: nothing to replay"
	exit 0
fi
"$PYTHON" -B "$RUNNER" "$SLABD" -j 4 -v >$TMP/transcripts.out 2>&1
tail -n 1 $TMP/transcripts.out | grep -q '^[0-9]* passed, [0-9]* failed$' || {
	cat $TMP/transcripts.out
	echo "transcripts: 0 passed, 1 failed"
	exit 1
}

# What passed is not of interest; of what failed the indented lines say why.
awk '
/^ok    / { passed++; quiet = 1; next }
/^FAIL  / { failed++; quiet = 0; print; next }
/^ / { if (!quiet) print }
END {
	printf "transcripts: %d passed, %d failed\n", passed, failed
	exit failed != 0
}' $TMP/transcripts.out
