# Measure, and say what was measured.  "./dev bench" prepares a private server
# with everything durable, and runs this in a copy of the sources:
#
#	perl bench/run.pl [--runs N] [--scale S] [--write] [ROW...]
#
# Each row is one question.  What is compared is measured by turns in the same
# run, so that a busy machine is busy for both; of N runs (5 by default) the
# median is told, with the least and the greatest.  Times alone depend on the
# machine; ratios do less.  With a scale below 1 there is less of everything, to try
# the bench itself.  Writes bench/results.md if all rows are measured, or with
# --write; then the rows that are not named stay as they are.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use Bench qw(sql);
use Getopt::Long;
use HTTP::Tiny;
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(clock_gettime sleep CLOCK_MONOTONIC);

$| = 1;
my $runs = 5;
my $scale = 1;
my $write;
my $http = HTTP::Tiny->new(no_proxy => ['127.0.0.1']);
$ENV{PGOPTIONS} = '-c client_min_messages=warning';
my $key = 'skv2_development_5a4db0c5-0000-4000-8000-000000000001_benchsecret';
my @results;
my ($stub, $stub_out, $port, $counting);

# ---- The stub, the server, the reference ----

sub start_stub
{
	for (1 .. 50)
	{
		$port = 20000 + int(rand(12000));
		last if IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1);
	}
	$stub = open($stub_out, '-|', "$FindBin::RealBin/stub", $port) // die "stub: $!";
	die 'the stub did not start' unless <$stub_out> eq "ready\n";
	return;
}
END { kill 'INT', grep { $_ } $stub, $counting }

sub stub
{
	my $answer = $http->get("http://127.0.0.1:$port/bench/$_[0]");

	die "stub: $answer->{content}" unless $answer->{success};
	return $answer->{content};
}

sub set
{
	my (%setting) = @_;

	sql("ALTER SYSTEM SET $_ = '$setting{$_}'") for sort keys %setting;
	sql('SELECT pg_reload_conf()');
	return;
}

# A database whose worker is at rest, connected to the stub.
sub fresh
{
	my ($name, %option) = @_;
	my $options = join ', ', map { "ADD $_ '$option{$_}'" } sort keys %option;

	sql("DROP DATABASE IF EXISTS $name");
	sql("CREATE DATABASE $name");
	sql('CREATE EXTENSION ignisign', $name);
	sql("SELECT ignisign_connect('$key', base_url => 'http://127.0.0.1:$port', for_role => 'public')", $name);
	sql("ALTER SERVER ignisign OPTIONS ($options)", $name) if $options;
	stub('reset');
	return;
}

sub now { return clock_gettime(CLOCK_MONOTONIC) }

# How long something takes.
sub timed(&)
{
	my ($code) = @_;
	my $began = now();

	$code->();
	return now() - $began;
}

# Wait in the server until a query answers t, looking every 5 ms; between the looks no
# snapshot keeps what is dead from being removed.
sub until_true
{
	my ($query, $database) = @_;

	sql("DO \$\$ BEGIN WHILE NOT ($query) LOOP COMMIT; PERFORM pg_sleep(0.005); END LOOP; END \$\$", $database);
	return;
}

# libcurl and nothing else: seconds.
sub raw
{
	my $seconds = qx("$FindBin::RealBin/raw" @_);

	die 'raw failed' if $? != 0;
	return $seconds;
}

sub sign_url { return "http://127.0.0.1:$port/v4/signature-requests/one-call-sign" }

# Queue requests with a document of so many bytes, while nothing is sent.
sub queue
{
	my ($n, $bytes, $database, $delivery) = @_;
	my $as = defined $delivery ? "'$delivery'" : 'NULL';

	set('ignisign.enabled' => 'off');
	sql("SELECT count(ignisign_sign('Contract ' || n, decode(repeat('ab', $bytes), 'hex'),"
		  . " ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')], delivery => $as))"
		  . " FROM generate_series(1, $n) n", $database);
	sql('CHECKPOINT');
	return;
}

# Let them go; returns the seconds from then until all are recorded as sent.
sub drain
{
	my ($database) = @_;

	return timed
	{
		set('ignisign.enabled' => 'on');
		until_true("NOT EXISTS (SELECT FROM ignisign.call WHERE operation = 'one-call-sign')", $database);
	};
}

sub worker
{
	return sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'ignisign worker' AND datname = '$_[0]'");
}

