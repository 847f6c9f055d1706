#!/bin/sh
#
# Run the tests with other majors of PostgreSQL than the one that is here, each
# in a chroot with the suite of Debian that has it.  "./dev test --all-versions"
# and "./dev test --other-versions" call this, with the names of tests.
#
# In a chroot "./dev" installs what it needs just as it does on a new machine.
# Chroots are kept for the next run; of a run itself nothing stays: mounts and
# processes live in namespaces that end with it.

set -eu

export LC_ALL=C

# Their PostgreSQL is 15, 17 and 18.
suites="bookworm trixie sid"
chroots=${IGNISIGN_CHROOTS:-/var/cache/ignisign-dev}
# A chroot is made anew after so many days: suites move.
max_age=7

top=$(cd "$(dirname "$0")/../.." && pwd)
parent=$(cd "${TMPDIR:-/tmp}" && pwd -P)
inner=
passed=0
failed=0

say()
{
	printf '%s\n' "$*"
}

# Run a step quietly; show the end of its log if it fails.
step()
{
	printf '  %-40s' "$1"
	began=$(date +%s)
	shift
	if "$@" >"$scratch/step.log" 2>&1; then
		say "$(($(date +%s) - began)) s"
	else
		say "failed"
		tail -n 40 "$scratch/step.log" | sed 's/^/    /'
		return 1
	fi
}

# Wait for what was started last; killing unshare ends all that it began.
await()
{
	inner=$!
	status=0
	wait "$inner" || status=$?
	inner=
	return "$status"
}

finish()
{
	[ -z "$inner" ] || kill -TERM "$inner" 2>/dev/null || true
	[ -z "$inner" ] || wait "$inner" 2>/dev/null || true
	rm -rf "$scratch"
}

# ---- Chroots ----

# Make the chroot of a suite from the mirror that apt uses here, if that is one
# of Debian.  The stamp says that it is complete.
make_chroot()
{
	rm -rf --one-file-system "${chroots:?}/$1" "$chroots/$1.made"
	# shellcheck disable=SC2016 # for apt-get
	mirror=$(apt-get indextargets --format '$(SITE)' | grep '/debian/*$' | head -n 1) || true
	apt-config dump | grep -E '^Acquire::(Check-|[Hh]ttps?:|Retries)' >"$scratch/apt.conf" || true
	unshare --mount mmdebstrap --variant=apt --aptopt="$scratch/apt.conf" \
		"$1" "$chroots/$1" "${mirror:-http://deb.debian.org/debian}" &
	await || return
	touch "$chroots/$1.made"
}

has_chroot()
{
	[ -n "$(find "$chroots/$1.made" -mtime "-$max_age" 2>/dev/null)" ] &&
		chroot "$chroots/$1" true 2>/dev/null
}

# Run a command in the chroot of a suite.  A folder of the scratch folder is its
# /tmp; packages of sid want /proc while they are configured.
in_chroot()
{
	root=$chroots/$1
	shift
	cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
	# The shell stays, for the first process must not be one that expects to
	# be ended by signals.
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --pid --fork --kill-child sh -euc '
		root=$1
		tmp=$2
		shift 2
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		mount -t tmpfs tmpfs "$root/dev/shm"
		mount --bind "$tmp" "$root/tmp"
		chroot "$root" env -u TMPDIR -u PG_CONFIG "$@" || exit' \
		sh "$root" "$scratch/tmp" "$@" </dev/null &
	await
}

# Have a chroot in which all is there that the tests need.  One in which that
# cannot be installed is broken, and made once more.
prepare_chroot()
{
	if has_chroot "$1" && in_chroot "$1" /tmp/src/dev deps; then
		return
	fi
	make_chroot "$1" && in_chroot "$1" /tmp/src/dev deps
}

# ---- Tests ----

codename()
{
	# shellcheck disable=SC1091 # it is always there
	(. /etc/os-release && say "${VERSION_CODENAME:-}")
}

test_suite()
{
	suite=$1
	shift
	say
	say "Debian $suite"
	say
	rm -rf "$scratch/tmp"
	mkdir -m 1777 "$scratch/tmp"
	mkdir "$scratch/tmp/src"
	tar -C "$top" --exclude=./.git --exclude='*.o' --exclude='*.so' -cf - . |
		tar -C "$scratch/tmp/src" --no-same-owner -xf -

	# Two at a time may use a chroot, while nobody changes it.
	flock 9
	if ! step "prepare a chroot" prepare_chroot "$suite"; then
		flock -u 9
		failed=$((failed + 1))
		return
	fi
	flock -s 9
	say
	in_chroot "$suite" env IGNISIGN_RESULT=/tmp/result /tmp/src/dev test --no-install "$@" || true
	flock -u 9
	count "$scratch/tmp/result"
	for logs in "$scratch/tmp"/ignisign-logs.*; do
		[ ! -d "$logs" ] || mv "$logs" "$parent/"
	done
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

scratch=$(mktemp -d "$parent/ignisign-versions.XXXXXX")
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

which=$1
shift
if [ "$which" = all ]; then
	IGNISIGN_RESULT=$scratch/result "$top/dev" test "$@" </dev/null &
	await || true
	count "$scratch/result"
fi

# What analyzers say of the sources does not depend on the server, but on their
# own versions.
[ $# -gt 0 ] || set -- unit fuzz sandbox regress isolation tap chaos
mkdir -p "$chroots"
exec 9>"$chroots/lock"
for suite in $suites; do
	[ "$suite" = "$(codename)" ] || test_suite "$suite" "$@"
done

say
say "With all versions: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
