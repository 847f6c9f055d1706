# What is in monitoring/, with postgres_exporter and Prometheus: the metrics arrive
# and are what ignisign_stats() says, each expression of the dashboard and the alerts
# finds something, and each alert fires when something is broken and ends when it is
# mended.  Periods and limits of the alerts are shorter here; those in alerts.yml are
# tested by promtool.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use CPAN::Meta::YAML;
use HTTP::Tiny;
use IgnisignTest;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/../..";

# Which of Debian's programs is not there.
for my $program (qw(prometheus promtool prometheus-postgres-exporter))
{
	plan skip_all => "$program is not there" unless grep { -x "$_/$program" } split /:/, $ENV{PATH};
}

# ---- Programs beside the server ----

my %running;
my $dir = PostgreSQL::Test::Utils::tempdir('monitoring');
my $http = HTTP::Tiny->new(timeout => 30, no_proxy => ['127.0.0.1']);

# Start a program; what it says is in its log.
sub start_program
{
	my ($name, $env, @command) = @_;
	my $pid = fork // die "fork: $!";

	if ($pid == 0)
	{
		$ENV{$_} = $env->{$_} for keys %$env;
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', "$dir/$name.log";
		open STDERR, '>&', \*STDOUT;
		exec { $command[0] } @command or POSIX::_exit(127);
	}
	$running{$name} = $pid;
	return;
}

sub stop_program
{
	my ($name) = @_;
	my $pid = delete $running{$name} // return;

	kill 'TERM', $pid;
	waitpid $pid, 0;
	return;
}

# Whether a program answers.
sub answers
{
	my ($name, $url) = @_;

	return wait_for(
		sub {
			die "$name has ended:\n" . slurp_file("$dir/$name.log") if waitpid($running{$name}, POSIX::WNOHANG()) == $running{$name};
			return $http->get($url)->{success};
		},
		{ what => $name });
}

END
{
	my $status = $?;

	stop_program($_) for keys %running;
	$? = $status;
}

# ---- The server ----

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('monitoring', $sandbox, 'ignisign.refresh_interval' => 0);

