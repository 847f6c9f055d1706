# Exactly once, whatever breaks: a third of all calls fail, workers are killed,
# the server and the sandbox are stopped and started, while clients commit, roll
# back, prepare and cancel requests.  In the end the sandbox's journal must show
# each request that was committed once, and each proof must be here.
#
# CHAOS_SEED chooses what happens and when, CHAOS_N how many requests are made
# and, in proportion, how often something is killed.  See docs/reliability.md.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use Digest::SHA qw(sha256_hex);
use HTTP::Tiny;
use IgnisignTest;
use IPC::Open3 qw(open3);
use List::Util qw(max min shuffle sum0);
use POSIX ();
use PostgreSQL::Test::Utils;
use Symbol qw(gensym);
use Test::More;
use Time::HiRes qw(sleep time);

my $seed = $ENV{CHAOS_SEED} || 3;
my $n = $ENV{CHAOS_N} || 2000;
my $share = 1 / 3;
my $clients = 4;
my @roles = qw(chaos_a chaos_b chaos_c);
my $began = time;

srand $seed;
diag("seed $seed, $n requests");

# ---- What goes wrong ----

# All that the sandbox knows and that is not final by its nature: a client's
# time-out is 1.5 s, so that the delays are beyond it.
my @faults = (
	'close=before', 'close=after', 'close=mid', 'garbage', 'empty', 'huge=300000',
	'slow=100', 'delay=2000', 'delay=3000', 'delay-after=2000',
	'status=408', 'status=425', 'status=429', 'status=429 retry-after=1',
	'status=500', 'status=500 body=text', 'status=502 body=none', 'status=503',
	'status=503 retry-after=1', 'status=504');

# As many of each: a rule is asked only when those before it had nothing to do.
sub fault_rules
{
	my $each = $share / @faults;

	return [ map { sprintf '* share=%.6f seed=%d %s', $each / (1 - $_ * $each), int(rand(1 << 30)), $faults[$_] } 0 .. $#faults ];
}

# What is stopped or killed: so many times for each 2000 requests.
my %often = (
	'worker killed'    => 5,
	'server immediate' => 2,
	'server fast'      => 2,
	'server smart'     => 1,
	'sandbox stopped'  => 3,
	'sandbox killed'   => 3);

my $sandbox_dir = PostgreSQL::Test::Utils::tempdir('state');
my $sandbox = start_sandbox(
	state      => "$sandbox_dir/state",
	sign_after => 300,
	page_size  => 1 + int($n / (10, 20, 40)[ $seed % 3 ]),
	list_order => $seed % 2 ? 'newest' : 'oldest',
	fault      => fault_rules());

# The delays must be over before a request is looked for a second time.
my $node = new_node(
	'chaos', undef,
	'restart_after_crash'         => 'on',
	'max_prepared_transactions'   => 20,
	'ignisign.refresh_interval'   => '300ms',
	'ignisign.reconcile_delay'    => '2500ms',
	'ignisign.max_retry_delay'    => '1s',
	'ignisign.max_retry_after'    => '50ms',
	'ignisign.max_response_size'  => '512kB',
	'ignisign.max_proof_size'     => '512kB');

$node->safe_psql('postgres', <<~SQL);
	CREATE SCHEMA chaos;
	CREATE TABLE chaos.job (id integer PRIMARY KEY);
	CREATE TABLE chaos.contract (
		id           integer PRIMARY KEY,
		title        text NOT NULL,
		pdf          bytea NOT NULL,
		signers      jsonb NOT NULL,
		signature_id uuid DEFAULT ignisign_id());
	CREATE TRIGGER sign AFTER INSERT ON chaos.contract FOR EACH ROW
		EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'signers', 'signature_id');
	SQL
connect_node($node, $sandbox);
$node->safe_psql('postgres',
	"ALTER SERVER ignisign OPTIONS (ADD timeout '1500', ADD connect_timeout '1500', ADD max_attempts '100', ADD breaker_pause '500')");
for my $role (@roles)
{
	$node->safe_psql('postgres', <<~SQL);
		CREATE ROLE $role LOGIN;
		SELECT ignisign_grant('$role');
		GRANT USAGE ON SCHEMA chaos TO $role;
		GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA chaos TO $role;
		SQL
}

# Two roles have a key in common; the third logs in.
$node->safe_psql('postgres', <<~SQL);
	CREATE USER MAPPING FOR chaos_c SERVER ignisign OPTIONS (app_id 'appId_5a4db0c5-0000-4000-8000-000000000001',
		app_env 'DEVELOPMENT', secret 'sk_development_sandboxsecret')
	SQL

