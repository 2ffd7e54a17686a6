#!/bin/sh
# instructions.sh - user-space instructions per operation, of both servers.
#
# Installs valgrind with apt-get if it is missing; then instructions.py runs
# each server twice under callgrind with work that differs only in how many
# operations it has.

cd "$(dirname "$0")/.." || exit 1
mkdir -p build/bench
for p in valgrind memcached; do
	command -v $p >/dev/null 2>&1 && continue
	sudo=
	[ "$(id -u)" = 0 ] || sudo='sudo -n'
	echo "bench: installing $p"
	$sudo apt-get install -y --no-install-recommends $p \
	    >build/bench/packages.log 2>&1 </dev/null ||
	    { echo "bench: cannot install $p; see build/bench/packages.log"
	      exit 1; }
done
exec python3 bench/instructions.py "$@"
