# shellcheck shell=sh
#
# The demo: it prepares a server and a sandbox in the scratch folder and runs the
# acts of examples/demo.  A demo stays until "./dev demo --stop".

demo()
{
	scratch=$(scratch_parent)/ignisign-demo-$(id -un)

	# Whether there is a second act; the first one is to know.
	IGNISIGN_BY_HAND=
	[ ! -t 0 ] || [ ! -t 1 ] || IGNISIGN_BY_HAND=yes

	case ${1:-} in
	--stop)
		demo_stop
		return
		;;
	--by-hand)
		IGNISIGN_BY_HAND=yes
		if [ -f "$scratch/sandbox.url" ]; then
			install_missing demo
			demo_by_hand
			return
		fi
		;;
	'') ;;
	*) die "demo: unknown argument $1" ;;
	esac
	export IGNISIGN_BY_HAND

	if [ -d "$scratch" ]; then
		say "A demo is there already, in $scratch."
		say "Look around in it, or stop and remove it first:"
		say
		say "  ./dev demo --stop"
		exit 1
	fi
	say "ignisign: a row becomes a signed contract"
	say
	install_missing demo
	mkdir -m 0700 "$scratch"
	exit_on_signals
	trap remove_scratch EXIT
	fill_scratch
	in_scratch _demo || exit 1
	trap - EXIT
	[ -z "$IGNISIGN_BY_HAND" ] || demo_by_hand
}

# The second act; it knows what to do when it is interrupted.
demo_by_hand()
{
	trap 'kill -INT "$inner" 2>/dev/null || true' INT
	in_scratch _demo_by_hand || exit 1
}

demo_stop()
{
	if [ ! -d "$scratch" ]; then
		say "There is no demo to stop."
		return
	fi
	[ -O "$scratch" ] || is_root || die "$scratch is not yours"
	[ -f "$scratch/src/ignisign.control" ] || die "$scratch is not a demo"
	remove_scratch
	say "The demo is stopped and $scratch is removed."
}

demo_inside()
{
	say "Everything happens in $IGNISIGN_SCRATCH,"
	say "with a PostgreSQL of its own and a sandbox in place of the API."
	say
	demo_prepare || demo_failed
	sh examples/demo/demo.sh || demo_failed
}

demo_by_hand_inside()
{
	use_copy
	IGNISIGN_URL=$(cat "$IGNISIGN_SCRATCH/sandbox.url")
	export IGNISIGN_URL
	exec sh examples/demo/by-hand.sh
}

# What test/t/090_demo.pl runs: both acts, with the programs of the tests.
demo_test_inside()
{
	demo_start && sh examples/demo/demo.sh && sh examples/demo/by-hand.sh
}

demo_prepare()
{
	step "build the extension and the sandbox" build build || return
	step "copy $("$PG_CONFIG" --version | cut -d ' ' -f 1-2)" copy copy_postgres ||
		return
	use_copy
	step "install into the copy" install make install || return
	demo_start
}

demo_start()
{
	# News come by webhook; the API is not asked for them.
	echo "ignisign.refresh_interval = 0" >"$TMPDIR/conf"
	step "start a server" initdb make_server <"$TMPDIR/conf" || return
	step "start the sandbox" sandbox demo_sandbox || return
	IGNISIGN_URL=$(cat "$IGNISIGN_SCRATCH/sandbox.url")
	export IGNISIGN_URL
}

# Start the sandbox on the first port from 8017 that is free; its signers sign
# by themselves after a moment, but for the one of the second act.
demo_sandbox()
{
	port=8017
	while [ "$port" -lt 8117 ]; do
		setsid ignisign-sandbox --port "$port" --sign-after 1500 \
			--by-hand you@example.com --verbose \
			--webhook-retries 1000 --webhook-retry-delay 250 \
			--ready-file "$IGNISIGN_SCRATCH/sandbox.ready" \
			>"$IGNISIGN_SCRATCH/log/sandbox.out" 2>&1 </dev/null &
		sandbox=$!
		while kill -0 "$sandbox" 2>/dev/null; do
			if [ -s "$IGNISIGN_SCRATCH/sandbox.ready" ]; then
				say "http://127.0.0.1:$port" >"$IGNISIGN_SCRATCH/sandbox.url"
				return
			fi
			sleep 0.05
		done
		port=$((port + 1))
	done
	cat "$IGNISIGN_SCRATCH/log/sandbox.out"
	return 1
}

demo_failed()
{
	say
	say "The demo failed."
	for log in server.log sandbox.out; do
		[ -s "$IGNISIGN_SCRATCH/log/$log" ] || continue
		say
		say "The end of $log:"
		tail -n 20 "$IGNISIGN_SCRATCH/log/$log" | sed 's/^/  /'
	done
	exit 1
}
