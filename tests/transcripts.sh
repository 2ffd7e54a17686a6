#!/bin/sh
# transcripts.sh - recorded conversations with memcached 1.6.45, replayed.
#
#     sh tests/transcripts.sh SLABD
#
# They and their runner lie beside the project; without them there is nothing
# to do.  All files there are run.  GAPS names what slabd does not have yet:
# a conversation of it may fail, and is not counted; but when all of a line
# pass, the line has to go.

cd "$(dirname "$0")/.." || exit 1
RUNNER=../shared/run_transcripts.py
SLABD=${1:-build/slabd}
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
TMP=build/check
mkdir -p $TMP

# FILE: NAME (* for all of a file)
cat >$TMP/gaps <<'END'
shutdown-1.txt: memory file: contents survive SIGUSR1
END

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

# Of the runner's lines "ok    FILE: NAME" and "FAIL  FILE:LINE: NAME" (and
# why, indented) those of gaps are told apart from the others.
awk -v gapfile=$TMP/gaps '
BEGIN {
	while ((getline line < gapfile) > 0) {
		at = index(line, ": ")
		file = substr(line, 1, at - 1)
		gap[file, substr(line, at + 2)] = 1
	}
}
function of_gap(file, name) {
	if ((file, "*") in gap) return file ": *"
	if ((file, name) in gap) return file ": " name
	return ""
}
/^ok    / || /^FAIL  / {
	bad = /^FAIL/
	rest = substr($0, 7)
	match(rest, /^[^:]*/)
	file = substr(rest, 1, RLENGTH)
	name = rest
	sub("^[^:]*:[0-9]*:? ", "", name)
	g = of_gap(file, name)
	quiet = g != ""
	if (quiet) { seen[g]++; missing[g] += bad; waived += bad }
	else if (bad) failed++
	if (!bad) passed++
	if (bad && !quiet) print
	next
}
/^ / { if (!quiet) print }
END {
	for (g in seen)
		if (missing[g] == 0) {
			print "FAIL  " g " works: take it off the list of gaps"
			failed++
		}
	if (waived) print waived " conversations wait for what is not there yet"
	printf "transcripts: %d passed, %d failed\n", passed, failed
	exit failed != 0
}' $TMP/transcripts.out
