# shellcheck shell=sh
#
# Packages: which programs and libraries a command of dev needs, which of them are
# missing, and how apt installs those.  It also finds the PostgreSQL to use.
#
# Reads $names, $mode, $versions and $no_install of dev.  install_missing() sets
# $pg_config, and $prometheus where tests of monitoring/ want it.

min_major=15

# Collect in $packages what is missing for building, demo or test.
find_missing()
{
	packages=
	command -v cc >/dev/null || need gcc libc6-dev
	command -v make >/dev/null || need make
	command -v pkg-config >/dev/null || need pkg-config
	has_library libcurl || need libcurl4-openssl-dev
	has_library libcjson || need libcjson-dev
	has_library libmicrohttpd || need libmicrohttpd-dev
	has_library openssl || need libssl-dev
	has_library libqpdf || need libqpdf-dev
	has_library libarchive || need libarchive-dev

	if [ "$1" = demo ] || [ "$1" = test ]; then
		command -v pdfsig >/dev/null || need poppler-utils
	elif [ "$1" = bench ]; then
		has_library libpq || need libpq-dev
		command -v strace >/dev/null || need strace
	fi
	if [ "$1" = test ]; then
		command -v curl >/dev/null || need curl
		command -v unzip >/dev/null || ! wanted dist || need unzip
		command -v mandoc >/dev/null || ! wanted sandbox 'test/sandbox/*' || need mandoc
		has_module Test::More || need perl
		has_module IPC::Run || need libipc-run-perl
		has_module IO::Socket::SSL || need libio-socket-ssl-perl
		! wanted tap sandbox test/sandbox/005_client.t test/t/018_webhooks.pl test/t/044_http2.pl 'test/t/09*' || find_node
		! wanted sandbox 'test/sandbox/*' || find_browser
		find_tools
		! wanted tap 'test/t/09*' || find_clients
	fi

	if [ -n "$versions" ]; then
		command -v mmdebstrap >/dev/null || need mmdebstrap
		command -v autopkgtest >/dev/null || need autopkgtest
	fi

	find_postgres
	if [ "$1" = test ]; then
		! wanted tap test/t/010_pg_cron.pl || find_extension pg_cron cron
		! wanted tap 'test/t/09*' || find_extension pg_partman partman
	fi
}

# Whether one of these patterns is among the tests that are to be run: all, or
# $names.
wanted()
{
	[ -n "$names" ] || return 0
	for wanted in "$@"; do
		wanted="* $wanted *"
		# shellcheck disable=SC2254 # it is a pattern
		case " $names " in
		$wanted) return 0 ;;
		esac
	done
	return 1
}

need()
{
	packages="$packages $*"
}

# The example of a webhook front needs Node with express and pg: Debian's, or
# those that npm gets for a Node from elsewhere (see tests_prepare).
find_node()
{
	if ! command -v node >/dev/null; then
		need nodejs node-express node-pg
	elif ! has_node_modules && ! command -v npm >/dev/null; then
		need node-express node-pg
	fi
}

has_node_modules()
{
	node -e 'require("express"); require("pg")' >/dev/null 2>&1
}

# What else examples connect with.  A Python from elsewhere has other modules.
find_clients()
{
	python3 -c 'import psycopg' 2>/dev/null || /usr/bin/python3 -c 'import psycopg' 2>/dev/null ||
		need python3-psycopg
	command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || need pgbouncer
}

# The tests of the sandbox's pages need Chromium, and skip themselves without it.
# Elsewhere than in Debian its package may be none with a program in it.
find_browser()
{
	command -v chromium >/dev/null || command -v google-chrome >/dev/null ||
		! grep -q '^ID=debian' /etc/os-release 2>/dev/null || need chromium
}

# What lint and fuzz need, and a mode of the tests.
find_tools()
{
	! wanted fuzz || has_fuzzer || need clang libclang-rt-dev
	if wanted lint; then
		command -v clang-tidy >/dev/null || need clang-tidy
		command -v cppcheck >/dev/null || need cppcheck
		command -v shellcheck >/dev/null || need shellcheck
		has_module YAML::XS || need libyaml-libyaml-perl
	fi
	[ "$mode" != valgrind ] || command -v valgrind >/dev/null || need valgrind
}

