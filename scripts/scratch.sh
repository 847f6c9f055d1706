# shellcheck shell=sh
#
# The scratch folder: a copy of the sources, a private copy of PostgreSQL, and a
# server of it.
#
# PostgreSQL's programs find their files relative to themselves.  So the extension
# is installed into the copy, and neither the system's PostgreSQL nor any cluster
# of it is touched.  PostgreSQL refuses to run as root, so for root the folder
# belongs to the account "nobody", which has no rights anywhere else.
#
# The first half runs outside.  It makes the folder, runs dev in it under the
# account that owns it, and stops and removes everything that it holds.  The
# second half runs inside, with IGNISIGN_SCRATCH in the environment.

account=nobody

# ---- Outside ----

# Name a folder for scratch folders whose name is short enough for a socket.
scratch_parent()
{
	parent=${TMPDIR:-/tmp}
	[ "${#parent}" -le 40 ] || parent=/tmp
	(cd "$parent" && pwd -P)
}

# Copy the sources into the scratch folder and give it to the account.
fill_scratch()
{
	mkdir "$scratch/src" "$scratch/log" "$scratch/tmp" "$scratch/s"
	tar -C "$top" --exclude=./.git --exclude='*.o' --exclude='*.so' \
		--exclude=./sandbox/ignisign-sandbox --exclude=./tmp_check \
		--exclude=./test/fuzz/found --exclude=./.indent -cf - . |
		tar -C "$scratch/src" --no-same-owner -xf -
	if is_root; then
		chown -R "$account:$(id -g "$account")" "$scratch"
	fi
}

# Run a command of this script in the scratch folder, under the account that
# owns it, in a session of its own and without the settings of whoever started
# it.  A shell makes what it runs in the background ignore SIGINT; undo that.
in_scratch()
{
	become=
	if is_root; then
		become="setpriv --reuid $account --regid $(id -g "$account") --clear-groups"
	fi
	# shellcheck disable=SC2046 # names without blanks
	unset $(env | sed -n 's/^\(PG[A-Z]*\)=.*/\1/p') MAKEFLAGS MAKELEVEL MFLAGS

	# Not from a folder that the account cannot read.
	cd "$scratch/src"
	# shellcheck disable=SC2086 # a list of words
	setsid $become env --default-signal=INT,QUIT \
		HOME="$scratch/tmp" TMPDIR="$scratch/tmp" \
		IGNISIGN_SCRATCH="$scratch" PG_CONFIG="$pg_config" \
		IGNISIGN_MODE="$mode" IGNISIGN_PROMETHEUS="${prometheus:-}" no_proxy=127.0.0.1,localhost \
		./dev "$@" </dev/null &
	inner=$!
	while :; do
		status=0
		wait "$inner" || status=$?
		# A signal ends the waiting, too.
		kill -0 "$inner" 2>/dev/null || break
	done
	inner=
	cd /
	return "$status"
}

# List the processes whose program lies in the scratch folder.
scratch_processes()
{
	find /proc/[0-9]*/exe -maxdepth 0 -lname "$scratch/*" 2>/dev/null |
		cut -d / -f 3
}

# Stop whatever runs in the scratch folder: politely, then not.
stop_scratch()
{
	if [ -n "${inner:-}" ]; then
		kill -TERM "-$inner" 2>/dev/null || true
	fi
	for signal in INT QUIT KILL; do
		# shellcheck disable=SC2046 # a list of numbers
		kill -s "$signal" $(scratch_processes) 2>/dev/null || true
		n=0
		while [ "$n" -lt 50 ]; do
			[ -n "$(scratch_processes)" ] || return 0
			sleep 0.1
			n=$((n + 1))
		done
	done
}

remove_scratch()
{
	cd /
	stop_scratch
	rm -rf "$scratch"
}

exit_on_signals()
{
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# ---- Inside ----

# Run a step of the preparation, quietly; show the end of its log if it fails.
step()
{
	printf '  %-40s' "$1"
	log=$IGNISIGN_SCRATCH/log/$2.log
	began=$(date +%s)
	shift 2
	if "$@" >"$log" 2>&1; then
		say "$(($(date +%s) - began)) s"
	else
		say "failed"
		say
		tail -n 40 "$log"
		return 1
	fi
}

# Make a private copy of PostgreSQL: its programs, and links to the rest.
copy_postgres()
{
	pg=$IGNISIGN_SCRATCH/pg
	bindir=$("$PG_CONFIG" --bindir)
	libdir=$("$PG_CONFIG" --pkglibdir)
	sharedir=$("$PG_CONFIG" --sharedir)
	includedir=$("$PG_CONFIG" --includedir-server)

	mkdir -p "$pg$bindir" "$pg$libdir" "$pg$sharedir/extension" \
		"$pg${includedir%/*}" &&
		ln -s "$includedir" "$pg$includedir" &&
		link_all "$libdir" &&
		link_all "$sharedir/extension" &&
		link_all "$sharedir" || return
	for program in postgres initdb psql pgbench createdb dropdb createuser \
		dropuser vacuumdb reindexdb clusterdb "$bindir"/pg_*; do
		[ ! -x "$bindir/${program##*/}" ] ||
			cp "$bindir/${program##*/}" "$pg$bindir/" || return
	done
}

# Link the contents of a folder, but not an ignisign that is installed there.
link_all()
{
	for file in "$1"/*; do
		case ${file##*/} in
		ignisign*) ;;
		*) [ -e "$pg$file" ] || ln -s "$file" "$pg$file" || return ;;
		esac
	done
}

# From here on use the private copy.  "make install" puts the sandbox there, too.
use_copy()
{
	bin=$IGNISIGN_SCRATCH/pg$("$PG_CONFIG" --bindir)
	PG_CONFIG=$bin/pg_config
	SANDBOX_PREFIX=$IGNISIGN_SCRATCH/pg
	PATH=$bin:$SANDBOX_PREFIX/bin:$PATH
	PGHOST=$IGNISIGN_SCRATCH/s
	PGUSER=postgres
	PGDATABASE=postgres
	export PG_CONFIG SANDBOX_PREFIX PATH PGHOST PGUSER PGDATABASE
}

# Make a server.  Only the owner of the scratch folder, and root, can reach its
# socket, so it asks nobody for a password; and it listens nowhere else.
# What is read from stdin are settings.
make_server()
{
	initdb -D "$IGNISIGN_SCRATCH/data" -A trust -U postgres \
		--no-locale -E UTF8 &&
		cat - >>"$IGNISIGN_SCRATCH/data/postgresql.conf" &&
		cat >>"$IGNISIGN_SCRATCH/data/postgresql.conf" <<EOF || return
listen_addresses = ''
unix_socket_directories = '$IGNISIGN_SCRATCH/s'
shared_preload_libraries = 'ignisign'
log_line_prefix = '%m [%p] %q%b %d '
EOF
	pg_ctl -D "$IGNISIGN_SCRATCH/data" -l "$IGNISIGN_SCRATCH/log/server.log" \
		-w start
}

build()
{
	make clean && make -j "$(nproc)" "$@"
}
