#!/bin/sh
#
# Make the packages for the Debian that this runs on, as root:
#
#   package.sh deps                 install what that needs
#   package.sh build FOLDER         build them there
#   package.sh lintian FOLDER       look for what Debian would not accept
#   package.sh server MAJOR SUITE   install a server from another suite
#
# "./dev test package" runs these in a chroot; the Dockerfile deps and build.
# With "nocheck" in DEB_BUILD_OPTIONS and DEB_BUILD_PROFILES nothing is tested.

set -eu

export DEBIAN_FRONTEND=noninteractive

top=$(cd "$(dirname "$0")/../.." && pwd)
version=$(sed -n '1s/.*(\(.*\)-.*).*/\1/p' "$top/debian/changelog")
command=$1
work=${2:-}

# PostgreSQL does not run as root, and neither do tests of the build.
as_nobody()
{
	setpriv --reuid nobody --regid nogroup --clear-groups env HOME="$work" "$@"
}

# Install without the cluster that the package of a server makes.
apt_install()
{
	mkdir -p /etc/postgresql-common/createcluster.d
	echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/ignisign.conf
	apt-get -q -y --no-install-recommends "$@"
}

case $command in
deps)
	apt-get -q update
	case ${DEB_BUILD_OPTIONS:-} in
	*nocheck*) apt_install build-dep "$top" ;;
	*)
		apt_install build-dep "$top"
		apt_install install lintian
		;;
	esac
	;;
server)
	# Nothing else is wanted from there.
	cat >/etc/apt/preferences.d/ignisign <<EOF
Package: src:postgresql-$2
Pin: release a=$3
Pin-Priority: 600
EOF
	apt-get -q update
	apt_install install "postgresql-$2" "postgresql-server-dev-$2"
	;;
build)
	# The original source is what is here, without the packaging.
	mkdir "$work"
	cp -R "$top" "$work/ignisign-$version"
	tar -C "$work" --exclude="ignisign-$version/debian" \
		-cJf "$work/ignisign_$version.orig.tar.xz" "ignisign-$version"
	chown -R nobody "$work"
	cd "$work/ignisign-$version"
	as_nobody pg_buildext updatecontrol
	as_nobody dpkg-buildpackage -us -uc
	;;
lintian)
	as_nobody lintian --fail-on error "$work"/*.changes
	;;
esac
