#!/bin/sh
# deb.sh - puts what `make install` installs into build/slabd_VERSION_ARCH.deb.
#
#     sh packaging/deb.sh [VERSION]
#
# Nothing but dpkg-dev is needed, and nobody has to be root.

set -e
cd "$(dirname "$0")/.."

version=${1:-$(sed -n 's/^#define SLABD_VERSION "\(.*\)"/\1/p' \
    server/config.h)-1}
arch=$(dpkg --print-architecture)
T=$PWD/build/deb
root=$T/slabd

rm -rf "$T"
mkdir -p "$root/DEBIAN" "$T/debian"
make install PREFIX=/usr SYSCONFDIR=/etc UNITDIR=/lib/systemd/system \
    DESTDIR="$root" >"$T/install.log"
strip --strip-unneeded "$root/usr/bin/slabd" "$root/usr/bin/slabd-passwd"
gzip -9n "$root"/usr/share/man/man?/*
doc=$root/usr/share/doc/slabd
mkdir -p "$doc"
cp README.md SECURITY.md "$doc"
{
	printf 'Format: %s\n' \
	    https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
	printf '\nFiles: *\nCopyright: the slabd authors\nLicense: BSD-3-clause\n'
	sed 's/^$/./; s/^/ /' LICENSE
} >"$doc/copyright"
printf 'slabd (%s) unstable; urgency=medium\n\n  * Built from the source.\n\n -- %s\n' \
    "$version" "slabd maintainers <slabd@localhost>  $(date -Ru \
    -d "@${SOURCE_DATE_EPOCH:-0}")" | gzip -9n >"$doc/changelog.Debian.gz"

# dpkg-shlibdeps reads a source's control file, and objects.
printf 'Source: slabd\n\nPackage: slabd\nArchitecture: any\n' \
    >"$T/debian/control"
depends=$(cd "$T" && dpkg-shlibdeps -O slabd/usr/bin/slabd \
    slabd/usr/bin/slabd-passwd 2>shlibdeps.log |
    sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { cat "$T/shlibdeps.log"; exit 1; }

size=$(du -sk --exclude=DEBIAN "$root" | cut -f1)
sed -e "s/@VERSION@/$version/; s/@ARCH@/$arch/; s/@SIZE@/$size/" \
    -e "s/@DEPENDS@/$depends/" packaging/debian/control.in \
    >"$root/DEBIAN/control"
install -m 644 packaging/debian/conffiles "$root/DEBIAN/"
for s in postinst prerm postrm; do
	install -m 755 packaging/debian/$s "$root/DEBIAN/"
done
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -print |
    LC_ALL=C sort | sed 's,^\./,,' | tr '\n' '\0' |
    xargs -0 md5sum) >"$root/DEBIAN/md5sums"
chmod -R u+rwX,go+rX,go-w "$root"

deb=build/slabd_${version}_$arch.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$deb" >/dev/null
echo "$deb"