sub value { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

# Another database has the functions in another schema.
value('CREATE DATABASE billing');
value('CREATE SCHEMA sign; CREATE EXTENSION ignisign SCHEMA sign', 'billing');
value((sprintf "SELECT sign.ignisign_connect('%s', base_url => '%s')", $sandbox->key, $sandbox->url), 'billing');
value(sprintf "SELECT ignisign_connect('%s', base_url => '%s', server => 'other')", $sandbox->key, $sandbox->url);

# The role of the manual.

my $manual = slurp_file("$top/docs/monitoring.md");
my ($role) = $manual =~ /^   ```sql\n(.*?)^   ```/ms;
value($role);
value('GRANT USAGE ON SCHEMA sign TO exporter; ALTER ROLE exporter SET search_path = public, sign', 'billing');
for my $query ('SELECT FROM ignisign.request', 'SELECT FROM ignisign.call', 'SELECT FROM ignisign.callback', 'SELECT FROM ignisign.parked',
	'SELECT ignisign_application()', "SELECT ignisign_status(ignisign_id())", "SELECT ignisign_sign('x', 'x'::bytea, '[]'::jsonb)",
	'SELECT umoptions FROM pg_user_mapping')
{
	my ($out, $err) = ('', '');

	$node->psql('postgres', "SET ROLE exporter; $query", stdout => \$out, stderr => \$err);
	like($err, qr/permission denied/, "the exporter may not: $query");
}

# ---- The exporter ----

my $exporter_port = free_port();
my $exporter_url = "http://127.0.0.1:$exporter_port/metrics";
my $source = sprintf 'host=%s port=%d user=exporter dbname=postgres sslmode=disable', $node->host, $node->port;

sub start_exporter
{
	start_program('exporter', { DATA_SOURCE_NAME => $source },
		'prometheus-postgres-exporter', "--web.listen-address=127.0.0.1:$exporter_port",
		"--extend.query-path=$dir/queries.yaml", '--auto-discover-databases', '--include-databases=billing');
	return ok(answers('exporter', $exporter_url), 'the exporter runs');
}

# Nothing is kept from one look to the next.
append_to_file("$dir/queries.yaml", slurp_file("$top/monitoring/queries.yaml") =~ s/^  cache_seconds: \d+\n//mr);
start_exporter();

# ---- Prometheus ----

# Alerts with periods that a test can wait for.
my $rules = slurp_file("$top/monitoring/alerts.yml");
my @alerts = $rules =~ /^      - alert: (\w+)$/mg;
$rules =~ s/for: \w+$/for: 0s/mg;
$rules =~ s/\[15m\]/[15s]/g;
$rules =~ s/ > (?:60|300|600|900|3600)$/ > 1/mg;
$rules =~ s/ > 10$/ > 0.3/mg;
$rules =~ s/ > 10737418240$/ > 20000000/mg;
append_to_file("$dir/alerts.yml", $rules);

my $prometheus_port = free_port();
my $prometheus_url = "http://127.0.0.1:$prometheus_port";
append_to_file("$dir/prometheus.yml", <<~"END");
	global:
	  scrape_interval: 1s
	  evaluation_interval: 500ms
	rule_files:
	  - $dir/alerts.yml
	scrape_configs:
	  - job_name: postgresql
	    static_configs:
	      - targets: ['127.0.0.1:$exporter_port']
	END
command_ok([ 'promtool', 'check', 'rules', "$top/monitoring/alerts.yml" ], 'the rules are rules');
command_ok([ 'promtool', 'test', 'rules', "$top/test/monitoring/alerts_test.yml" ], 'and fire when they ought to');
command_ok([ 'promtool', 'check', 'config', "$dir/prometheus.yml" ], 'the configuration is one');
start_program('prometheus', {}, 'prometheus', "--config.file=$dir/prometheus.yml", "--storage.tsdb.path=$dir/data",
	"--web.listen-address=127.0.0.1:$prometheus_port", '--log.level=warn');
ok(answers('prometheus', "$prometheus_url/-/ready"), 'Prometheus runs');

# Ask the API of Prometheus.
sub api
{
	my ($path, %parameter) = @_;
	my $answer = $http->get("$prometheus_url/api/v1/$path?" . $http->www_form_urlencode(\%parameter));

	die "$path: $answer->{status} $answer->{content}" unless $answer->{success};
	return decode_json($answer->{content})->{data};
}

# The results of an expression: labels and value.
sub evaluate
{
	my ($expression) = @_;

	return @{ api('query', query => $expression)->{result} };
}

# An expression comes to be one value; any, if that is not given.
sub comes
{
	my ($expression, $value, $what) = @_;
	my $last = '';

	return ok( wait_for(
			sub {
				$last = join ' ', map { $_->{value}[1] } evaluate($expression);
				return defined $value ? $last eq $value : $last ne '';
			},
			{ what => $expression }),
		$what) || diag("$expression: $last");
}

# ---- Alerts ----

my %fired;

sub firing { return map { $_->{labels}{alertname} } grep { $_->{state} eq 'firing' } @{ api('alerts')->{alerts} } }

# These alerts come to fire, maybe beside others.
sub fire
{
	my ($what, @names) = @_;
	my %now;

	ok( wait_for(
			sub {
				%now = map { $_ => 1 } firing();
				return !grep { !$now{$_} } @names;
			},
			{ what => "@names" }),
		"$what: @names");
	look_at_dashboard();
	$fired{$_} = 1 for @names;
	return;
}

# None fires any more.
sub over
{
	my ($what) = @_;

	value("SELECT ignisign_discard(id) FROM ignisign.call WHERE state = 'dead'");
	return ok(wait_for(sub { !firing() }, { what => "$what: no alert" }), "$what: it is over") || diag(join ' ', firing());
}

# ---- The dashboard ----

my %seen;
my $dashboard = decode_json(slurp_file("$top/monitoring/grafana-dashboard.json"));
my @expressions = map { $_->{expr} } map { @{ $_->{targets} // [] } } @{ $dashboard->{panels} };
my @variables = map { $_->{query}{query} } grep { $_->{type} eq 'query' } @{ $dashboard->{templating}{list} };

# Each expression is asked now and then, until it has found something.
sub look_at_dashboard
{
	for my $expression (grep { !$seen{$_} } @expressions)
	{
		my $asked = $expression =~ s/\$__rate_interval/15s/gr =~ s/"\$\w+"/".*"/gr;

		$seen{$expression} = 1 if grep { $_->{value}[1] ne 'NaN' } evaluate($asked);
	}
	return;
}

# ---- All metrics arrive ----

value(<<~'SQL');
	CREATE FUNCTION noted(request uuid, event jsonb) RETURNS void LANGUAGE sql AS $$ SELECT $$;
	SELECT ignisign_on('COMPLETED', 'noted(uuid, jsonb)')
	SQL
comes('ignisign_worker_up', '1 1', 'the workers of both databases run');
over('at first');

for my $n (1 .. 3)
{
	my $id = value(sign_sql("Contract $n", 'ann@example.com'));
	value("SELECT ignisign_wait('$id', 'SENT', '60 s')");
	$sandbox->sign(value("SELECT signature_request_id FROM ignisign_status('$id')"));
	value("SELECT ignisign_refresh('$id')");
	is(value("SELECT ignisign_wait('$id', 'PROOF', '60 s')"), 't', "contract $n is signed");
}
my $server = 'datname="postgres", foreign_server="ignisign"';
ok(wait_for($node, "SELECT in_flight = 0 AND pending = 0 AND sending = 0 FROM ignisign_stats() WHERE server = 'ignisign'"), 'all is quiet');
for my $outcome ('calls', 'succeeded')
{
	my $metric = $outcome eq 'calls' ? 'ignisign_calls_total' : "ignisign_${outcome}_calls_total";

	comes("$metric\{$server}", value("SELECT $outcome FROM ignisign_stats() WHERE server = 'ignisign'"), "$metric is what the server says");
}
comes("ignisign_received_bytes_total{$server}", value("SELECT bytes_received FROM ignisign_stats() WHERE server = 'ignisign'"), 'so are bytes');
comes('ignisign_calls_total{datname="billing", foreign_server="ignisign"}', '0', 'another database counts for itself');
comes('ignisign_calls_total{datname="postgres", foreign_server="other"}', '0', 'so does another server');
comes('ignisign_table_inserted_rows_total{datname="postgres", relation="proof"}', '3', 'rows added are counted');

# A histogram as Prometheus has them.

my $exposed = $http->get($exporter_url)->{content};
like($exposed, qr/^# TYPE ignisign_call_duration_seconds histogram$/m, 'a histogram');
like($exposed, qr/^# TYPE ignisign_calls_total counter$/m, 'a counter');
like($exposed, qr/^# TYPE ignisign_pending_calls gauge$/m, 'a gauge');
like($exposed, qr/^pg_exporter_user_queries_load_error\{.*\} 0$/m, 'the exporter has taken the queries');
my %bucket = map { $_->{metric}{le} => $_->{value}[1] } evaluate("ignisign_call_duration_seconds_bucket{$server}");
is_deeply([ sort { $a <=> $b } keys %bucket ], [ (map { 0.001 * 2**$_ } 0 .. 15), '+Inf' ], 'its bounds are each twice the one before');
is(join(' ', map { $bucket{$_} } sort { $a <=> $b } keys %bucket), join(' ', sort { $a <=> $b } values %bucket), 'its buckets grow');
is($bucket{'+Inf'}, value("SELECT succeeded FROM ignisign_stats() WHERE server = 'ignisign'"), 'up to all that were answered');
is((evaluate("ignisign_call_duration_seconds_count{$server}"))[0]{value}[1], $bucket{'+Inf'}, 'which is its count');
is(sprintf('%.6f', (evaluate("ignisign_call_duration_seconds_sum{$server}"))[0]{value}[1]),
	value("SELECT (total / 1000)::numeric(20, 6) FROM ignisign_latency_stats() WHERE server = 'ignisign'"), 'and its sum the time of all');
is(value(<<~'SQL'), 't', 'classes and their bounds agree with the percentiles');
	SELECT (SELECT min(u.bound) FROM unnest(l.up_to, l.calls_within) u (bound, calls) WHERE u.calls >= l.calls * 0.5) BETWEEN s.latency_p50 AND s.latency_p50 * 1.2 + 1
	FROM ignisign_latency_stats() l JOIN ignisign_stats() s USING (server) WHERE server = 'ignisign'
	SQL

# ---- Each alert fires, and ends ----

sub queue { return value("SELECT count(ignisign_get_signer(lpad(i::text, 24, '0'))) FROM generate_series(1, $_[0]) i") }

# Change a setting of the server.
sub setting
{
	my ($name, $to) = @_;

	value("ALTER SYSTEM SET $name = $to");
	value('SELECT pg_reload_conf()');
	return;
}

queue(2);
fire('calls are refused', 'IgnisignDeadCalls');
comes('ignisign_queue_calls{datname="postgres", operation="signer", state="dead"}', '2', 'by operation and state');
over('they are discarded');

value("ALTER SERVER ignisign OPTIONS (ADD breaker_failures '3', ADD breaker_pause '300')");
$sandbox->stop;
queue(8);
fire('the API is down', qw(IgnisignServerFails IgnisignAccountHeldBack IgnisignQueueOld));
$sandbox->start;
ok(wait_for($node, "SELECT dead = 8 FROM ignisign_stats() WHERE server = 'ignisign'"), 'the API is back');
over('the API is back');

setting('ignisign.reconcile_delay', "'1h'");
$sandbox->fault('one-call-sign count=1 close=after');
my $unknown = value(sign_sql('Unknown', 'ann@example.com'));
fire('an answer is lost', 'IgnisignOutcomeUnknown');
value("SELECT ignisign_resolve('$unknown', '$_->{id}')") for grep { $_->{title} eq 'Unknown' } $sandbox->requests;
over('somebody has looked');

# Its proof is not there yet, and the function is not called.

setting('ignisign.callback_workers', "'0'");
$sandbox->fault('context share=1 status=503');
$sandbox->sign(value("SELECT signature_request_id FROM ignisign_status('$unknown')"));
value("SELECT ignisign_refresh('$unknown')");
fire('a proof does not come', 'IgnisignProofMissing');
$sandbox->clear_faults;
ok(wait_for($node, "SELECT status = 'COMPLETED' FROM ignisign_status('$unknown')"), 'it is completed');
fire('no function is called', 'IgnisignCallbackFails');
setting('ignisign.callback_workers', "'4'");
over('both have come');

value("ALTER DATABASE billing SET ignisign.webhook_listen = '203.0.113.1:7'");
fire('there is no such address', 'IgnisignListenerDown');
comes('ignisign_worker_listener_wanted{datname="postgres"}', '0', 'where there is to be no listener, none is missed');
value('ALTER DATABASE billing RESET ignisign.webhook_listen');
over('nobody listens');

setting('ignisign.enabled', "'off'");
fire('it is turned off', 'IgnisignWorkerDown');
setting('ignisign.enabled', "'on'");
over('it is turned on');

my $worker = value('SELECT DISTINCT worker_pid FROM ignisign_stats()');
kill 'STOP', $worker;
queue(1);
fire('the worker is stopped', qw(IgnisignWorkerStuck IgnisignHeartbeatOld));
kill 'CONT', $worker;
ok(wait_for($node, "SELECT dead = 1 FROM ignisign_stats() WHERE server = 'ignisign'"), 'it goes on');
over('it goes on');

my $session = $node->background_psql('postgres');
$session->query('BEGIN; LOCK TABLE ignisign.call IN ACCESS EXCLUSIVE MODE');
fire('the queue is locked', 'IgnisignQueueLocked');
$session->query('COMMIT');
$session->quit;
over('it is not any more');

# These look back for a while, so they end together.

queue(30);
fire('many are refused', 'IgnisignErrorRate');
$sandbox->fault('application share=1 delay=1000');
value('SELECT count(ignisign_application()) FROM generate_series(1, 20)');
fire('answers are slow', 'IgnisignSlow');
$sandbox->clear_faults;
ok( wait_for(
		sub {
			my $started = value('SELECT DISTINCT worker_since FROM ignisign_stats()');

			value('SELECT pg_terminate_backend(worker_pid) FROM ignisign_stats() LIMIT 1');
			wait_for($node, "SELECT bool_and(worker_state = 'running' AND worker_since > '$started') FROM ignisign_stats()") or return 0;
			my $since = value('SELECT extract(epoch FROM max(worker_since))::numeric(20, 3) FROM ignisign_stats()');
			wait_for(sub { grep { abs($_->{value}[1] - $since) < 0.01 } evaluate('ignisign_worker_start_time_seconds{datname="postgres"}') })
			  or return 0;
			return grep { $_ eq 'IgnisignWorkerRestarts' } firing();
		}),
	'the worker ends again and again');
fire('the worker ends again and again', 'IgnisignWorkerRestarts');
over('that was a while ago');

value("INSERT INTO ignisign.attempt (request, started_at, operation, owner, server, attempt, outcome, error)"
	  . " SELECT ignisign_id(), now() - interval '1 year', 'signer', 'postgres', 'ignisign', 1, 'done', repeat('x', 1000) FROM generate_series(1, 20000)");
fire('nothing is forgotten', 'IgnisignHistoryLarge');
value("SELECT ignisign_purge('attempts', '90 days')");
value('VACUUM FULL ignisign.attempt');
over('it is');

stop_program('exporter');
fire('the exporter is down', 'IgnisignMetricsMissing');
start_exporter();
over('it is back');

# ---- All of them ----

is_deeply([ sort keys %fired ], [ sort @alerts ], 'every alert has fired');
is_deeply([ grep { $_->{health} ne 'ok' } map { @{ $_->{rules} } } @{ api('rules')->{groups} } ], [], 'and every rule could be evaluated');
is_deeply([ grep { !$seen{$_} } @expressions ], [], 'every expression of the dashboard has found something');
for my $variable (@variables)
{
	my ($series, $label) = ($variable =~ s/"\$\w+"/".*"/gr) =~ /^label_values\((.*), (\w+)\)$/;

	ok(scalar(grep { exists $_->{$label} } @{ api('series', 'match[]' => $series) }), "a variable of the dashboard has values: $label");
}

# What the queries name is there, under these names, and a number while all is well.
my %there = map { $_ => 1 } @{ api('label/__name__/values') };
my $queries = CPAN::Meta::YAML->read("$top/monitoring/queries.yaml")->[0];

for my $query (sort keys %$queries)
{
	for my $metric (@{ $queries->{$query}{metrics} })
	{
		my ($column, $use) = %$metric;

		next if $use->{usage} eq 'LABEL';
		my $name = "${query}_$column" . ($use->{usage} eq 'HISTOGRAM' ? '_bucket' : '');
		ok($there{$name}, "there is $name");
		is(scalar(grep { $_->{value}[1] eq 'NaN' } evaluate($name)), 0, "$name is a number");
	}
}

# No title, address or key has got there.
my $all = encode_json([ map { @$_ } api('series', 'match[]' => '{__name__=~"ignisign.+"}') ]);
unlike($all, qr/Contract|Unknown"|ann\@|skv2_|sandboxsecret/, 'no label says what a request is about');

stop_program('prometheus');
stop_program('exporter');
$node->stop;
done_testing();
