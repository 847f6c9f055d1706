#!/bin/sh
#
# Indent the C sources as the server's are, by its pgindent: "make indent".
#
# pgindent and pg_bsd_indent are in PostgreSQL's sources from version 16 on, and in
# no package.  PG_SOURCE names such sources; without it the source package of Debian
# is fetched, into .indent/.  The types are those of src/tools/typedefs.list only:
# among the server's are names like "text" that are variables here.
#
#	sh test/tools/indent.sh [--check] [FILE...]
#
# With --check nothing is changed: what would be is told, and is a failure.

set -eu

cd "$(dirname "$0")/../.."
top=$PWD
kept=$top/.indent
package=postgresql-18

check=
if [ "${1:-}" = --check ]; then
	check=yes
	shift
fi
if [ $# -eq 0 ]; then
	# shellcheck disable=SC2046 # names without blanks
	set -- $(git ls-files 'src/*.[ch]' 'sandbox/*.[ch]' 'bench/*.c')
fi

# Get the sources with apt, from a list of its own that leaves the system's alone.
fetch()
{
	command -v apt-get >/dev/null || {
		echo "indent: set PG_SOURCE to sources of PostgreSQL 16 or newer" >&2
		exit 1
	}
	mkdir -p "$kept/lists/partial"
	echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian sid main" \
		>"$kept/sources.list"
	for command in update "--download-only source $package"; do
		# shellcheck disable=SC2086 # words
		(cd "$kept" && apt-get -qq -o Dir::Etc::sourcelist="$kept/sources.list" -o Dir::Etc::sourceparts=- \
			-o Dir::State::lists="$kept/lists" -o APT::Sandbox::User=root $command >/dev/null)
	done
	tar -C "$kept" -xf "$kept/$package"_*.orig.tar.* --strip-components=1 --wildcards \
		'*/src/tools/pg_bsd_indent/*.[ch]' '*/src/tools/pgindent/*'
	rm -rf "$kept/lists" "$kept/$package"_*
}

if [ -z "${PG_SOURCE:-}" ]; then
	[ -f "$kept/src/tools/pgindent/pgindent" ] || fetch
	PG_SOURCE=$kept
fi
tools=$PG_SOURCE/src/tools
mkdir -p "$kept"

if [ ! -x "$kept/pg_bsd_indent" ]; then
	pg_config=${PG_CONFIG:-pg_config}
	cc -O2 -w -I "$("$pg_config" --includedir-server)" -o "$kept/pg_bsd_indent" \
		"$tools"/pg_bsd_indent/*.c -L "$("$pg_config" --libdir)" -L "$("$pg_config" --pkglibdir)" \
		-lpgcommon -lpgport
fi

# Lines may be longer than the server's.
cat >"$kept/indent" <<EOF
#!/bin/sh
exec "$kept/pg_bsd_indent" "\$@" -l110
EOF
chmod +x "$kept/indent"

# What it does not know of C99 is put right: .a = 1, .b = 2, and (Type) {...}.
status=0
for file in "$@"; do
	cp "$file" "$kept/file.c"
	# It leaves files where it is.
	(cd "$kept" && perl "$tools/pgindent/pgindent" --indent="$kept/indent" --typedefs="$top/src/tools/typedefs.list" file.c) \
		>"$kept/log" 2>&1 || {
		echo "# $file: pgindent cannot read it"
		continue
	}
	perl -0pi -e 's/,\.(\w+ =)/, .$1/g; s/= \((\w+)\)\n\s*\{\n\s*([^\n{}]*)\n\s*\};/= ($1) {$2};/g;' "$kept/file.c"
	if cmp -s "$file" "$kept/file.c"; then
		continue
	elif [ -n "$check" ]; then
		diff -u "$file" "$kept/file.c" || status=1
	else
		cat "$kept/file.c" >"$file"
		echo "$file"
	fi
done
rm -f "$kept"/file.c "$kept"/log "$kept"/pgsrc*
exit "$status"
