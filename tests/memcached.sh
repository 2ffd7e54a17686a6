#!/bin/sh
# memcached.sh - memcached's own test scripts (t/*.t), with slabd in its place.
#
#	MEMCACHED_SOURCE=DIR sh tests/memcached.sh build/slabd [NAME ...]
#
# DIR is memcached's source, as unpacked; without it apt-get fetches Debian's.
# It is copied to build/memcached-tests/ and not changed.  NAME is a script's,
# cas for t/cas.t.  A script that fails is either in tests/memcached.known,
# with the reason why slabd differs there, or a failure of this run.
#
# Each may take LIMIT seconds.

SLABD=$(realpath "${1:?usage: memcached.sh SLABD [NAME ...]}") || exit 2
shift
HERE=$(cd "$(dirname "$0")" && pwd)
W=$HERE/../build/memcached-tests
LIMIT=${LIMIT:-200}

fetch()
{
	mkdir -p "$W/apt/lists/partial" && cd "$W/apt" || exit 2
	release=$(. /etc/os-release && echo "$VERSION_CODENAME")
	echo "deb-src http://deb.debian.org/debian $release main" >list
	o="-o Dir::Etc::sourcelist=$W/apt/list -o Dir::Etc::sourceparts=-"
	o="$o -o Dir::State::lists=$W/apt/lists"
	apt-get -qq $o update &&
	    apt-get -qq $o source --download-only memcached &&
	    mkdir -p src && tar -xf memcached_*.orig.tar.* -C src \
	    --strip-components 1 || exit 2
	MEMCACHED_SOURCE=$W/apt/src
}

mkdir -p "$W" && W=$(cd "$W" && pwd) || exit 2
[ -n "${MEMCACHED_SOURCE-}" ] || fetch >"$W/fetch.log" 2>&1
[ -d "$MEMCACHED_SOURCE/t" ] || {
	echo "no source of memcached: name it with MEMCACHED_SOURCE"
	exit 2
}
MEMCACHED_SOURCE=$(cd "$MEMCACHED_SOURCE" && pwd)
version=$(sed -n 's/^ *PACKAGE_VERSION=.\(.*\).$/\1/p' \
    "$MEMCACHED_SOURCE/configure" | head -n 1)
cd "$W" && rm -rf t doc &&
    cp -R "$MEMCACHED_SOURCE/t" "$MEMCACHED_SOURCE/doc" . || exit 2
${CC:-cc} -w -o timedrun "$MEMCACHED_SOURCE/timedrun.c" || exit 2
ln -sf "$SLABD" memcached-debug
ln -sf "$SLABD" memcached
[ $# != 0 ] || set -- $(cd t && ls *.t | sed 's/\.t$//')

same=0 differ=0 skipped=0 failed=0
for name; do
	timeout -k 5 "$LIMIT" perl -I t/lib "t/$name.t" >"t/$name.log" 2>&1
	status=$?
	why=$(sed -n "s/^$name[ 	][ 	]*//p" "$HERE/memcached.known")
	if grep -aq '^1\.\.0 # SKIP' "t/$name.log"; then
		skipped=$((skipped + 1))
		why=$(sed -n 's/^1\.\.0 # SKIP/skipped:/p' "t/$name.log")
	elif [ $status = 0 ]; then
		same=$((same + 1))
		why=ok
	elif [ -n "$why" ]; then
		differ=$((differ + 1))
		why="differs: $why"
	else
		failed=$((failed + 1))
		why="FAILED, status $status: see build/memcached-tests/t/$name.log"
	fi
	echo "$name: $why"
done
echo "memcached $version, t/*.t: $same passed, $differ differ as known," \
    "$skipped skipped, $failed failed"
[ $failed = 0 ]