# A process's own memory, in MB.
sub memory
{
	open(my $status, '<', "/proc/$_[0]/status") or return 0;
	my ($kb) = map { /^RssAnon:\s+(\d+)/ ? $1 : () } <$status>;
	return ($kb // 0) / 1024;
}

# The processor's time that a process has taken, in microseconds.
sub cpu
{
	open(my $stat, '<', "/proc/$_[0]/stat") or die "/proc/$_[0]/stat: $!";
	my @fields = split ' ', <$stat> =~ s/.*\) //r;
	return ($fields[11] + $fields[12]) * 1e6 / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# ---- Numbers ----

sub quantile
{
	my ($q, @values) = @_;

	@values = sort { $a <=> $b } @values;
	return $values[ POSIX::floor($q * $#values + 0.5) ];
}

sub median { return quantile(0.5, @_) }

# A row of the table: what, values of the runs, unit, goal as text and as a test.
sub report
{
	my ($what, $values, $format, $goal, $met) = @_;
	my $median = median(@$values);
	my $row = sprintf "| %s | $format | $format to $format | %d, %s | %s | %s |", $what, $median, quantile(0, @$values),
	  quantile(1, @$values), scalar(@$values), $scale, $goal, !defined $met ? '' : $met->($median) ? 'yes' : '**no**';

	print "$row\n";
	push @results, [ $what, $row ];
	return;
}

# ---- Questions ----

my %row;

# How fast a backlog drains, against libcurl sending the same bodies.
sub drain_row
{
	my ($what, $n, $in_flight, $least, $per_second, $slots) = @_;
	my (@ratio, @rate, @cpu);

	$n *= $scale;
	# One role gets three quarters of a server's places.
	$slots //= $in_flight;
	fresh('bench', max_in_flight => $slots, max_total_in_flight => 2 * $slots);
	set('ignisign.refresh_interval' => '1h', 'ignisign.max_in_flight' => 4 * $in_flight);
	for (1 .. $runs)
	{
		queue($n, 5000, 'bench');
		my $worker = worker('bench');
		my $cpu = cpu($worker);
		my $ours = drain('bench');
		my $reference = raw('sign', $n, $in_flight, 5000, sign_url());

		push @cpu, (cpu($worker) - $cpu) / $n;
		push @ratio, $reference / $ours;
		push @rate, $n / $ours;
		sql('TRUNCATE ignisign.call, ignisign.request, ignisign.signer, ignisign.document, ignisign.attempt, ignisign.event', 'bench');
	}
	report("$what: share of raw libcurl", \@ratio, '%.2f', ">= $least", sub { $_[0] >= $least });
	report("$what: calls a second", \@rate, '%.0f', defined $per_second ? "> $per_second" : '',
		defined $per_second ? sub { $_[0] > $per_second } : undef);
	report("$what: the worker's CPU time, microseconds a call", \@cpu, '%.0f', '', undef);
	return;
}

$row{drain} = sub { drain_row('drain 100,000 with 5 kB, answered at once', 100000, 200, 0.30, 12000) };

$row{delay} = sub {
	stub('set?delay=50');

	# libcurl has all of its connections in use all the time.  Ours has a slot empty until
	# the cycle is over that claims another call, so it has more slots for as many connections.
	drain_row('drain 20,000 with 5 kB, answered after 50 ms, 200 connections in use', 20000, 200, 0.90, undef, 280);
	stub('set?delay=0');
};

# From the return of COMMIT to the arrival of the request, in ms, for each.
sub latencies
{
	my ($count, $rate, $prefix) = @_;
	my (%committed, @latency);

	$count = POSIX::ceil($count * $scale);

	open(my $commits, '-|', "$FindBin::RealBin/commits", $count, $rate, $prefix, 'dbname=bench') or die "commits: $!";
	while (<$commits>)
	{
		my ($at, $title) = split;
		$committed{$title} = $at;
	}
	close $commits or die 'commits failed';
	until_true("NOT EXISTS (SELECT FROM ignisign.call c JOIN ignisign.request r ON r.id = c.request"
		  . " WHERE c.operation = 'one-call-sign' AND r.title LIKE '$prefix%')", 'bench');
	for (split /\n/, stub('log'))
	{
		my ($at, $title) = split;
		push @latency, ($at - $committed{$title}) / 1e6 if defined $title && defined $committed{$title};
	}
	die 'not all came' unless @latency == $count;
	stub('reset');
	return @latency;
}

$row{latency} = sub {
	my (@idle, @steady);

	fresh('bench');
	set('ignisign.enabled' => 'on', 'ignisign.refresh_interval' => '1h');
	for my $run (1 .. $runs)
	{
		push @idle, median(latencies(200, 50, "idle$run-"));
		push @steady, quantile(0.99, latencies(10000, 1000, "steady$run-"));
	}
	report('COMMIT to request received, idle worker, median ms', \@idle, '%.2f', '< 1', sub { $_[0] < 1 });
	report('the same at 1,000 commits a second, p99 ms', \@steady, '%.2f', '< 20', sub { $_[0] < 20 });
};

$row{slow} = sub {
	my @delay;

	fresh('bench');
	set('ignisign.enabled' => 'on', 'ignisign.refresh_interval' => '1h');
	for my $run (1 .. $runs)
	{
		my $without = quantile(0.99, latencies(400, 200, "without$run-"));

		sql("SELECT ignisign_sign('slow$run', 'x'::bytea, ARRAY[ignisign_signer('ann\@example.com')])", 'bench');
		push @delay, quantile(0.99, latencies(400, 200, "with$run-")) - $without;
	}
	report('one answer after 3 s among fast ones: delay of the others, p99 ms', \@delay, '%.2f', '<= 10', sub { $_[0] <= 10 });
};

# Tables of contracts: one has no trigger, one that of a row, one that of a statement.
sub make_contracts
{
	my ($database) = @_;
	my $columns = "(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, pdf bytea NOT NULL,"
	  . ' signers jsonb NOT NULL, signature_id uuid DEFAULT ignisign_id())';

	my $trigger = 'CREATE TRIGGER sign AFTER INSERT ON %s FOR EACH %s'
	  . " EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'signers', 'signature_id')";

	sql("CREATE TABLE $_ $columns", $database) for qw(plain contract batch);
	sql(sprintf($trigger, 'contract', 'ROW'), $database);
	sql(sprintf($trigger, 'batch REFERENCING NEW TABLE AS new', 'STATEMENT'), $database);
	# Bytes as they are, as ignisign.document has them.
	sql("ALTER TABLE $_ ALTER pdf SET STORAGE EXTERNAL", $database) for qw(plain contract batch);
	return;
}

$row{trigger} = sub {
	my (@statement, @rows);
	my $insert = "(title, pdf, signers) SELECT 'Contract ' || n, decode(repeat('ab', 5000), 'hex'),"
	  . " '[{\"email\": \"ann\@example.com\", \"firstName\": \"Ann\"}]' FROM generate_series(1, 10000) n";

	fresh('bench');
	set('ignisign.enabled' => 'off');
	make_contracts('bench');
	for (1 .. $runs)
	{
		my %seconds;

		for my $table (qw(plain batch contract))
		{
			sql('CHECKPOINT');
			$seconds{$table} = timed { sql("INSERT INTO $table $insert", 'bench') };
		}
		push @statement, $seconds{batch} / $seconds{plain};
		push @rows, $seconds{contract} / $seconds{plain};
		sql('TRUNCATE plain, contract, batch, ignisign.call, ignisign.request, ignisign.signer, ignisign.document', 'bench');
	}
	report('insert 10,000 rows with 5 kB through the trigger of a statement, against without', \@statement, '%.2f', '<= 2.0', sub { $_[0] <= 2.0 });
	report('the same through the trigger of a row', \@rows, '%.2f', '', undef);
};

# Average milliseconds of a transaction of this script.
sub pgbench
{
	my ($script) = @_;
	my $file = ($ENV{TMPDIR} // '/tmp') . '/bench.sql';

	open(my $out, '>', $file) or die "$file: $!";
	print $out $script;
	close $out;
	my $log = qx(pgbench -n -c 1 -t 2000 -M prepared -f "$file" bench 2>&1);
	$log =~ /latency average = ([\d.]+) ms/ or die $log;
	return $1;
}

$row{single} = sub {
	my @more;
	my $insert = "INSERT INTO plain (title, pdf) VALUES ('Contract', decode(repeat('ab', 5000), 'hex'));\n";
	my $sign = "SELECT ignisign_sign('Contract', decode(repeat('ab', 5000), 'hex'),"
	  . " ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')]);\n";

	fresh('bench');
	set('ignisign.enabled' => 'off');
	sql('CREATE TABLE plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text, pdf bytea)', 'bench');
	for (1 .. $runs)
	{
		my $plain = pgbench("BEGIN;\n${insert}COMMIT;\n");

		push @more, pgbench("BEGIN;\n$insert${sign}COMMIT;\n") - $plain;
	}
	report('ignisign_sign() beside an insert of the row, ms more', \@more, '%.3f', '< 0.2', sub { $_[0] < 0.2 });
};

# Open requests as they would be after they were sent.
sub open_requests
{
	my ($n) = @_;

	sql("INSERT INTO ignisign.origin SELECT s.system_identifier, d.oid, d.datname, c.timeline_id FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d"
		  . ' WHERE d.datname = current_database() AND NOT EXISTS (SELECT FROM ignisign.origin)', 'bench');
	sql("INSERT INTO ignisign.request (id, owner, server, title, signature_method, signer_count, signature_request_id, status, sent_at)"
		  . " SELECT ignisign_id(), current_user, 'ignisign', 'Contract ' || n, 'SIMPLE_STD', 1, lpad(to_hex(n), 24, '0'),"
		  . " 'IN_PROGRESS', now() FROM generate_series(1, $n) n", 'bench');
	sql('VACUUM ANALYZE ignisign.request', 'bench');
	return;
}

$row{refresh} = sub {
	my (@calls, @seconds, @written);
	my $n = 100000 * $scale;

	for (1 .. $runs)
	{
		set('ignisign.enabled' => 'off', 'ignisign.refresh_interval' => '1h');
		fresh('bench');
		open_requests($n);
		my $inserted = sql('SELECT xmin FROM ignisign.request LIMIT 1', 'bench');

		# Nothing new: nothing is written.
		stub('set?status=IN_PROGRESS');
		set('ignisign.enabled' => 'on', 'ignisign.refresh_interval' => '2s');
		my $asked = 0;
		sleep 0.01 while ($asked = (stub('counts') =~ /^status (\d+)/m)[0]) < $n / 1000;
		until_true("(SELECT count(*) FROM ignisign.attempt WHERE operation = 'status') >= $n / current_setting('ignisign.refresh_batch')::int", 'bench');
		set('ignisign.refresh_interval' => '1h');
		push @calls, sql("SELECT count(*) FROM ignisign.attempt WHERE operation = 'status'", 'bench');
		push @written, sql("SELECT count(*) FROM ignisign.request WHERE xmin <> '$inserted'", 'bench');

		# All completed: all are written.
		stub('set?status=COMPLETED');
		push @seconds, timed
		{
			set('ignisign.refresh_interval' => '100ms');
			until_true('NOT EXISTS (SELECT FROM ignisign.request WHERE closed_at IS NULL)', 'bench');
		};
		set('ignisign.enabled' => 'off');
		stub('set?status=IN_PROGRESS');
	}
	report('refresh 100,000 open requests: calls', \@calls, '%.0f', '<= 1000', sub { $_[0] <= 1000 });
	report('rows written where nothing changed', \@written, '%.0f', '0', sub { $_[0] == 0 });
	report('all changed: seconds until applied', \@seconds, '%.2f', '< 5', sub { $_[0] < 5 });
};

# The most by which a process grows while something is done, in MB; and the seconds that it took.
sub growth_while(&$)
{
	my ($code, $pid) = @_;
	my $file = ($ENV{TMPDIR} // '/tmp') . '/memory';
	my $before = memory($pid);
	my $most = 0;
	my $sampler = fork // die "fork: $!";

	if ($sampler == 0)
	{
		local $SIG{TERM} = sub {
			open(my $out, '>', $file);
			print $out $most;
			close $out;
			POSIX::_exit(0);
		};
		while (1)
		{
			my $now = memory($pid);
			$most = $now if $now > $most;
			sleep 0.01;
		}
	}
	my $seconds = timed { $code->() };
	kill 'TERM', $sampler;
	waitpid $sampler, 0;
	open(my $in, '<', $file) or die "$file: $!";
	return (<$in> - $before, $seconds);
}

# So many bytes of each document, read in slices by SQL: seconds.
sub read_documents
{
	my ($bytes) = @_;
	my $slice = 768 * 1024;

	return timed
	{
		sql("DO \$\$ DECLARE d record; BEGIN FOR d IN SELECT request, n FROM ignisign.document LOOP"
			  . " FOR i IN 0 .. ($bytes - 1) / $slice LOOP PERFORM length(substring(content FROM i * $slice + 1 FOR $slice))"
			  . ' FROM ignisign.document WHERE request = d.request AND n = d.n; END LOOP; END LOOP; END $$', 'bench');
	};
}

# Large documents leave, once they are prepared.
sub large_row
{
	my ($what, $bytes, $on_the_wire, $prepare, $done, @goal) = @_;
	my (@ratio, @growth, @bound);
	my $n = POSIX::ceil(40 * $scale);

	set('ignisign.max_document_size' => '64MB', 'ignisign.refresh_interval' => '1h');
	for (1 .. $runs)
	{
		fresh('bench', max_in_flight => 40, timeout => 600000);
		$prepare->($n, $bytes);
		my ($growth, $ours) = growth_while
		{
			set('ignisign.enabled' => 'on');
			until_true($done, 'bench');
		} worker('bench');
		my $reference = raw('sign', $n, 40, $on_the_wire, sign_url());

		push @growth, $growth;
		push @ratio, $reference / $ours;
		push @bound, ($reference + read_documents($bytes)) / $ours;
	}
	report("$n documents of $what: share of raw libcurl", \@ratio, '%.2f', @goal);
	report("$n documents of $what: share of raw libcurl, after SQL has read them", \@bound, '%.2f', '', undef);
	report("$n documents of $what: growth of the worker, MB", \@growth, '%.1f', '< 64', sub { $_[0] < 64 });
	return;
}

$row{large} = sub {
	# As they are, to drafts that were made and have ids for them.  A body of raw's is in base64.
	my $mb = 1024 * 1024;

	large_row('50 MB', 50 * $mb, 50 * $mb * 3 / 4, sub {
			my ($n, $bytes) = @_;

			queue($n, $bytes, 'bench', 'staged');
			sql("UPDATE ignisign.request SET signature_request_id = lpad(right(id::text, 12), 24, '0');"
				  . " UPDATE ignisign.document SET document_id = lpad(right(request::text, 12), 24, '0');"
				  . " UPDATE ignisign.signer SET signer_id = lpad(right(request::text, 12), 24, '0');"
				  . " UPDATE ignisign.call SET operation = 'upload-file', document = 1", 'bench');
		},
		'NOT EXISTS (SELECT FROM ignisign.document WHERE uploaded_at IS NULL)', '>= 0.5', sub { $_[0] >= 0.5 });

	# In base64 that is just below what one call carries; larger ones go in stages.
	large_row('35 MB in one call', 35 * $mb, 35 * $mb, sub { queue(@_, 'bench') },
		"NOT EXISTS (SELECT FROM ignisign.call WHERE operation = 'one-call-sign')", '>= 0.5', sub { $_[0] >= 0.5 });
};

# Insert so many values of so many bytes, made before, a commit each: seconds.
sub plain_inserts
{
	my ($n, $bytes) = @_;

	sql('CHECKPOINT', 'bench');
	sql("DO \$\$ DECLARE value bytea := decode(repeat('00', $bytes), 'hex'); began timestamptz; BEGIN"
		  . " COMMIT; began := clock_timestamp(); FOR i IN 1 .. $n LOOP INSERT INTO plain (content) VALUES (value); COMMIT; END LOOP;"
		  . ' CREATE TABLE took AS SELECT extract(epoch FROM clock_timestamp() - began) AS seconds; END $$', 'bench');
	return sql('SELECT seconds FROM took', 'bench');
}

$row{proofs} = sub {
	my (@ratio, @growth, @insert);
	my $bytes = 50 * 1024 * 1024;

	stub("set?proof=$bytes&status=COMPLETED");
	for (1 .. $runs)
	{
		set('ignisign.enabled' => 'off', 'ignisign.refresh_interval' => '1h');
		fresh('bench', max_in_flight => 8, timeout => 600000);
		open_requests(8);
		sql("INSERT INTO ignisign.document (request, n, file_name, mime_type, document_id)"
			  . " SELECT id, 1, 'a.pdf', 'application/pdf', signature_request_id FROM ignisign.request;"
			  . " INSERT INTO ignisign.call (request, operation, document, proof_type, owner, server)"
			  . " SELECT id, 'proof', 1, 'PDF_WITH_SIGNATURES', owner, server FROM ignisign.request", 'bench');
		sql('CREATE TABLE plain (content bytea); ALTER TABLE plain ALTER content SET STORAGE EXTERNAL; CHECKPOINT', 'bench');
		my ($growth, $ours) = growth_while
		{
			set('ignisign.enabled' => 'on');
			until_true('(SELECT count(*) = 8 FROM ignisign.proof)', 'bench');
		} worker('bench');

		push @growth, $growth;
		push @ratio, raw('get', 8, 8, "http://127.0.0.1:$port/v4/documents/1/signature-type/PDF_WITH_SIGNATURES") / $ours;

		# The same bytes from memory, a commit each: nothing that stores them in a table is faster.
		push @insert, plain_inserts(8, $bytes) / $ours;
	}
	report('8 proofs of 50 MB come back: share of raw libcurl', \@ratio, '%.2f', '>= 0.4', sub { $_[0] >= 0.4 });
	report('8 proofs of 50 MB come back: share of inserting as much from memory', \@insert, '%.2f', '', undef);
	report('8 proofs of 50 MB: growth of the worker, MB', \@growth, '%.1f', 'bounded', undef);
	stub('set?proof=0&status=IN_PROGRESS');
};

$row{idle} = sub {
	my (@calls, @wal);

	fresh('bench');
	set('ignisign.enabled' => 'on', 'ignisign.refresh_interval' => '1h');
	sql("SELECT ignisign_sign('Contract', 'x'::bytea, ARRAY[ignisign_signer('ann\@example.com')])", 'bench');
	until_true("EXISTS (SELECT FROM ignisign.request WHERE sent_at IS NOT NULL)", 'bench');
	sql('ALTER SYSTEM SET autovacuum = off; ');
	sql('SELECT pg_reload_conf(); CHECKPOINT');
	# Connections are kept open for a while, and then closed.
	sleep 70;
	my $worker = worker('bench');
	my $file = ($ENV{TMPDIR} // '/tmp') . '/strace';
	my $lsn = sql('SELECT pg_current_wal_insert_lsn()');
	my $transactions = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'bench'";
	my $before = sql($transactions);
	system("timeout 60 strace -f -qq -e signal=none -o '$file' -p $worker >/dev/null 2>&1");
	# The call that it waits in shows as unfinished.
	my $calls = qx{grep -c -v '<detached' '$file'};
	push @calls, $calls + 0;
	push @wal, sql("SELECT pg_current_wal_insert_lsn() - '$lsn'::pg_lsn");
	my @transactions = (sql($transactions) - $before);
	sql('ALTER SYSTEM RESET autovacuum');
	report('system calls of an idle worker in 60 s', \@calls, '%.0f', '0', sub { $_[0] == 0 });
	report('transactions of an idle worker in 60 s', \@transactions, '%.0f', '0', sub { $_[0] == 0 });
	report('WAL of an idle server in 60 s, bytes', \@wal, '%.0f', '0', sub { $_[0] == 0 });
};

$row{databases} = sub {
	my @ratio;
	my $n = 30000 * $scale;

	fresh('idle_template');
	fresh('bench', max_in_flight => 200, max_total_in_flight => 400);
	set('ignisign.refresh_interval' => '1h');
	for (1 .. $runs)
	{
		queue($n, 5000, 'bench');
		my $alone = drain('bench');

		sql("CREATE DATABASE idle_$_ TEMPLATE idle_template") for 1 .. 49;
		until_true("(SELECT count(*) >= 50 FROM pg_stat_activity WHERE backend_type = 'ignisign worker')", 'bench');
		queue($n, 5000, 'bench');
		push @ratio, $alone / drain('bench');
		sql("DROP DATABASE idle_$_") for 1 .. 49;
		sql('TRUNCATE ignisign.call, ignisign.request, ignisign.signer, ignisign.document, ignisign.attempt, ignisign.event', 'bench');
	}
	report('50 databases with the extension, one busy, against it alone', \@ratio, '%.2f', '>= 0.95', sub { $_[0] >= 0.95 });
	sql('DROP DATABASE idle_template');
};

# Requests that were sent, and completed, long ago.
sub finished_requests
{
	my ($n) = @_;

	sql("INSERT INTO ignisign.request (id, owner, server, title, signature_method, signer_count, signature_request_id, status,"
		  . " sent_at, closed_at) SELECT ignisign_id(), current_user, 'ignisign', 'Old ' || n, 'SIMPLE_STD', 1,"
		  . " 'e' || lpad(to_hex(n), 23, '0'), 'COMPLETED', now() - interval '1 year', now() - interval '1 year' FROM generate_series(1, $n) n;"
		  . " INSERT INTO ignisign.signer (request, n, email) SELECT id, 1, 'ann\@example.com' FROM ignisign.request;"
		  . " INSERT INTO ignisign.document (request, n, file_name, mime_type) SELECT id, 1, 'a.pdf', 'application/pdf' FROM ignisign.request;"
		  . " INSERT INTO ignisign.attempt (request, started_at, operation, owner, server, attempt, outcome)"
		  . " SELECT id, now() - interval '1 year', 'one-call-sign', owner, server, 1, 'done' FROM ignisign.request", 'bench');
	return;
}

# Calls a second until so many were received.
sub rate_of_first
{
	my ($n) = @_;
	my $began = now();

	stub('reset');
	set('ignisign.enabled' => 'on');
	sleep 0.005 while (stub('counts') =~ /^sign (\d+)/m)[0] < $n;
	my $rate = $n / (now() - $began);
	set('ignisign.enabled' => 'off');
	return $rate;
}

$row{full} = sub {
	my (@empty, @full);
	my $n = 10000;
	my $queued = 1_000_000 * $scale;
	my $finished = 10_000_000 * $scale;

	fresh('bench', max_in_flight => 200, max_total_in_flight => 400);
	set('ignisign.refresh_interval' => '1h', 'ignisign.max_in_flight' => 800);
	for (1 .. $runs)
	{
		queue($n, 500, 'bench');
		push @empty, rate_of_first($n);
		sql('TRUNCATE ignisign.call, ignisign.request, ignisign.signer, ignisign.document, ignisign.attempt, ignisign.event', 'bench');
	}
	finished_requests($finished);
	queue($queued, 500, 'bench');
	sql('VACUUM ANALYZE', 'bench');
	push @full, rate_of_first($n) / median(@empty) for 1 .. $runs;
	report("drain with $queued queued and $finished finished, against 10,000 queued", \@full, '%.2f', '>= 0.9', sub { $_[0] >= 0.9 });
};

# ---- Instructions: valgrind counts them, whatever else the machine does ----

# Run a server of its own under callgrind, and in it some code, which tells a
# process.  Returns the instructions of that process, without those of libcrypto:
# valgrind does not know the processor's instructions for SHA-256.
sub counted
{
	my ($conf, $code) = @_;
	my $dir = ($ENV{TMPDIR} // '/tmp') . '/counted';
	local $ENV{PGHOST} = $dir;

	unlink glob "$dir/callgrind.*";
	if (!-d $dir)
	{
		mkdir $dir or die "$dir: $!";
		system("initdb -D '$dir/data' -A trust -U postgres --no-locale -E UTF8 >'$dir/log' 2>&1") == 0 or die 'initdb failed';
	}
	open(my $out, '>', "$dir/data/postgresql.auto.conf") or die "$dir: $!";
	print $out "shared_preload_libraries = 'ignisign'\nlisten_addresses = ''\nunix_socket_directories = '$dir'\n",
	  "shared_buffers = '256MB'\nautovacuum = off\nignisign.refresh_interval = '1h'\n$conf";
	close $out;
	$counting = fork // die "fork: $!";
	if ($counting == 0)
	{
		open(STDOUT, '>>', "$dir/log");
		open(STDERR, '>>', "$dir/log");
		exec 'valgrind', '--tool=callgrind', "--callgrind-out-file=$dir/callgrind.%p", 'postgres', '-D', "$dir/data" or die;
	}
	sleep 0.2 until system("psql -XAtqc 'SELECT 1' >'$dir/try' 2>&1") == 0;
	my $pid = $code->();
	my $sum = 0;

	kill 'INT', $counting;
	waitpid $counting, 0;
	$counting = undef;
	open(my $in, '-|', 'callgrind_annotate', '--auto=no', '--threshold=100', "$dir/callgrind.$pid") or die "callgrind_annotate: $!";
	for (grep { !/PROGRAM TOTALS|libcrypto/ } <$in>)
	{
		$sum += $1 =~ tr/,//dr if /^ *([\d,]+) .*:/;
	}
	return $sum;
}

# Instructions of a session that runs statements.
sub instructions_of
{
	my ($database, @statements) = @_;

	return counted("ignisign.enabled = off\n", sub {
		open(my $psql, '-|', 'psql', '-XAtq', '-d', $database, '-c', 'SELECT pg_backend_pid()', map { ('-c', $_) } @statements)
		  or die "psql: $!";
		my ($pid) = <$psql>;
		my @rest = <$psql>;

		close $psql or die 'psql failed';
		return $pid + 0;
	});
}

# Instructions of the worker that sends so many calls: those in one go, and those one by one.
sub instructions_of_worker
{
	my ($together, $alone) = @_;
	my $sign = "SELECT count(ignisign_sign('Contract ' || n, decode(repeat('ab', 5000), 'hex'),"
	  . " ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')])) FROM generate_series(1, %d) n";

	return counted("ignisign.enabled = on\n", sub {
		fresh('bench', max_in_flight => 200, max_total_in_flight => 400);
		for my $n ($together, (1) x $alone)
		{
			sql(sprintf($sign, $n), 'bench');
			until_true("NOT EXISTS (SELECT FROM ignisign.call WHERE operation = 'one-call-sign')", 'bench');
		}
		return worker('bench');
	});
}

$row{instructions} = sub {
	if (system('command -v valgrind >/dev/null') != 0)
	{
		print "| instructions | no valgrind here | | | | |\n";
		return;
	}
	my $insert = "INSERT INTO %s (title, pdf, signers) SELECT 'Contract ' || n, decode(repeat('ab', 5000), 'hex'),"
	  . " '[{\"email\": \"ann\@example.com\", \"firstName\": \"Ann\"}]' FROM generate_series(1, %d) n";
	my %row_of;

	counted("ignisign.enabled = off\n", sub {
		fresh('counted');
		make_contracts('counted');
		return worker('counted');
	});
	for my $table (qw(plain contract batch))
	{
		my $few = instructions_of('counted', sprintf($insert, $table, 5), sprintf($insert, $table, 100));
		my $many = instructions_of('counted', sprintf($insert, $table, 5), sprintf($insert, $table, 600));

		$row_of{$table} = ($many - $few) / 500;
	}
	my $few = instructions_of_worker(200, 0);
	my $many = instructions_of_worker(1200, 0);
	my $alone = instructions_of_worker(200, 50);

	report('instructions: insert a row with 5 kB', [ $row_of{plain} ], '%.0f', '', undef);
	report('instructions: the same through the trigger of a row', [ $row_of{contract} ], '%.0f', '', undef);
	report('instructions: the same through the trigger of a statement', [ $row_of{batch} ], '%.0f', '', undef);
	report('instructions: the worker, for each of many calls', [ ($many - $few) / 1000 ], '%.0f', '', undef);
	report('instructions: the worker, for a call alone: its two turns', [ ($alone - $few) / 50 ], '%.0f', '', undef);
};

# ---- Main ----

my @order = qw(drain delay latency slow trigger single refresh large proofs idle databases full instructions);

GetOptions('runs=i' => \$runs, 'scale=f' => \$scale, 'write!' => \$write)
  or die "usage: run.pl [--runs N] [--scale S] [--write] [ROW...]\n";
for (@ARGV)
{
	die "no row $_; there are: @order\n" unless exists $row{$_};
}
start_stub();
my $head = "| what | median | least to greatest | runs, scale | goal | met |\n| --- | --- | --- | --- | --- | --- |\n";
print $head;
for my $name (@ARGV ? @ARGV : @order)
{
	$row{$name}->();
}

exit 0 unless $write // !@ARGV;

# Rows that were not measured now stay as they were.
my $file = "$FindBin::RealBin/results.md";
my (%line, @whats);
my $remember = sub {
	my ($what, $row) = @_;

	push @whats, $what unless exists $line{$what};
	$line{$what} = $row;
	return;
};
if (@ARGV && open(my $old, '<', $file))
{
	for (<$old>)
	{
		chomp;
		my ($what) = /^\| ([^|]+) \|/;
		$remember->($what, $_) if defined $what && $what ne 'what' && $what ne '---';
	}
}
$remember->(@$_) for @results;

# What it was measured on.
open(my $in, '<', '/proc/cpuinfo') or die "/proc/cpuinfo: $!";
my @models = map { /^model name\s*:\s*(.*)/ ? $1 : () } <$in>;
my ($curl) = qx{curl-config --version};
my $date = POSIX::strftime('%Y-%m-%d', gmtime);
chomp $curl;
open(my $out, '>', $file) or die "results.md: $!";
print $out "# Results\n\nBy `./dev bench`, $date: " . sql('SELECT version()') . ", $curl, "
  . scalar(@models) . " cores of $models[0], which server, stub and clients share. Medians of the runs;\n"
  . "at a scale below 1 there was less of everything.\n\n$head",
  map { "$line{$_}\n" } @whats;
close $out;
