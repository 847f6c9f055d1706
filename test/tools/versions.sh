#!/bin/sh
#
# Run the tests with other majors of PostgreSQL than the one that is here, and
# build, install and try the packages, in chroots with suites of Debian.  dev
# calls this:
#
#   versions.sh all|other [NAME...]     test here and there, or only there
#   versions.sh packages [SUITE...]     the packages, for each suite
#   versions.sh part NAME...            what is part of all tests: "package" for
#                                       the Debian that is here, "versions" for
#                                       what depends most on the major
#
# In a chroot "./dev" installs what it needs just as it does on a new machine.
# Chroots are kept for the next run; of a run itself nothing stays: mounts and
# processes live in namespaces that end with it.
#
# Part of all tests must not fail for what is not ours: where there is no root,
# no way to make a chroot, no network, or a suite whose packages do not fit
# together, or where it takes too long, it says so and skips.  Those who ask for
# chroots by name get a failure instead.

set -eu

export LC_ALL=C

# Their PostgreSQL is 15, 17, 18 and 19.  The last is sid, with the server from
# experimental.
suites=${IGNISIGN_SUITES:-bookworm trixie sid experimental}
chroots=${IGNISIGN_CHROOTS:-/var/cache/ignisign-dev}
# A chroot is made anew after so many days: suites move.
max_age=7

# What depends most on the major, in short: main paths, crashes, proofs, dumps,
# callbacks, commands on databases, locks, updates, views of the server's state.
main_tests="regress isolation test/t/001_main.pl test/t/002_crash.pl
	test/t/013_proofs.pl test/t/014_dump.pl test/t/022_callbacks.pl
	test/t/031_databases.pl test/t/072_locks.pl test/t/080_update.pl
	test/t/081_observe.pl"

top=$(cd "$(dirname "$0")/../.." && pwd)
parent=$(cd "${TMPDIR:-/tmp}" && pwd -P)
inner=
limit=0
status=0
passed=0
failed=0

say()
{
	printf '%s\n' "$*"
}

# Run a step quietly, and keep its log; show its end if it fails.
step()
{
	printf '  %-40s' "$1"
	began=$(date +%s)
	shift
	if "$@" >"$work/log" 2>&1; then
		say "$(($(date +%s) - began)) s"
	else
		say "failed"
		tail -n 40 "$work/log" | sed 's/^/    /'
		return 1
	fi
}

# Start a command, for $limit seconds at most, and wait for it so that a signal
# is heard.  A killed unshare ends all that it began.
await()
{
	timeout --kill-after=5 "$limit" "$@" </dev/null &
	inner=$!
	status=0
	wait "$inner" || status=$?
	inner=
	return "$status"
}

# Whether await ended the command.
too_slow()
{
	[ "$status" -eq 124 ] || [ "$status" -eq 137 ]
}

finish()
{
	if [ -n "$inner" ]; then
		# shellcheck disable=SC2086 # a list of numbers
		kill -TERM $inner 2>/dev/null || true
		# shellcheck disable=SC2086
		wait $inner 2>/dev/null || true
	fi
	rm -rf --one-file-system "$work"
}

