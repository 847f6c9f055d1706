# shellcheck shell=sh
#
# The bench: it builds bench/ in the scratch folder and runs it there on a server
# that is as durable as one in production.

bench()
{
	install_missing bench
	scratch=$(mktemp -d "$(scratch_parent)/ignisign-bench.XXXXXX")
	exit_on_signals
	trap remove_scratch EXIT
	fill_scratch
	in_scratch _bench "$@" || exit 1
	[ ! -e "$scratch/src/bench/results.md" ] ||
		cp "$scratch/src/bench/results.md" "$top/bench/results.md"
}

bench_inside()
{
	step "build" build build || exit 1
	step "build the bench's programs" bench make -C bench || exit 1
	step "copy $("$PG_CONFIG" --version | cut -d ' ' -f 1-2)" copy copy_postgres ||
		exit 1
	use_copy
	step "install into the copy" install make install || exit 1
	# Everything is durable, as in production.
	cat >"$TMPDIR/conf" <<EOF
shared_buffers = '1GB'
max_wal_size = '8GB'
max_worker_processes = 80
max_connections = 50
max_files_per_process = 4000
EOF
	step "start a server" initdb make_server <"$TMPDIR/conf" || exit 1
	say
	case ${1:-} in
	size)
		shift
		perl bench/size.pl "$@"
		;;
	*) perl bench/run.pl "$@" ;;
	esac
}
