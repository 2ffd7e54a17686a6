#!/bin/sh
# replay.sh - miss ratios of slabd and memcached on recorded traces.
#
# The traces and their replayer are not part of this tree: TRACES names their
# folder, ../shared/traces unless set.  Without it there is nothing to do.
#
#	bench/replay.sh			six short ones
#	bench/replay.sh --all		all of them: more than an hour
#	bench/replay.sh scarab:64 calcify:128
#	bench/replay.sh --curves	slabd simulated; see misses.py

cd "$(dirname "$0")/.." || exit 1
TRACES=${TRACES:-../shared/traces}
export TRACES
if [ ! -f "$TRACES/replay.c" ]; then
	echo "bench: no traces in $TRACES"
	exit 0
fi
mkdir -p build/bench
if [ ! -x build/bench/replay ] ||
    [ "$TRACES/replay.c" -nt build/bench/replay ]; then
	${CC:-cc} -O2 -w -o build/bench/replay "$TRACES/replay.c" -lm || exit 1
fi
if [ "${1-}" = --curves ]; then
	shift
	exec python3 bench/misses.py "$@"
fi
exec python3 bench/replay.py "$@"