exit_on_signals()
{
	trap finish EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# ---- Chroots ----

# Make a bare system of suite $1 in $2 from the mirror that apt uses here, if
# that is one of Debian.
bootstrap()
{
	# shellcheck disable=SC2016 # for apt-get
	mirror=$(apt-get indextargets --format '$(SITE)' | grep '/debian/*$' | head -n 1) || true
	mirror=${mirror:-http://deb.debian.org/debian}
	apt-config dump | grep -E '^Acquire::(Check-|[Hh]ttps?:|Retries)' >"$work/apt.conf" || true
	suite=$1
	if [ "$1" = experimental ]; then
		suite=sid
		extra="deb $mirror experimental main"
	fi
	await unshare --mount mmdebstrap --variant=apt --aptopt="$work/apt.conf" \
		--dpkgopt=force-unsafe-io "$suite" "$2" "$mirror" ${extra:+"$extra"}
}

# Make the chroot of a suite, and beside it the same again in which nothing is
# ever installed.  The stamp says that both are complete.
make_chroot()
{
	rm -rf --one-file-system "${chroots:?}/$1" "$chroots/$1.clean" "$chroots/$1.made"
	if ! bootstrap "$1" "$chroots/$1.clean"; then
		rm -rf --one-file-system "$chroots/$1.clean"
		return 1
	fi
	cp -a --reflink=auto "$chroots/$1.clean" "$chroots/$1" || return
	touch "$chroots/$1.made"
}

has_chroot()
{
	[ -n "$(find "$chroots/$1.made" -mtime "-$max_age" 2>/dev/null)" ] &&
		[ -d "$chroots/$1.clean" ] && chroot "$chroots/$1" true 2>/dev/null
}

# Run a command in the chroot of a suite.
in_chroot()
{
	root=$chroots/$1
	shift
	with_mounts "$root" chroot "$root" env -u TMPDIR -u PG_CONFIG "$@"
}

# Run a command for which the chroot in a folder has what belongs there.  A folder
# of the scratch folder is its /tmp; packages of sid want /proc while they are
# configured.
with_mounts()
{
	cp -L /etc/resolv.conf /etc/hosts "$1/etc/"
	# The shell stays, for the first process must not be one that expects to
	# be ended by signals.
	# shellcheck disable=SC2016 # for the inner shell
	await unshare --mount --pid --fork --kill-child sh -euc '
		root=$1
		tmp=$2
		shift 3
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		mount -t tmpfs tmpfs "$root/dev/shm"
		mount --bind "$tmp" "$root/tmp"
		"$@" || exit' \
		sh "$1" "$work/tmp" "$@"
}

# Have a chroot in which a command succeeds that installs.  One in which it does
# not may be broken, and is made once more.
prepare_chroot()
{
	chroot_of=$1
	shift
	if has_chroot "$chroot_of"; then
		if install_in "$chroot_of" "$@"; then
			return
		elif too_slow; then
			return 1
		fi
	fi
	empty_tmp
	make_chroot "$chroot_of" && install_in "$chroot_of" "$@"
}

install_in()
{
	if [ "$1" = experimental ]; then
		in_chroot "$1" sh /tmp/src/test/tools/package.sh server 19 experimental || return
	fi
	in_chroot "$@"
}

# Have a new folder for /tmp, with the sources in it.
empty_tmp()
{
	rm -rf "$work/tmp"
	mkdir -m 1777 "$work/tmp"
	mkdir "$work/tmp/src"
	tar -C "$top" --exclude=./.git --exclude='*.o' --exclude='*.so' \
		--exclude=./sandbox/ignisign-sandbox --exclude=./tmp_check -cf - . |
		tar -C "$work/tmp/src" --no-same-owner -xf -
}

# Two at a time may use a chroot, while nobody changes it.
lock_chroot()
{
	exec 9>"$chroots/$1.lock"
	if [ "$limit" -gt 0 ]; then
		flock -w "$limit" 9 || { say "another run uses it"; return 1; }
	else
		flock 9
	fi
}

share_chroot()
{
	flock -s 9
}

unlock_chroot()
{
	exec 9>&-
}

codename()
{
	# shellcheck disable=SC1091 # it is always there
	(. /etc/os-release && say "${VERSION_CODENAME:-}")
}

# ---- Tests ----

test_suite()
{
	tested=$1
	shift
	say
	say "Debian $tested"
	say
	empty_tmp
	lock_chroot "$tested"
	if ! step "prepare a chroot" prepare_chroot "$tested" /tmp/src/dev deps "$@"; then
		unlock_chroot
		failed=$((failed + 1))
		return
	fi
	share_chroot
	say
	in_chroot "$tested" env IGNISIGN_RESULT=/tmp/result /tmp/src/dev test --no-install "$@" || true
	unlock_chroot
	count "$work/tmp/result"
	keep_logs
}

# Add what dev left as its result; without one it ended before its time.
count()
{
	if [ -s "$1" ]; then
		read -r more_passed more_failed <"$1"
		passed=$((passed + more_passed))
		failed=$((failed + more_failed))
	else
		failed=$((failed + 1))
	fi
}

# What dev kept in /tmp of the chroot.
keep_logs()
{
	for logs in "$work/tmp"/ignisign-logs.*; do
		[ ! -d "$logs" ] || mv "$logs" "$parent/"
	done
}

# ---- Packages ----

test_packages()
{
	say
	say "Packages for Debian $1"
	say
	empty_tmp
	lock_chroot "$1"
	if ! step "prepare a chroot" prepare_chroot "$1" sh /tmp/src/test/tools/package.sh deps; then
		failed=$((failed + 1))
	else
		for part in build lintian try; do
			if step "$part" "package_$part" "$1"; then
				passed=$((passed + 1))
			else
				failed=$((failed + 1))
				break
			fi
		done
	fi
	unlock_chroot
	rm -rf --one-file-system "$work/clean"
}

# Build the packages; this runs the tests of SQL in a cluster of its own.
package_build()
{
	in_chroot "$1" sh /tmp/src/test/tools/package.sh build /tmp/packages
}

package_lintian()
{
	in_chroot "$1" sh /tmp/src/test/tools/package.sh lintian /tmp/packages
}

# Install the packages where nothing else is, and run their own tests there.
package_try()
{
	rm -rf --one-file-system "$work/clean"
	cp -a --reflink=auto "$chroots/$1.clean" "$work/clean"
	with_mounts "$work/clean" autopkgtest --setup-commands="apt-get update" \
		"$work"/tmp/packages/*.changes -- chroot "$work/clean"
}

# ---- Part of all tests ----

# Tell why no chroot can be made, if that is so.
why_not()
{
	# shellcheck disable=SC2016 # for the inner shell
	if [ "$(id -u)" -ne 0 ]; then
		say "chroots can be made by root only"
	elif ! unshare --mount --pid --fork sh -c 'mount -t proc proc /proc &&
		mount -t tmpfs tmpfs "$1" && mount --rbind /dev "$1" && chroot / true' \
		sh "$work" 2>/dev/null; then
		say "no chroot can be made: the kernel or a container forbids mounts"
	elif ! mkdir -p "$chroots" 2>/dev/null || ! [ -w "$chroots" ]; then
		say "no chroot can be made in $chroots"
	elif ! have_tools; then
		say "missing:$missing"
	fi
}

have_tools()
{
	missing=
	command -v mmdebstrap >/dev/null || missing="$missing mmdebstrap"
	command -v autopkgtest >/dev/null || missing="$missing autopkgtest"
	[ -n "$missing" ] || return 0
	[ -z "${IGNISIGN_NO_INSTALL:-}" ] && command -v apt-get >/dev/null || return 1
	limit=300
	# shellcheck disable=SC2086 # a list of words
	{ await apt-get -q update; await env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o DPkg::Lock::Timeout=120 --no-install-recommends install $missing; } >"$work/log" 2>&1
}

# Print the line of a part, and leave its result.
result()
{
	printf '  %-40s%4d passed, %d failed' "$label" "$1" "$2"
	[ "${3:-0}" -eq 0 ] || printf ', %d skipped' "$3"
	printf ', %d s\n' "$(($(date +%s) - began))"
	say "$1 $2" >"$work/result"
}

skip()
{
	printf '  %-40sskipped: %s\n' "$label" "$*"
	say "0 0" >"$work/result"
}

# Say why a step that depends on others failed: too slow, or the first complaint in
# its log, or the last of it.
skip_for()
{
	if too_slow; then
		skip "$1 took longer than $limit s"
		show_log 10
	else
		skip "$1: $({ grep -E '^(E|dev): ' "$work/log" ||
			grep -v '^ *$' "$work/log" | tail -n 1; } | head -n 1 | cut -c 1-200)"
	fi
}

show_log()
{
	say
	tail -n "$1" "$work/log" | sed 's/^/    /'
	say
}

# What apt says when it cannot get what it wants.
no_network()
{
	grep -qE 'Failed to fetch|Could not (resolve|connect)|Unable to (connect|fetch)|Connection (timed out|failed)|Temporary failure|Hash Sum mismatch' "$work/log"
}

# Test with the major of a suite.
part_suite()
{
	label="versions: Debian $1"
	began=$(date +%s)
	empty_tmp
	limit=300
	status=0
	# shellcheck disable=SC2086 # a list of words
	{ lock_chroot "$1" && prepare_chroot "$1" /tmp/src/dev deps $main_tests; } >"$work/log" 2>&1 ||
		{ [ "$status" -ne 0 ] || status=1; skip_for "no chroot of it"; return; }
	share_chroot
	# Tests are given the machine one suite after another.
	exec 8>"$chroots/turn.lock"
	flock -w 1200 8 || true
	limit=600
	# shellcheck disable=SC2086
	in_chroot "$1" env IGNISIGN_RESULT=/tmp/result /tmp/src/dev test --no-install $main_tests \
		>"$work/log" 2>&1 || true
	exec 8>&-
	unlock_chroot
	label="versions: $(sed -n 's/^Testing with \(PostgreSQL [^ ]*\).*/\1/p' "$work/log"), $1"
	if too_slow; then
		skip_for "they"
		return
	fi
	count "$work/tmp/result"
	result "$passed" "$failed" "$(sed -n 's/.* \([0-9]*\) skipped.*/\1/p' "$work/log" | awk '{ n += $1 } END { print n + 0 }')"
	[ "$failed" -eq 0 ] || sed 's/^/    /' "$work/log"
	keep_logs
}

# Build and try the packages for the Debian that is here.
part_package()
{
	label="package: Debian $1"
	began=$(date +%s)
	empty_tmp
	limit=300
	status=0
	if ! { lock_chroot "$1" && prepare_chroot "$1" sh /tmp/src/test/tools/package.sh deps; } >"$work/log" 2>&1; then
		[ "$status" -ne 0 ] || status=1
		skip_for "no chroot of it"
		return
	fi
	for part in build lintian try; do
		status=0
		if "package_$part" "$1" >"$work/log" 2>&1; then
			passed=$((passed + 1))
		elif too_slow; then
			skip_for "$part"
			return
		elif no_network; then
			skip "$part: $(grep -E 'Failed|Could not|Unable|Connection|Temporary|Hash' "$work/log" | tail -n 1 | cut -c 1-200)"
			return
		else
			result "$passed" 1
			show_log 40
			return
		fi
	done
	result "$passed" 0
}

# The parts run side by side: for most of their time they wait for packages.
parts()
{
	label="$*"
	reason=$(why_not)
	if [ -n "$reason" ]; then
		skip "$reason"
		return
	fi
	jobs=
	for name in "$@"; do
		case $name in
		package)
			case " $suites " in
			*" $(codename) "*) start_part part_package "$(codename)" ;;
			*) label=package && skip "this is no Debian that there are packages for" ;;
			esac
			;;
		versions)
			for suite in bookworm trixie sid; do
				[ "$suite" = "$(codename)" ] || start_part part_suite "$suite"
			done
			;;
		esac
	done
	for job in $jobs; do
		wait "${job%:*}" || true
		cat "$work/${job#*:}.out"
		count "$work/${job#*:}.result"
	done
	inner=
}

