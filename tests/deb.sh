#!/bin/sh
# deb.sh - the package in a new Debian: installs, serves, upgrades, is removed.
#
#     sh tests/deb.sh [ROOT]
#
# ROOT is a folder with a Debian 12 that may be spoiled; without one it is made
# in build/deb-root by debootstrap.  As root, with a mirror within reach.

cd "$(dirname "$0")/.." || exit 1
[ "$(id -u)" = 0 ] || { echo "deb.sh: only root can chroot"; exit 1; }

suite=bookworm
root=${1:-$PWD/build/deb-root}
port=$(python3 -c 'import socket; s = socket.socket()
s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
passed=0
failed=0

# try WHAT COMMAND...
try()
{
	what=$1
	shift
	if "$@" >build/deb-try.log 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "deb: FAIL $what"
		sed 's/^/    | /' build/deb-try.log
	fi
}

inside()
{
	chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"
}

# install_version VERSION
install_version()
{
	cp "build/slabd_$1_$(dpkg --print-architecture).deb" "$root/slabd.deb"
	inside apt-get install -y --no-install-recommends /slabd.deb
}

start()
{
	inside slabd -d -u slabd -P /run/slabd.pid --config /etc/slabd.conf \
	    -p "$port"
}

stop()
{
	pid=$(cat "$root/run/slabd.pid")
	kill "$pid"
	n=0
	while kill -0 "$pid" 2>/dev/null; do
		n=$((n + 1))
		[ $n -lt 500 ] || return 1
		sleep 0.01
	done
	rm -f "$root/run/slabd.pid"
}

serves()
{
	start && inside slabd --healthcheck -p "$port"
	status=$?
	stop && return $status
}

is_gone()
{
	for f in usr/bin/slabd usr/bin/slabd-passwd \
	    lib/systemd/system/slabd.service usr/share/man/man1/slabd.1.gz \
	    usr/share/bash-completion/completions/slabd "$@"; do
		[ ! -e "$root/$f" ] || { echo "$f is still there"; return 1; }
	done
}

check_changed_config()
{
	grep -q '^-m 99' "$root/etc/slabd.conf"
}

has_user()
{
	inside getent passwd slabd | grep -q '/usr/sbin/nologin$'
}

mkdir -p build
if [ ! -e "$root/etc/debian_version" ]; then
	debootstrap --variant=minbase $suite "$root" >build/debootstrap.log \
	    2>&1 || { tail -n 3 build/debootstrap.log; exit 1; }
fi
# Nobody starts anything there.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
inside apt-get update >/dev/null 2>&1

for v in 0.1-1 0.1-2; do
	try "build $v" sh packaging/deb.sh $v
done
try "install" install_version 0.1-1
try "the user" has_user
try "serve" serves
try "the manual" test -e "$root/usr/share/man/man1/slabd.1.gz"
sed -i 's/^-m 64/-m 99/' "$root/etc/slabd.conf"
try "install again" install_version 0.1-1
try "upgrade" install_version 0.1-2
try "configuration stays" check_changed_config
try "serve after the upgrade" serves
try "remove" inside dpkg --remove slabd
try "removed" is_gone
try "configuration stays for later" check_changed_config
try "purge" inside dpkg --purge slabd
try "purged" is_gone etc/slabd.conf etc/default/slabd
try "install after a purge" install_version 0.1-2
try "serve then" serves
try "verify" inside dpkg --verify slabd
try "purge again" inside dpkg --purge slabd
try "nothing broken" inside dpkg --audit

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
