# shellcheck shell=sh
#
# The tests: which there are, where they run, what is prepared for them, and the
# last line with the result.  kinds.sh runs each of them.

# Which tests there are, and which are run without being named.
kinds="lint unit fuzz sandbox regress isolation tap chaos"

default_tests()
{
	case $mode in
	valgrind)
		say test/t/001_main.pl test/t/005_faults.pl test/t/013_proofs.pl test/t/017_staged.pl \
			test/t/018_webhooks.pl test/t/021_listener.pl test/t/022_callbacks.pl \
			test/t/042_limits.pl
		;;
	sanitize) say "${kinds#lint }" ;;
	coverage) say unit sandbox regress isolation tap ;;
	*) say "$kinds dist package versions" ;;
	esac
}

tests()
{
	case ${1:-} in
	--sanitize | --valgrind | --coverage)
		mode=${1#--}
		shift
		;;
	--all-versions | --other-versions | --packages)
		versions=${1#--}
		versions=${versions%-versions}
		shift
		;;
	esac
	[ -z "$versions" ] || is_root || die "chroots can be made by root only"
	if [ "$versions" = packages ]; then
		install_missing packages
		exec sh "$top/test/tools/versions.sh" packages "$@"
	fi
	check_names "$@"
	install_missing test
	[ -z "$versions" ] || exec sh "$top/test/tools/versions.sh" "$versions" "$@"

	# Those that make chroots need root, the others must not have it.
	inside=
	parts=
	for name in ${names:-$(default_tests)}; do
		case $name in
		package | versions) parts="$parts $name" ;;
		*) inside="$inside $name" ;;
		esac
	done
	scratch=$(mktemp -d "$(scratch_parent)/ignisign-test.XXXXXX")
	exit_on_signals
	trap tests_end EXIT
	if [ -n "$inside" ]; then
		fill_scratch
		archive_head
		# shellcheck disable=SC2086 # a list of words
		in_scratch _test $inside || true
	fi
	# shellcheck disable=SC2086
	[ -z "$parts" ] || test_parts $parts
	exit 1
}