# ---- What is done ----

sub signers
{
	my ($count) = @_;

	return 'ARRAY[' . join(', ', map { "ignisign_signer('s" . int(rand(500)) . "_$_\@example.com', 'Ann', 'Lee')" } 1 .. $count) . ']';
}

# A document and its file name; some are large.
sub document
{
	my ($title) = @_;

	return rand() < 0.03
	  ? ("convert_to(repeat('$title ', 20000), 'UTF8')", 'a.txt')
	  : ("'\\x" . unpack('H*', pdf($title)) . "'::bytea", 'a.pdf');
}

# One request.
sub sign
{
	my ($title, $staged) = @_;
	my $count = rand() < 0.8 ? 1 : 2 + int(rand(2));
	my @documents = map { [ document("$title/$_") ] } 1 .. (rand() < 0.85 ? 1 : 2);
	my $what = 'documents => ARRAY[' . join(', ', map { "ignisign_document($_->[0], '$_->[1]')" } @documents) . ']';

	$what = "document => $documents[0][0], file_name => '$documents[0][1]'" if @documents == 1;
	$what .= ", language => 'EN'" if $staged;
	return "SELECT ignisign_sign(title => '$title', $what, signers => @{[ signers($count) ]});";
}

# Jobs: what a transaction does, before it commits or not.  Each has a row of its
# own by which is seen whether it was committed.  Equal requests are in one
# transaction, and in several of different roles.
sub make_jobs
{
	my @jobs;
	my $requests = 0;

	while ($requests < $n)
	{
		my $id = @jobs + 1;
		my $kind = rand();
		my $job = { id => $id, end => 'COMMIT', requests => 1 };

		if ($kind < 0.40) { $job->{sql} = sign("plain $id") }
		elsif ($kind < 0.60) { $job->{sql} = sign("staged $id", 1) }
		elsif ($kind < 0.68)
		{
			$job->{sql} = "INSERT INTO chaos.contract VALUES ($id, 'trigger $id', '\\x" . unpack('H*', pdf("trigger $id"))
			  . "', '[{\"email\": \"t$id\@example.com\"}]');";
		}
		elsif ($kind < 0.76)
		{
			my $twin = sign("twin $id");
			my $count = 2 + int(rand(3));

			# Among roles, too: others do the same.
			push @jobs, { %$job, sql => $twin x $count, requests => $count };
			push @jobs, { %$job, id => $id + $_, sql => $twin } for 1 .. 2;
			$requests += $count + 2;
			next;
		}
		elsif ($kind < 0.82)
		{
			$job->{sql} = "SAVEPOINT s; " . sign("never $id") . " ROLLBACK TO s; " . sign("savepoint $id");
		}
		elsif ($kind < 0.86) { @$job{qw(sql end requests)} = (sign("never $id"), 'ROLLBACK', 0) }
		elsif ($kind < 0.92) { @$job{qw(sql end)} = (sign("prepared $id"), 'COMMIT PREPARED') }
		elsif ($kind < 0.94) { @$job{qw(sql end requests)} = (sign("never $id"), 'ROLLBACK PREPARED', 0) }
		else
		{
			@$job{qw(sql cancel)} = (sign("cancel $id", rand() < 0.5), rand() < 0.3 ? 0 : rand(2));
		}
		$requests += $job->{requests};
		push @jobs, $job;
	}
	return @jobs;
}

# ---- Clients ----

# A session of psql, or none.
my $session;

sub disconnect
{
	return unless $session;
	close $session->{in};
	close $session->{out};
	waitpid $session->{pid}, 0;
	undef $session;
	return;
}

# Run statements in the session; returns what they print, undef if the session
# broke off before they ended.
sub run
{
	my ($role, $sql) = @_;
	my $output = '';

	unless ($session)
	{
		my ($in, $out);

		$session = { jobs => 0 };
		$session->{pid} = open3($in, $out, undef, 'psql', '-XqAt', '-U', $role, '-d', $node->connstr('postgres'));
		@$session{qw(in out)} = ($in, $out);
	}
	local $SIG{PIPE} = 'IGNORE';
	print { $session->{in} } "$sql\n\\echo -- end\n" or return undef;
	$session->{in}->flush or return undef;
	while (my $line = readline $session->{out})
	{
		return $output if $line eq "-- end\n";
		$output .= $line;
	}
	return undef;
}