in_background()
{
	work=$1
	shift
	inner=
	exit_on_signals
	"$@"
	cp "$work/result" "$work.result"
}

# Start a part in the background; "PID:NAME" is added to $jobs.
start_part()
{
	part=$1-$2
	mkdir "$work/$part"
	in_background "$work/$part" "$@" >"$work/$part.out" 2>&1 &
	inner="$inner $!"
	jobs="$jobs $!:$part"
}

# ---- Commands ----

work=$(mktemp -d "$parent/ignisign-versions.XXXXXX")
exit_on_signals
which=$1
shift

case $which in
part)
	parts "$@"
	say "$passed $failed" >"$IGNISIGN_RESULT"
	exit
	;;
packages)
	mkdir -p "$chroots"
	# There is no package of experimental's majors until a suite releases them.
	[ $# -gt 0 ] || set -- bookworm trixie sid
	for suite in "$@"; do
		test_packages "$suite"
	done
	say
	say "$passed passed, $failed failed"
	;;
all | other)
	# What analyzers say of the sources does not depend on the server, but on
	# their own versions.
	[ $# -gt 0 ] || set -- unit fuzz sandbox regress isolation tap chaos
	mkdir -p "$chroots"
	if [ "$which" = all ]; then
		IGNISIGN_RESULT=$work/result await "$top/dev" test lint "$@" || true
		count "$work/result"
	fi
	for suite in $suites; do
		[ "$suite" = "$(codename)" ] || test_suite "$suite" "$@"
	done
	say
	say "With all versions: $passed passed, $failed failed"
	;;
esac
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