# Set $names to those of tests.
check_names()
{
	names=$*
	for name in "$@"; do
		case $name in
		lint | unit | fuzz | sandbox | regress | isolation | tap | chaos) ;;
		dist | package | versions) ;;
		sql/*.sql | test/isolation/specs/*.spec | test/sandbox/*.t | test/t/*.pl)
			[ -f "$top/$name" ] || die "test: no file $name"
			;;
		*) die "test: unknown name $name" ;;
		esac
	done
}

# The sources have no history in the scratch folder; a release is made of what is
# committed.
archive_head()
{
	if [ -e "$top/.git" ] && command -v git >/dev/null; then
		git -c safe.directory="$top" -C "$top" archive -o "$scratch/head.tar" HEAD ||
			rm -f "$scratch/head.tar"
	fi
}

# Run what needs chroots.
test_parts()
{
	IGNISIGN_RESULT=$scratch/parts IGNISIGN_NO_INSTALL=$no_install \
		setsid sh "$top/test/tools/versions.sh" part "$@" </dev/null &
	inner=$!
	wait "$inner" || true
	inner=
}

# Keep the logs of a failure; the last line is the result.
tests_end()
{
	cd /
	stop_scratch
	passed=0
	failed=0
	for result in ${inside:+result} ${parts:+parts}; do
		more_passed=0
		more_failed=1
		if [ -s "$scratch/$result" ]; then
			read -r more_passed more_failed <"$scratch/$result"
		fi
		passed=$((passed + more_passed))
		failed=$((failed + more_failed))
	done
	[ "$passed" -gt 0 ] || [ "$failed" -gt 0 ] || say "No test was run."
	if [ "$failed" -gt 0 ] && [ -d "$scratch/log" ]; then
		logs=$(mktemp -d "$(scratch_parent)/ignisign-logs.XXXXXX")
		cp -R "$scratch/log/." "$logs/"
		say
		say "The logs are in $logs."
	fi
	rm -rf "$scratch"
	[ -z "${IGNISIGN_RESULT:-}" ] || say "$passed $failed" >"$IGNISIGN_RESULT"
	say
	say "$passed passed, $failed failed"
	trap - EXIT
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ] && exit 0
	exit 1
}

tests_inside()
{
	all_passed=0
	all_failed=0
	names=$*

	say "Testing with $("$PG_CONFIG" --version) in $IGNISIGN_SCRATCH"
	say
	if ! tests_prepare "$@"; then
		say "0 1" >"$IGNISIGN_SCRATCH/result"
		exit 1
	fi
	say
	for name in "$@"; do
		run_tests "$name"
	done
	[ -z "$mode" ] || run_tests "$mode"
	say "$all_passed $all_failed" >"$IGNISIGN_SCRATCH/result"
}

tests_prepare()
{
	set_mode
	case " $*" in
	*" lint"* | *" tap"* | *_monitoring.pl*)
		if ! has_prometheus && [ -d "$IGNISIGN_PROMETHEUS" ]; then
			step "unpack Prometheus" prometheus unpack_prometheus || return
			PATH=$PATH:$IGNISIGN_SCRATCH/prometheus/usr/bin
		fi
		;;
	esac
	case " $*" in
	*" regress"* | *" isolation"* | *" tap"* | *" chaos"* | *" dist"* | *.sql* | *.spec* | *.pl*) ;;
	*" sandbox"* | *.t*)
		step "build the sandbox with $COPT" build make all-sandbox
		return
		;;
	*)
		return
		;;
	esac
	step "build with $COPT" build build || return
	step "copy $("$PG_CONFIG" --version | cut -d ' ' -f 1-2)" copy copy_postgres ||
		return
	use_copy
	wrap_postgres || return
	# Without these the test of webhooks skips itself.
	if wanted tap test/t/018_webhooks.pl 'test/t/09*' && ! has_node_modules; then
		step "get express and pg for Node" npm npm install --silent \
			--cache "$IGNISIGN_SCRATCH/npm" --prefix "$IGNISIGN_SCRATCH/node" \
			express@4 pg@8
		export NODE_PATH="$IGNISIGN_SCRATCH/node/node_modules"
	fi
	step "install into the copy" install make install || return
	# The others start their own.
	case " $*" in
	*" regress"* | *" isolation"* | *.sql* | *.spec*)
		echo "fsync = off" >"$TMPDIR/conf"
		step "start a server" initdb make_server <"$TMPDIR/conf"
		;;
	esac
}

unpack_prometheus()
{
	for package in "$IGNISIGN_PROMETHEUS"/*.deb; do
		dpkg-deb -x "$package" "$IGNISIGN_SCRATCH/prometheus" || return
	done
}

# Export how to build, and where the tools of the mode leave what they find.
set_mode()
{
	reports=$IGNISIGN_SCRATCH/log/reports
	mkdir -p "$reports"
	export COPT=-Werror
	case $mode in
	sanitize)
		# More warnings come from what the sanitizers add; the usual build has none.
		COPT="-O1 -fno-omit-frame-pointer -fsanitize=address,undefined"
		export ASAN_OPTIONS="log_path=$reports/asan detect_stack_use_after_return=0"
		export UBSAN_OPTIONS="log_path=$reports/ubsan print_stacktrace=1"
		;;
	coverage)
		COPT="-Og --coverage"
		export SANITIZE=
		;;
	esac
	# Everything is slower, some of it by far.
	if [ -n "$mode" ]; then
		export PG_TEST_TIMEOUT_DEFAULT=900 PGCTLTIMEOUT=900
	fi
}

# In the place of the server's program put a script that starts it as the mode
# needs; only the server loads the extension.
wrap_postgres()
{
	program=$bin/postgres.program
	case $mode in
	sanitize)
		cc -shared -fPIC -o "$IGNISIGN_SCRATCH/first.so" -Wl,-z,initfirst test/tools/first.c ||
			return
		mv "$bin/postgres" "$program"
		# The name is kept for pg_ctl restart, which starts what the server says it is.
		cat >"$bin/postgres" <<EOF
#!/bin/bash
export LD_PRELOAD="$(cc -print-file-name=libasan.so) $IGNISIGN_SCRATCH/first.so"
export ASAN_OPTIONS="$ASAN_OPTIONS detect_leaks=0 abort_on_error=1"
exec -a "$bin/postgres" "$program" "\$@"
EOF
		;;
	valgrind)
		# Its programs are copied to be found, and stopped, like all the others.
		cp -RL "$(valgrind_libdir)" "$IGNISIGN_SCRATCH/valgrind" || return
		mv "$bin/postgres" "$program"
		cat >"$bin/postgres" <<EOF
#!/bin/sh
export VALGRIND_LIB="$IGNISIGN_SCRATCH/valgrind"
exec valgrind --quiet --leak-check=no --error-limit=no --num-callers=30 \\
	--suppressions="$PWD/test/tools/valgrind.supp" --log-file="$reports/valgrind.%p" \\
	"$program" "\$@"
EOF
		;;
	*)
		return
		;;
	esac
	chmod 755 "$bin/postgres"
}

valgrind_libdir()
{
	for dir in /usr/libexec/valgrind /usr/lib/*/valgrind /usr/lib/valgrind; do
		[ ! -f "$dir/default.supp" ] || say "$dir"
	done | head -n 1
}