# Run a query in a new session until it is answered.
sub ask
{
	my ($role, $sql) = @_;

	for (my $end = time + 180; time < $end; sleep 0.1)
	{
		disconnect();
		my $answer = run($role, "SELECT 'answer ' || ($sql);");

		return $1 if defined $answer && $answer =~ /^answer (.*)$/m;
	}
	die "no answer: $sql";
}

# Bring a transaction to its end, whatever comes; returns how many times it was begun.
sub do_job
{
	my ($role, $job) = @_;
	my $gid = "chaos$job->{id}";
	my $prepared = $job->{end} =~ / PREPARED/;
	my $end = $prepared ? "PREPARE TRANSACTION '$gid'; $job->{end} '$gid'" : $job->{end};

	for my $try (1 .. 500)
	{
		my $done = run($role, "BEGIN; INSERT INTO chaos.job VALUES ($job->{id}); $job->{sql} $end; SELECT 'job is there' FROM chaos.job WHERE id = $job->{id};");

		return $try if defined $done && $job->{end} eq 'COMMIT' && $done =~ /^job is there$/m;
		return $try if $job->{end} eq 'ROLLBACK';

		# What was prepared stays so, and is brought to its end.
		if ($prepared)
		{
			while (ask($role, "SELECT count(*) FROM pg_prepared_xacts WHERE gid = '$gid'") ne '0')
			{
				run($role, "$job->{end} '$gid';");
			}
			return $try if $job->{end} eq 'ROLLBACK PREPARED';
		}

		# Nobody knows but the server.
		return $try if ask($role, "SELECT count(*) FROM chaos.job WHERE id = $job->{id}") ne '0';
		sleep 0.2;
	}
	die "job $job->{id} cannot be done";
}

# A client: does its jobs, in sessions that are not too long for a smart shutdown.
sub client
{
	my ($number, $report, @jobs) = @_;
	my $pause = 40 / (@jobs + 1);
	my @cancels;

	srand($seed * 1000 + $number);
	open my $file, '>', $report or die "$report: $!";
	$file->autoflush;
	for my $job (@jobs)
	{
		my $role = $roles[ $number % @roles ];
		my $tries = do_job($role, $job);

		print $file "$job->{id} $tries\n";
		push @cancels, { role => $role, title => "cancel $job->{id}", at => time + $job->{cancel} } if defined $job->{cancel};
		for my $cancel (grep { $_->{at} <= time } @cancels)
		{
			run($role, "SELECT ignisign_cancel(id) FROM ignisign.request WHERE title = '$cancel->{title}';");
		}
		@cancels = grep { $_->{at} > time } @cancels;
		disconnect() if $session && ++$session->{jobs} > 10;
		sleep rand(2 * $pause);
	}
	disconnect();
	return;
}

my @jobs = make_jobs();
my $requests = sum0(map { $_->{requests} } @jobs);
my @pids;
my @reports = map { PostgreSQL::Test::Utils::tempdir('client') . "/$_" } 1 .. $clients;

