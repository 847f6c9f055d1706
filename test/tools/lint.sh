#!/bin/sh
#
# Let analyzers look at the sources; what they say is printed as TAP.  The
# Makefile gives the extension's flags for the preprocessor in CPPFLAGS.

# The functions that check() runs look unused.
# shellcheck disable=SC2317

set -u

cd "$(dirname "$0")/../.." || exit 1

n=0
failed=0
said=$(mktemp)
trap 'rm -f "$said"' EXIT

# Run a command; the result is good if it succeeds.
check()
{
	name=$1
	shift
	n=$((n + 1))
	if "$@" >"$said" 2>&1; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		sed 's/^/# /' "$said"
		failed=1
	fi
}

# clang-tidy for C files, two at a time; $1 are the compiler's flags.  The
# analyzer gives up on a function after a while: the rest of its time is for the
# last few of many ways through it.
tidy()
{
	flags="$1 -Xclang -analyzer-config -Xclang max-nodes=30000"
	shift
	# shellcheck disable=SC2086 # a list of flags
	printf '%s\n' "$@" | xargs -P 2 -I '{}' clang-tidy --quiet '{}' -- -std=gnu11 $flags 2>/dev/null
}

# cppcheck needs no headers but our own, and takes what it does not know of as
# fit for anything.
analyze()
{
	cppcheck --quiet -j 2 --std=c11 --error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability --library=posix --library=test/tools/cppcheck.cfg \
		--suppressions-list=test/tools/cppcheck.supp "$@"
}

perl_syntax()
{
	perl_lib=$(dirname "$("${PG_CONFIG:-pg_config}" --pgxs)")/../test/perl
	for file in "$@"; do
		perl -c -I test/lib -I "$perl_lib" "$file" || return
	done
}

flags=$(pkg-config --cflags libcurl libcjson)
sandbox_flags=$(pkg-config --cflags libmicrohttpd libcjson libcurl openssl libqpdf libarchive)

check "clang-tidy: src" tidy "${CPPFLAGS:-}" src/*.c src/*/*.c
check "clang-tidy: sandbox" tidy "-D_GNU_SOURCE -Isandbox $sandbox_flags" sandbox/*.c sandbox/*/*.c
check "clang-tidy: test" tidy "-D_GNU_SOURCE -Isrc $flags" test/unit/*.c test/fuzz/*.c test/tools/*.c
check "cppcheck: src" analyze -I src src/*.c src/*/*.c
check "cppcheck: sandbox" analyze -I sandbox sandbox/*.c sandbox/*/*.c
check "cppcheck: test" analyze -I src -I test/unit -I test/fuzz test/unit/*.c test/fuzz/*.c test/tools/*.c
check "includes: src" perl test/tools/includes.pl src sql worker callback webhook queue http launcher util api
check "includes: sandbox" perl test/tools/includes.pl sandbox pages admin api delivery proof http model util
check "shellcheck: dev" shellcheck -x -a dev
check "shellcheck" shellcheck -x .ci/run debian/tests/demo examples/*/*.sh test/tools/*.sh .githooks/pre-commit
check "Dockerfile, compose.yaml" perl test/tools/image.pl
check "versions agree" perl test/tools/agree.pl
check "perl -c" perl_syntax test/lib/*.pm test/t/*.pl test/chaos/*.pl test/sandbox/*.t test/tools/*.pl
check "monitoring" perl test/tools/monitoring.pl
# dev gets it, from a package of Debian.
if command -v promtool >/dev/null; then
	check "promtool: rules" promtool check rules monitoring/alerts.yml
	check "promtool: tests of rules" promtool test rules test/monitoring/alerts_test.yml
fi
check "links" perl test/tools/links.pl
check "test/README.md" perl test/tools/listed.pl
echo "1..$n"
exit "$failed"