has_fuzzer()
{
	command -v clang >/dev/null &&
		[ -n "$(find "$(clang -print-resource-dir)/lib" -name 'libclang_rt.fuzzer-*' 2>/dev/null || true)" ]
}

has_library()
{
	command -v pkg-config >/dev/null && pkg-config --exists "$1"
}

has_module()
{
	perl -M"$1" -e 1 2>/dev/null
}

# Set $pg_config to that of the PostgreSQL to use, or to nothing and add to
# $packages what a usable one lacks.
find_postgres()
{
	if [ -n "${PG_CONFIG:-}" ]; then
		pg_config=$(command -v "$PG_CONFIG") ||
			die "PG_CONFIG: no program $PG_CONFIG"
		# The one in Debian's /usr/bin stands for the newest major.
		pg_config=$("$pg_config" --bindir)/pg_config
		if [ "$(major "$pg_config")" -lt "$min_major" ]; then
			die "PG_CONFIG: ignisign needs PostgreSQL $min_major or newer"
		elif ! has_server "$pg_config" || ! has_headers "$pg_config"; then
			[ -f /etc/debian_version ] ||
				die "PG_CONFIG: no server or no header files for extensions there"
			need_postgres "$(major "$pg_config")"
		fi
		return
	fi

	# Best is a server with its headers, then a server, then nothing at all.
	server_only=
	for pg_config in $(printf '%s\n' /usr/lib/postgresql/*/bin/pg_config |
		sort -t / -k 5 -n -r) $(command -v pg_config); do
		[ -x "$pg_config" ] || continue
		pg_config=$("$pg_config" --bindir)/pg_config
		[ -x "$pg_config" ] || continue
		[ "$(major "$pg_config")" -ge "$min_major" ] || continue
		has_server "$pg_config" || continue
		if has_headers "$pg_config"; then
			return
		fi
		[ -n "$server_only" ] || server_only=$(major "$pg_config")
	done
	pg_config=
	# N stands for the major that this system has as its default.
	need_postgres "${server_only:-N}"
}

major()
{
	"$1" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'
}

has_server()
{
	bindir=$("$1" --bindir)
	[ -x "$bindir/initdb" ] && [ -x "$bindir/postgres" ]
}

has_headers()
{
	[ -f "$("$1" --includedir-server)/postgres.h" ] && [ -f "$("$1" --pgxs)" ]
}

need_postgres()
{
	need "postgresql-$1" "postgresql-server-dev-$1"
}

# The tests of the extension $1 skip themselves where postgresql-N-$2 is not packaged.
find_extension()
{
	if [ -z "$pg_config" ]; then
		need "postgresql-${server_only:-N}-$2"
		return
	fi
	sharedir=$("$pg_config" --sharedir)
	case $sharedir in
	/usr/share/postgresql/*)
		[ -f "$sharedir/extension/$1.control" ] ||
			not_packaged "$(major "$pg_config")" "$2" ||
			need "postgresql-$(major "$pg_config")-$2"
		;;
	esac
}

# Where the packages are known, there is one of the server and none of the extension.
not_packaged()
{
	apt-cache show "postgresql-$1" >/dev/null 2>&1 &&
		! apt-cache show "postgresql-$1-$2" >/dev/null 2>&1
}

# Install what is missing for $1; afterwards $pg_config is set.
install_missing()
{
	find_missing "$1"
	if [ -n "$packages" ]; then
		if [ -n "$no_install" ]; then
			die "missing:$packages"
		elif ! command -v apt-get >/dev/null; then
			die "please install what these packages of Debian hold:$packages"
		elif is_root; then
			sudo=
		elif command -v sudo >/dev/null; then
			sudo=sudo
		else
			die "please install, as root:$packages"
		fi
		apt_install
		find_missing "$1"
		[ -z "$packages" ] || die "still missing after installing:$packages"
	fi
	[ "$1" != test ] || ! wanted lint tap 'test/t/*_monitoring.pl' || fetch_prometheus
}

deps()
{
	check_names "$@"
	install_missing test
	say "Everything is there, with $("$pg_config" --version)."
}

# Have the packages of Prometheus and of postgres_exporter in a cache, for the tests
# of monitoring/.  Installed, they would start services; so they are only unpacked, in
# the scratch folder.  Where they cannot be had, these tests skip themselves.
fetch_prometheus()
{
	if is_root; then
		prometheus=/var/cache/ignisign-dev/prometheus
	else
		prometheus=${XDG_CACHE_HOME:-$HOME/.cache}/ignisign-dev/prometheus
	fi
	if has_prometheus || [ -d "$prometheus" ] || [ -n "$no_install" ] ||
		! command -v apt-get >/dev/null; then
		return
	fi
	say "Fetching prometheus prometheus-postgres-exporter, to be unpacked only"
	mkdir -p "${prometheus%/*}"
	fetched=$(mktemp -d "$prometheus.XXXXXX")
	chmod 755 "$fetched"
	if download_prometheus || { update_lists && download_prometheus; } &&
		mv -T "$fetched" "$prometheus" 2>/dev/null; then
		return
	fi
	[ -d "$prometheus" ] || say "They cannot be had here: their tests skip themselves."
	rm -rf "$fetched"
}

has_prometheus()
{
	for program in prometheus promtool prometheus-postgres-exporter; do
		command -v "$program" >/dev/null || return
	done
}

# From Debian 13 on promtool has a package of its own.
download_prometheus()
{
	promtool=
	if apt-cache show promtool >/dev/null 2>&1; then
		promtool=promtool
	fi
	# shellcheck disable=SC2086 # or nothing
	(cd "$fetched" && apt-get -q download prometheus prometheus-postgres-exporter $promtool) \
		>/dev/null 2>&1
}

update_lists()
{
	if is_root; then
		apt-get -q update
	else
		sudo apt-get -q update
	fi >/dev/null 2>&1
}

# Install $packages.  The package of a server makes and starts a cluster "main"
# when it is the first of its major, and that of PgBouncer has it started; a setting
# next to Debian's own and a policy, present only during the installation, tell them
# not to.
apt_install()
{
	apt_log=$(mktemp "${TMPDIR:-/tmp}/ignisign-apt.XXXXXX")
	conf=/etc/postgresql-common/createcluster.d/ignisign-dev.conf
	policy=/usr/sbin/policy-rc.d
	[ ! -e "$policy" ] || policy=

	say "Updating the list of packages"
	$sudo apt-get -q update >"$apt_log" 2>&1 || apt_failed
	case $packages in
	*postgresql-N*)
		n=$(apt-cache depends postgresql |
			sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1)
		[ "${n:-0}" -ge "$min_major" ] ||
			die "ignisign needs PostgreSQL $min_major or newer, the packages here" \
				"have ${n:-none}: see https://www.postgresql.org/download/"
		packages=$(say "$packages" | sed "s/-N\>/-$n/g")
		;;
	esac
	# Where there is no such package, that of clang has what is in it; and the
	# tests of extensions that are not packaged skip themselves.
	known=
	for package in $packages; do
		case $package in
		libclang-rt-dev | postgresql-*-cron | postgresql-*-partman)
			apt-cache show "$package" >/dev/null 2>&1 || continue
			;;
		esac
		known="$known $package"
	done
	packages=$known

	say "Installing$packages"
	# shellcheck disable=SC2064 # what is known now
	trap "$sudo rm -f $conf $policy; exit 130" INT TERM HUP
	$sudo mkdir -p "${conf%/*}"
	echo 'create_main_cluster = false' | $sudo tee "$conf" >/dev/null
	[ -z "$policy" ] || printf '#!/bin/sh\nexit 101\n' | $sudo install -m 755 /dev/stdin "$policy"
	installed=yes
	# shellcheck disable=SC2086 # a list of words
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o DPkg::Lock::Timeout=120 --no-install-recommends \
		install $packages >>"$apt_log" 2>&1 </dev/null || installed=
	# shellcheck disable=SC2086 # perhaps nothing
	$sudo rm -f "$conf" $policy
	trap - INT TERM HUP
	[ -n "$installed" ] || apt_failed
	case $packages in
	*pgbouncer*) $sudo update-rc.d pgbouncer disable >>"$apt_log" 2>&1 || apt_failed ;;
	esac
	rm -f "$apt_log"
}

apt_failed()
{
	tail -n 20 "$apt_log" >&2
	die "apt failed; its output is in $apt_log"
}
