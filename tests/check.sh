#!/bin/sh
# check.sh - what `make check` runs, one line per part, and the sum at the end.
#
#     sh tests/check.sh           the release build: everything
#     sh tests/check.sh asan      build/asan: units, replays and end to end
#     sh tests/check.sh tsan      build/tsan: the same
#     sh tests/check.sh asan units    the units and replays alone
#
# A part says how many of its tests passed and failed; its full output is in
# build/check/PART.log, and shown here when something failed.  Each part has a
# time limit, so that a hanging server fails instead of hanging the run.

cd "$(dirname "$0")/.." || exit 1

flavour=${1:-release}
parts=${2:-all}
case $flavour in
release) B=build ;;
*) B=build/$flavour ;;
esac
LOGS=$B/check
mkdir -p "$LOGS"

PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
export PYTHONDONTWRITEBYTECODE=1
export CK_FORK=yes
# The sanitizers slow the suites down.
limit_unit=600
if [ "$flavour" != release ]; then
	limit_unit=1800
	export CK_TIMEOUT_MULTIPLIER=5
fi

# gcc's ThreadSanitizer cannot run where the kernel spreads addresses widely.
wrap=
if [ "$flavour" = tsan ] && setarch "$(uname -m)" -R true 2>/dev/null; then
	wrap="setarch $(uname -m) -R"
fi

passed=0
failed=0

# count PART LOG STATUS: reads the counts of a part from its log.  The last
# line of the form "N passed, N failed" counts, or Check's "Checks: ...".
# A part that ended badly and owns no failure gets one.
count()
{
	line=$(sed -n \
	    -e 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/check \1 \2 \3/p' \
	    -e 's/^\(.*: \)\{0,1\}\([0-9]*\) passed, \([0-9]*\) failed$/plain \2 \3/p' \
	    "$2" | tail -n 1)
	set -- "$1" "$2" "$3" $line
	case $4 in
	check) f=$(($6 + $7)) p=$(($5 - $6 - $7)) ;;
	plain) p=$5 f=$6 ;;
	*) p=0 f=0 ;;
	esac
	if [ "$3" != 0 ] && [ "$f" = 0 ] || [ $((p + f)) = 0 ]; then
		f=$((f + 1))
	fi
	passed=$((passed + p))
	failed=$((failed + f))
	printf '  %-20s %5d passed, %d failed\n' "$1" "$p" "$f"
	if [ "$f" != 0 ]; then
		echo "    see $2 (exit status $3); its failures:"
		grep -E 'FAIL|ERROR|Error|:[FE]:|error:|Assertion|runtime error|Sanitizer|^lint:|expected|got|passed,' "$2" |
		    head -n 60 | sed 's/^/    | /'
		[ "$3" = 124 ] && echo "    | (stopped: over its time limit)"
	fi
	return 0
}

# part NAME SECONDS COMMAND...
part()
{
	name=$1 limit=$2
	shift 2
	log=$LOGS/$name.log
	timeout -k 10 "$limit" "$@" >"$log" 2>&1 </dev/null
	count "$name" "$log" $?
}

replay()
{
	for r in "$B"/replay-*; do
		[ -x "$r" ] || continue
		name=${r##*/replay-}
		part "replay-$name" 300 $wrap "$r" "tests/fuzz/corpus/$name"
	done
	# Long conversations by chance, every reply compared with a model's.
	[ -x "$B/replay-dialogue" ] && part dialogues 300 $wrap \
	    "$B/replay-dialogue" -r 20261123 4000 3000
}

echo "slabd: checking ($flavour)"
[ "$flavour" = release ] && part lint 300 sh tests/lint.sh
for t in slab proto server; do
	[ -x "$B/test-$t" ] && part "unit-$t" $limit_unit $wrap "$B/test-$t"
done
replay
SLABD=$PWD/$B/slabd
export SLABD
[ "$parts" = all ] && part end-to-end 900 $wrap "$PYTHON" tests/e2e/run.py
if [ "$flavour" = release ] && [ -d ../shared/transcripts ]; then
	part transcripts 900 sh tests/transcripts.sh "$SLABD"
fi

if [ "$failed" = 0 ]; then
	echo "slabd: all is well."
else
	echo "slabd: something is broken; the logs are in $LOGS/."
fi
# Alone on its line for the release, which is the verdict; with a name before
# it for the sanitizers, which run beside it.
case $flavour in
release) echo "$passed passed, $failed failed" ;;
*) echo "$flavour: $passed passed, $failed failed" ;;
esac
[ "$failed" = 0 ]
