#!/bin/sh
# run.sh - make bench: slabd beside Debian's memcached, in one table.
#
# What is missing (memcached, gnuplot) is installed with apt-get; then run.py
# measures.  Arguments are its own; see `make bench ARGS=--help`.

cd "$(dirname "$0")/.." || exit 1

# install PROGRAM PACKAGE
install()
{
	command -v "$1" >/dev/null 2>&1 && return 0
	echo "bench: installing $2"
	sudo=
	[ "$(id -u)" = 0 ] || sudo='sudo -n'
	DEBIAN_FRONTEND=noninteractive
	export DEBIAN_FRONTEND
	$sudo apt-get install -y --no-install-recommends "$2" \
	    >build/bench/packages.log 2>&1 </dev/null ||
	    { $sudo apt-get update && $sudo apt-get install -y \
		--no-install-recommends "$2"; } \
		>build/bench/packages.log 2>&1 </dev/null ||
	    { echo "bench: cannot install $2; see build/bench/packages.log"
	      return 1; }
}

mkdir -p build/bench
install python3 python3-minimal || exit 1
install memcached memcached || exit 1
install gnuplot gnuplot-nox || echo "bench: no plots, then"
exec python3 bench/run.py "$@"
