#!/bin/sh
#
# Make a release of the commit in a tar file, and use it as one from PGXN is used:
# unzip, build, install, test.  "./dev test dist" runs this in the scratch folder,
# with the private copy of PostgreSQL.  Prints TAP.

# shellcheck disable=SC2317 # check calls the functions

set -u

head=$1
here=$PWD
work=$IGNISIGN_SCRATCH/dist
n=0
failed=0

check()
{
	n=$((n + 1))
	what=$1
	shift
	if ("$@") >"$work/log" 2>&1; then
		echo "ok $n - $what"
	else
		echo "not ok $n - $what"
		tail -n 30 "$work/log" | sed 's/^/# /'
		failed=1
	fi
}

# A repository with this one commit: that of a developer may be shallow.
make_dist()
{
	mkdir "$work/repository" && cd "$work/repository" && tar -xf "$head" &&
		git init -q . && git add -A &&
		git -c user.name=dist -c user.email=dist@localhost commit -q -m release &&
		make dist && [ "$(git status --porcelain)" = "" ] &&
		cp "$name.zip" "$work/"
}

unzip_dist()
{
	cd "$work" && unzip -q "$name.zip" &&
		[ "$(unzip -Z1 "$name.zip" | cut -d / -f 1 | sort -u)" = "$name" ]
}

meta()
{
	cd "$work/$name" && perl "$here/test/tools/meta.pl" META.json
}

# What is installed is what the sources that were tested have.
install_dist()
{
	cd "$work/$name" && make install && [ -s "$(pg_config --pkglibdir)/ignisign.so" ] &&
		cmp -s ignisign.so "$(pg_config --pkglibdir)/ignisign.so" &&
		for file in sql/ignisign--*.sql ignisign.control; do
			cmp -s "$file" "$(pg_config --sharedir)/extension/${file##*/}" || return
		done
}

# In a server of its own, which pg_regress makes.
installcheck()
{
	cd "$work/$name" && echo "shared_preload_libraries = 'ignisign'" >"$work/conf" &&
		make installcheck TAP_TESTS= ISOLATION= \
			EXTRA_REGRESS_OPTS="--temp-instance=$work/server --temp-config=$work/conf"
}

if ! [ -s "$head" ]; then
	echo "1..0 # SKIP this is no clone of the repository"
	exit
fi
mkdir "$work"
name=ignisign-$(tar -xOf "$head" META.json | sed -n 's/^   "version": "\(.*\)",$/\1/p')
check "make dist" make_dist
check "unzip $name.zip" unzip_dist
check "META.json" meta
check "make" make -C "$work/$name" -j 2
check "make install" install_dist
check "make installcheck" installcheck
echo "1..$n"
exit "$failed"