for my $number (1 .. $clients)
{
	my $pid = fork // die "fork: $!";

	if ($pid == 0)
	{
		my $done = eval { client($number, $reports[ $number - 1 ], @jobs[ grep { $_ % $clients == $number - 1 } 0 .. $#jobs ]); 1 };

		print STDERR $@ unless $done;
		POSIX::_exit($done ? 0 : 1);
	}
	push @pids, $pid;
}

# ---- Havoc ----

my %count = map { $_ => 0 } keys %often;
my $under_way = 0;
my $most_memory = 0;

# What one column of a query answers, or '' while the server is not there.
sub peek
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', $sql, stdout => \$out, stderr => \$err);
	return $out;
}

sub worker_memory
{
	my ($pid) = @_;

	open my $file, '<', "/proc/$pid/status" or return 0;
	return max(map { /^RssAnon:\s+(\d+)/ ? $1 : 0 } <$file>);
}

sub kill_worker
{
	my $pid = '';

	return 0 unless wait_for(sub {
			$pid = peek("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'ignisign worker%'");
			return $pid =~ /^\d+$/;
		});
	$most_memory = max($most_memory, worker_memory($pid));
	$under_way += peek("SELECT count(*) FROM ignisign.call WHERE state = 'sending'") || 0;
	return kill 'KILL', $pid;
}

sub restart_server
{
	my ($mode) = @_;

	$under_way += peek("SELECT count(*) FROM ignisign.call WHERE state = 'sending'") || 0;
	$node->stop($mode);
	sleep rand(0.5);
	$node->start;
	return 1;
}

sub restart_sandbox
{
	my ($how) = @_;

	$sandbox->$how;
	sleep rand(1.5);
	$sandbox->{option}{fault} = fault_rules();
	$sandbox->start;
	return 1;
}

my @events = shuffle(map { ($_) x max(1, int($often{$_} * $n / 2000 + 0.5)) } sort keys %often);

for my $event (@events)
{
	sleep 1 + rand(4);
	$count{$event} += $event eq 'worker killed' ? kill_worker()
	  : $event =~ /^server (.*)/ ? restart_server($1)
	  : restart_sandbox($event eq 'sandbox killed' ? 'kill' : 'stop');
}

my $failed = 0;
for my $pid (@pids)
{
	waitpid $pid, 0;
	$failed++ if $?;
}
is($failed, 0, 'the clients did what they were to do');

# ---- What must be true in the end ----

# All have signed before a request could be cancelled: that refusal is final.
my $not_too_late = "code IS DISTINCT FROM 'SIGNATURE_REQUEST_ALREADY_COMPLETED'";

my $settled = wait_for(
	$node, <<~SQL, 'postgres', { timeout => 120 + $n / 5, what => 'all to be settled' });
	SELECT EXISTS (SELECT FROM ignisign.call WHERE state = 'dead' AND $not_too_late)
		OR NOT EXISTS (SELECT FROM ignisign.call WHERE $not_too_late)
		AND NOT EXISTS (SELECT FROM ignisign.request r WHERE closed_at IS NULL
			AND NOT EXISTS (SELECT FROM ignisign.event e WHERE e.request = r.id AND e.kind = 'cancelled'))
		AND NOT EXISTS (SELECT FROM ignisign.request WHERE sent_at IS NOT NULL AND closed_at IS NULL)
	SQL
ok($settled, 'all is settled');
my $left = peek("SELECT x::text FROM (SELECT * FROM ignisign.call WHERE $not_too_late ORDER BY state, id LIMIT 10) x");
is($left, '', 'nothing is left to do');
my $settled_after = time - $began;

is(peek("SELECT count(*) FROM ignisign.call WHERE state IN ('unknown', 'sending')"), '0', 'nothing is unknown or under way');
is(peek("SELECT count(*) FROM ignisign.call WHERE state = 'dead' AND $not_too_late"), '0', 'nothing is dead');
is(peek('SELECT count(*) FROM ignisign.parked'), '0', 'no account is held back');

# Whatever a client was told is committed is there.
my %committed = map { $_ => 1 } split /\n/, peek('SELECT id FROM chaos.job');
my @lost = grep { $_->{end} =~ /^COMMIT/ && !$committed{ $_->{id} } } @jobs;
my @risen = grep { $_->{end} =~ /^ROLLBACK/ && $committed{ $_->{id} } } @jobs;
is(scalar @lost, 0, 'what was committed is there');
is(scalar @risen, 0, 'what was rolled back is not');
is(peek('SELECT count(*) FROM ignisign.request'), $requests, "all $requests requests are there");

# Who was asked to sign, by the journal: as often as requests were committed.
$sandbox->clear_faults;
my $counts = $sandbox->counts;
my (%asked, $emails);
for my $entry ($sandbox->journal)
{
	next unless $entry->{emails};
	$asked{ $entry->{title} }++;
	$emails += $entry->{emails};
}
my %wanted = map { split /\|/ } split /\n/, peek('SELECT title, count(*) FROM ignisign.request WHERE sent_at IS NOT NULL GROUP BY title');
is_deeply([ map { "$_: $asked{$_}" } grep { ($wanted{$_} // 0) < $asked{$_} } sort keys %asked ], [], 'nobody was asked twice');
is_deeply([ map { "$_: $wanted{$_}" } grep { ($asked{$_} // 0) < $wanted{$_} } sort keys %wanted ], [], 'everybody was asked');
is_deeply([ grep { /^never/ } keys %asked ], [], 'nobody was asked for what was rolled back');
is($emails, peek('SELECT count(*) FROM ignisign.request r JOIN ignisign.signer s ON s.request = r.id WHERE r.sent_at IS NOT NULL'),
	'an e-mail for each signer');
is(peek("SELECT count(*) FROM ignisign.request WHERE sent_at IS NULL AND title NOT LIKE 'cancel %'"), '0',
	'what was not sent was cancelled before');

# Each row is one of the sandbox's, with its status.
my %remote = map { $_->{id} => $_ } $sandbox->requests;
my @rows = map { [ split /\|/ ] } split /\n/, peek('SELECT signature_request_id, status, title FROM ignisign.request WHERE sent_at IS NOT NULL');
my %used;
$used{ $_->[0] }++ for @rows;
is_deeply([ grep { $used{$_} > 1 } keys %used ], [], 'no two rows share a request');
is_deeply(
	[ grep { !$remote{ $_->[0] } || $remote{ $_->[0] }{title} ne $_->[2] || $remote{ $_->[0] }{status} ne $_->[1] } @rows ],
	[], 'each row has the status of its request');

# Proofs: of each document of each completed request, byte for byte.
my @proofs = map { [ split /\|/ ] } split /\n/, peek(<<~SQL);
	SELECT d.document_id, encode(sha256(p.content), 'hex'), encode(p.sha256, 'hex')
	FROM ignisign.request r JOIN ignisign.document d ON d.request = r.id
	LEFT JOIN ignisign.proof p ON p.request = d.request AND p.document = d.n
	WHERE r.status = 'COMPLETED'
	SQL
my $http = HTTP::Tiny->new(timeout => 60, no_proxy => ['127.0.0.1'], default_headers => { Authorization => 'Bearer ' . $sandbox->key });
my @wrong;
for my $proof (@proofs)
{
	my ($document, $content, $kept) = map { $_ // '' } @$proof[ 0 .. 2 ];
	my $answer = $http->get($sandbox->url . "/v4/documents/$document/signature-type/PDF_WITH_SIGNATURES");

	push @wrong, "document '$document': $answer->{status}, " . sha256_hex($answer->{content}) . ", here '$content', '$kept'"
	  unless $answer->{status} == 200 && sha256_hex($answer->{content}) eq $content && $content eq $kept;
}
cmp_ok(scalar @proofs, '>=', 0.9 * $n, 'there are proofs');
is_deeply(\@wrong, [], 'each proof is there, with the right SHA-256');

# The worker left nothing behind, and is not too large.
my @left = glob $node->data_dir . '/base/pgsql_tmp/*';
is_deeply(\@left, [], 'no temporary file is left');
$most_memory = max($most_memory, worker_memory(peek("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'ignisign worker%'")));

# A sanitizer takes its own part.
cmp_ok($most_memory, '<', 128 * 1024 * (($ENV{IGNISIGN_MODE} // '') eq 'sanitize' ? 8 : 1), 'the memory of the worker is bounded');

# ---- What was survived ----

my $faults = sum0(values %{ $counts->{faults} });
my $begun = sum0(map { sum0(map { (split)[1] } split /\n/, slurp_file($_)) } @reports);

is_deeply([ grep { !$counts->{faults}{$_} } @faults ], [], 'each kind of fault happened');
cmp_ok($faults / $counts->{calls}, '>', 0.9 * $share, 'a third of all calls failed');
is_deeply([ grep { !$count{$_} } keys %count ], [], 'each kind of havoc happened');

my @table = (
	[ 'requests',                          $requests ],
	[ 'transactions begun, ended',         "$begun, " . scalar @jobs ],
	[ 'calls received',                    $counts->{calls} ],
	[ 'faults injected',                   sprintf '%d (%.1f %%)', $faults, 100 * $faults / $counts->{calls} ],
	(map { [ "    $_", $counts->{faults}{$_} ] } sort @faults),
	[ 'connections refused',               peek("SELECT count(*) FROM ignisign.attempt WHERE error LIKE '%connect to%'") ],
	(map { [ $_, $count{$_} ] } sort keys %count),
	[ 'calls under way when it ended',     $under_way ],
	[ 'calls lost with a worker',          peek("SELECT count(*) FROM ignisign.attempt WHERE outcome = 'lost'") ],
	[ 'calls with unknown outcome',        peek("SELECT count(*) FROM ignisign.attempt WHERE outcome = 'reconcile'") ],
	[ 'of these found at Ignisign',        peek("SELECT count(*) FROM ignisign.event WHERE source = 'reconcile' AND kind = 'sent'") ],
	[ 'proofs compared',                   scalar @proofs ],
	[ 'largest worker, MB',                sprintf '%.1f', $most_memory / 1024 ],
	[ 'duration, s',                       sprintf '%.0f', $settled_after ]);

diag(join '', map { sprintf "%-36s %s\n", @$_ } @table);

$node->stop;
done_testing();
