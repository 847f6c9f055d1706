# shellcheck shell=sh
#
# How each kind of tests is run, counted, and shown where it fails.

# Run one kind of tests, or one file of it, and count.
run_tests()
{
	passed=0
	failed=0
	skipped=0
	status=0
	log=$IGNISIGN_SCRATCH/log/$(say "$1" | tr / -).log
	began=$(date +%s)
	printf '  %-40s' "$1"

	case $1 in
	lint) run_make lint ;;
	unit) run_make unit ;;
	fuzz) run_make fuzz-check ;;
	dist) run_dist ;;
	sanitize | valgrind) run_reports ;;
	coverage) run_coverage ;;
	sandbox) run_prove test/sandbox ;;
	test/sandbox/*) run_prove "$1" ;;
	regress) run_regress ISOLATION= ;;
	sql/*) run_regress "REGRESS=$(basename "$1" .sql)" ISOLATION= ;;
	isolation) run_regress REGRESS= ;;
	test/isolation/*) run_regress "ISOLATION=$(basename "$1" .spec)" REGRESS= ;;
	tap) run_tap ;;
	chaos) run_tap "PROVE_TESTS=test/chaos/chaos.pl" ;;
	test/t/*) run_tap "PROVE_TESTS=$1" ;;
	esac

	# Something went wrong besides the tests, or instead of them.
	[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1

	printf '%4d passed, %d failed' "$passed" "$failed"
	[ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
	printf ', %d s\n' "$(($(date +%s) - began))"
	[ "$failed" -eq 0 ] || show_failure "$1"
	[ "$1" != chaos ] || sed -n 's/^# /      /p' "$log"
	all_passed=$((all_passed + passed))
	all_failed=$((all_failed + failed))
}

# Make a target that prints TAP.
run_make()
{
	make -k "$1" >"$log" 2>&1 || status=$?
	count_tap "$log"
}

# The test of a release prints TAP.
run_dist()
{
	sh test/tools/dist.sh "$IGNISIGN_SCRATCH/head.tar" >"$log" 2>&1 || status=$?
	count_tap "$log"
}

# Each report of the mode's tool is a failure, whatever the tests said of it.
run_reports()
{
	stop_server
	find "$reports" -type f -size +0 -exec cat {} + >"$log"
	failed=$(find "$reports" -type f -size +0 | wc -l)
	[ "$failed" -gt 0 ] || passed=1
}

# Servers write what they have counted when they end.
run_coverage()
{
	stop_server
	perl test/tools/coverage.pl src 90 >"$log" 2>&1 || status=$?
	count_tap "$log"
	say
	sed 's/^/    /' "$log"
	printf '  %-40s' "coverage"
}

stop_server()
{
	[ ! -d "$IGNISIGN_SCRATCH/data" ] ||
		pg_ctl -D "$IGNISIGN_SCRATCH/data" -m fast -w stop >/dev/null
}

# prove shows a summary; the single results are in what it dumps.
run_prove()
{
	tap=$IGNISIGN_SCRATCH/tap/$1
	mkdir -p "$tap"
	PERL_TEST_HARNESS_DUMP_TAP=$tap prove -j 2 "$1" >"$log" 2>&1 || status=$?
	count_tap "$tap"
	count_dead
}

run_tap()
{
	tap=$IGNISIGN_SCRATCH/tap/$name
	mkdir -p "$tap"
	PERL_TEST_HARNESS_DUMP_TAP=$tap make installcheck PROVE_FLAGS='-j 2' \
		REGRESS= ISOLATION= "$@" >"$log" 2>&1 || status=$?
	count_tap "$tap"
	count_dead
	if [ "$status" -ne 0 ] && [ -d tmp_check/log ]; then
		mkdir -p "$IGNISIGN_SCRATCH/log/tap"
		cp -R tmp_check/log/. "$IGNISIGN_SCRATCH/log/tap/"
	fi
}

# Both print "test name ... ok", or since PostgreSQL 16 "ok 1 - name".
run_regress()
{
	make installcheck TAP_TESTS= "$@" >"$log" 2>&1 || status=$?
	passed=$(grep -cE '^(test .* ok |ok )' "$log") || true
	failed=$(grep -cE '^(test .* FAILED|not ok )' "$log") || true
	for file in regression.diffs output_iso/regression.diffs; do
		if [ -s "$file" ]; then
			cp "$file" "${log%.log}.diffs"
			rm "$file"
		fi
	done
}

# Count the results in a file of TAP, or in all files of a folder.
count_tap()
{
	# shellcheck disable=SC2046 # three numbers
	set -- $(find "$1" -type f -exec cat {} + | awk '
		/^(ok|not ok).* # *[Tt][Oo][Dd][Oo]/ { next }
		/^ok.* # *[Ss][Kk][Ii][Pp]/ || /^1\.\.0/ { skipped++; next }
		/^ok/ { passed++ }
		/^not ok/ { failed++ }
		END { print passed + 0, failed + 0, skipped + 0 }')
	passed=$1
	failed=$2
	skipped=$3
}

# A file that died is a failure, even if none of its results is.
count_dead()
{
	dead=$(grep -cE '\(Wstat: [1-9].* Failed: 0\)' "$log") || true
	failed=$((failed + dead))
}

show_failure()
{
	say
	{
		if [ -s "${log%.log}.diffs" ]; then
			head -n 100 "${log%.log}.diffs"
		elif [ "$1" = lint ] || [ "$1" = unit ] || [ "$1" = fuzz ] || [ "$1" = dist ]; then
			grep -v '^ok' "$log" | tail -n 40
		elif [ "$1" = "$mode" ]; then
			head -n 100 "$log"
		else
			tail -n 60 "$log"
		fi
		case $1 in
		tap | chaos | test/t/*)
			sed -n 's/^\(test[^ ]*\) *(Wstat.*/\1/p' "$log" |
				while read -r file; do
					file=regress_log_$(basename "$file" .pl)
					[ -f "tmp_check/log/$file" ] || continue
					say
					say "The end of $file:"
					tail -n 15 "tmp_check/log/$file"
				done
			;;
		regress | isolation | sql/* | test/isolation/*)
			say
			say "The end of server.log:"
			tail -n 10 "$IGNISIGN_SCRATCH/log/server.log"
			;;
		esac
	} | sed 's/^/    /'
	say
}
