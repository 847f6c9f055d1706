# An API key is nowhere but in its file, or its user mapping, and on the wire.
# It is looked for in all that a server writes when told to write all.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use File::Find ();
use IgnisignTest;
use IPC::Run ();
use Test::More;

# The part of keys that must not be seen, as text and as bytes of a printed tree.
my $secret = 'k3yTh4tN0b0dyM4ySee';
my $bytes = join '(?:\\s|\\\\[nt])+', unpack 'C*', $secret;
my $key = "skv2_development_5a4db0c5-0000-4000-8000-000000000001_$secret";
my $jwt = 's3cr3tOfTh3Applic4tion';

my $sandbox = start_sandbox(api_key => $key, sign_after => 0, proof_delay => 0);
my $tls = start_sandbox(api_key => $key, tls => undef);

# What logs and watches all that can be.
my %talkative = (
	shared_preload_libraries => "'pg_stat_statements, auto_explain, ignisign'",
	logging_collector => 'on',
	log_destination => "'stderr, csvlog, jsonlog'",
	log_directory => "'log'",
	log_statement => 'all',
	log_duration => 'on',
	log_min_messages => 'debug5',
	log_min_error_statement => 'debug5',
	log_min_duration_statement => '0',
	log_error_verbosity => 'verbose',
	log_parameter_max_length => '-1',
	log_parameter_max_length_on_error => '-1',
	debug_print_parse => 'on',
	debug_print_rewritten => 'on',
	debug_print_plan => 'on',
	track_activity_query_size => '16kB',
	'pg_stat_statements.track' => 'all',
	'auto_explain.log_min_duration' => '0',
	'auto_explain.log_verbose' => 'on',
	'auto_explain.log_nested_statements' => 'on');

# The files below a directory in which a pattern is found, but for those that
# the last argument leaves out.
sub files_with
{
	my ($directory, $what, $except) = @_;
	my @found;

	File::Find::find(
		{
			no_chdir => 1,
			wanted => sub {
				return unless -f $File::Find::name;
				my $file = substr $File::Find::name, length($directory) + 1;

				return if defined $except && $file =~ $except;
				open my $handle, '<:raw', $File::Find::name or return;
				local $/;
				push @found, $file if (<$handle> // '') =~ $what;
			}
		},
		$directory);
	return join ' ', sort @found;
}

# Write down what is to be seen of sessions, until told to stop; quietly.
sub watch
{
	my ($node) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir('watch');
	my @quiet = qw(log_statement=none log_duration=off log_min_duration_statement=-1 log_min_messages=fatal
	  debug_print_parse=off debug_print_rewritten=off debug_print_plan=off auto_explain.log_min_duration=-1);

	PostgreSQL::Test::Utils::append_to_file("$directory/script", join('', map { "SET $_;\n" } map { s/=(.*)/ = '$1'/r } @quiet)
		. "SELECT backend_type, state, query FROM pg_stat_activity WHERE pid <> pg_backend_pid(); SELECT pg_sleep(0.01);\n" x 20000);
	my $run = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', "$directory/script" ],
		'>', "$directory/activity", '2>', "$directory/errors");
	return { run => $run, directory => $directory };
}

# Stop that; returns what was seen.
sub seen
{
	my ($watch) = @_;

	$watch->{run}->signal('TERM');
	eval { $watch->{run}->finish };
	return PostgreSQL::Test::Utils::slurp_file("$watch->{directory}/activity");
}

# ---- The key in a file: it is nowhere else ----

my $directory = PostgreSQL::Test::Utils::tempdir('keys');
chmod 0755, $directory;
PostgreSQL::Test::Utils::append_to_file("$directory/key", "$key\n");
chmod 0644, "$directory/key";

my $node = new_node('file', undef, %talkative, autovacuum => 'off');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements');
for my $server ([ 'ignisign', $sandbox ], [ 'tls', $tls ])
{
	$node->safe_psql(
		'postgres', "CREATE SERVER $server->[0] FOREIGN DATA WRAPPER ignisign OPTIONS (base_url '@{[ $server->[1]->url ]}');
		CREATE USER MAPPING FOR PUBLIC SERVER $server->[0] OPTIONS (api_key_file '$directory/key')");
}
my $watch = watch($node);

my $id = $node->safe_psql('postgres', sign_sql('Signed', 'ann@example.com'));
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'PROOF', '60 s')"), 't', 'a request is proven');
my $call = $node->safe_psql('postgres', 'SELECT ignisign_application()');
like($node->safe_psql('postgres', "SELECT ignisign_result($call, '60 s') IS NOT NULL"), qr/t/, 'a call is answered');
$node->safe_psql('postgres', sign_sql('No TLS', 'ann@example.com') =~ s/\)$/, server => 'tls')/r);
ok(wait_for($node, "SELECT last_error ~* 'certificate' FROM ignisign.call WHERE server = 'tls'"), 'a certificate is refused');
$sandbox->fault('one-call-sign count=1 status=401');
$node->safe_psql('postgres', sign_sql('Refused', 'ann@example.com'));
ok(wait_for($node, "SELECT count(*) > 0 FROM ignisign.parked WHERE server = 'ignisign'"), 'a key is refused');
my $path = $node->safe_psql('postgres', 'SELECT ignisign_listen()');
my $token = ($path =~ /([0-9a-f]+)$/)[0];
$node->safe_psql('postgres', "SELECT ignisign_unlisten(path => '$path')");

# A crash while a call is under way.
$sandbox->fault('application count=1 delay=20000');
$node->safe_psql('postgres', "DELETE FROM ignisign.parked; SELECT ignisign_application()");
$node->safe_psql('postgres', "ALTER SERVER ignisign OPTIONS (ADD timeout '25000')");
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.call WHERE state = 'sending' AND operation = 'application'"), 'a call is under way');
my $activity = seen($watch);
my $pid = $node->safe_psql('postgres', 'SELECT worker_pid FROM ignisign_stats() LIMIT 1');
kill 'KILL', $pid;
ok(wait_for(sub { !-e $node->data_dir . '/postmaster.pid' }), 'the worker has crashed, and the server with it');
$node->_update_pid(0);
is(files_with($node->data_dir, $secret), '', 'no file of the data directory has the key then');
$node->start;

for my $table (split /\n/, $node->safe_psql('postgres', "SELECT c.oid::regclass FROM pg_class c WHERE relnamespace = 'ignisign'::regnamespace AND relkind = 'r'"))
{
	is($node->safe_psql('postgres', "SELECT count(*) FROM $table t WHERE t::text LIKE '%' || 'k3yTh4' || 'tN0b0dy%'"), '0', "$table does not have the key");
}
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%' || 'k3yTh4' || 'tN0b0dy%'"), '0', 'pg_stat_statements does not');
unlike($activity, qr/$secret/, 'pg_stat_activity did not at any time');
like($activity, qr/ignisign worker\|/, 'the worker was seen in it');
ok(wait_for($node, "SELECT worker_state = 'running' FROM ignisign_stats() LIMIT 1"), 'a worker runs');
$node->stop('immediate');
is(files_with($node->data_dir, $secret), '', 'no file of the data directory has it, after a crash');
$node->start;
ok(wait_for($node, "SELECT worker_state = 'running' FROM ignisign_stats() LIMIT 1"), 'the server runs again');
$node->stop;
for my $what ([ $secret, 'key' ], [ $bytes, "key's bytes" ], [ $token, "endpoint's token" ])
{
	is(files_with($node->data_dir, $what->[0]), '', "no file of the data directory has the $what->[1]");
}
is(join(' ', glob($node->data_dir . '/base/pgsql_tmp/*')), '', 'no temporary file is left');
like(files_with($node->data_dir, "$directory/key"), qr/base/, 'that is where the path of its file is');

# ---- The key in the mapping: statements that have it are not shown ----

$node = new_node('mapping', $sandbox, %talkative);
$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements; CREATE ROLE stranger LOGIN; CREATE ROLE ann; CREATE ROLE bob; CREATE ROLE cid');
$node->safe_psql('postgres', "CREATE SERVER second FOREIGN DATA WRAPPER ignisign OPTIONS (base_url '@{[ $sandbox->url ]}')");
$watch = watch($node);

my $session = $node->background_psql('postgres', on_error_die => 1);
for my $statement (
	"CREATE USER MAPPING FOR ann SERVER second OPTIONS (api_key '$key')",
	"ALTER USER MAPPING FOR ann SERVER second OPTIONS (SET api_key '$key')",
	"CREATE USER MAPPING FOR bob SERVER second OPTIONS (app_id 'appId_5a4db0c5-0000-4000-8000-000000000001', app_env 'DEVELOPMENT', secret '$jwt')",
	"SELECT ignisign_connect('$key', server => 'second', for_role => 'cid')",
	"DO \$\$ BEGIN PERFORM ignisign_connect('$key', server => 'second', for_role => 'cid'); END \$\$",
	"CREATE FUNCTION connecting() RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN PERFORM ignisign_connect('$key', server => 'second', for_role => 'cid'); END \$\$",
	"SELECT connecting()",
	"PREPARE connect AS SELECT ignisign_connect(\$1, server => 'second', for_role => 'cid')",
	"EXECUTE connect('$key')",
	"EXPLAIN (ANALYZE, VERBOSE) SELECT ignisign_connect('$key', server => 'second', for_role => 'cid')")
{
	$session->query_safe($statement);
	is( $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
			AND (query LIKE '%' || 'k3yTh4' || 'tN0b0dy%' OR query LIKE '%' || 's3cr3t' || 'OfTh3%')"),
		'0', 'pg_stat_activity shows it without the key: ' . ($statement =~ s/\Q$key\E|\Q$jwt\E/.../r));
}
$session->quit;

# The same with errors, which repeat nothing.
for my $statement (
	"SELECT ignisign_connect('$key x')",
	"SELECT ignisign_connect('skv2_nowhere_x_$secret')",
	"CREATE USER MAPPING FOR CURRENT_USER SERVER ignisign OPTIONS (api_key 'skv2_nowhere_x_$secret')",
	"CREATE USER MAPPING FOR PUBLIC SERVER ignisign OPTIONS (api_key '$key')",
	"CREATE USER MAPPING FOR CURRENT_USER SERVER ignisign OPTIONS (api_kye '$key')",
	"CREATE USER MAPPING FOR CURRENT_USER SERVER ignisign OPTIONS (api_key '$key', api_key_file '/x')",
	"CREATE USER MAPPING FOR nobody_there SERVER ignisign OPTIONS (api_key '$key')",
	"CREATE USER MAPPING FOR CURRENT_USER SERVER ignisign OPTIONS (secret '$jwt', api_key '$key')",
	"CREATE USER MAPPING FOR CURRENT_USER SERVER ignisign OPTIONS (api_key '$key' oops",
	"SELECT ignisign_connect('$key', base_url => 'http://example.com')",
	"SELECT ignisign_connect('$key', server => 'second', for_role => 'nobody_there')",
	"SELECT ignisign_connect('$key')::integer")
{
	my ($status, $out, $err) = $node->psql('postgres', $statement);

	isnt($status, 0, 'refused: ' . ($statement =~ s/\Q$secret\E|\Q$jwt\E/.../gr));
	unlike($err =~ s/^LINE.*$//mr, qr/$secret|$jwt/, 'and not repeated');
}
$activity = seen($watch);
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%' || 'k3yTh4' || 'tN0b0dy%' OR query LIKE '%' || 's3cr3t' || 'OfTh3%'"),
	'0', 'pg_stat_statements has statements without the key');
like($node->safe_psql('postgres', "SELECT string_agg(query, ' ') FROM pg_stat_statements WHERE query LIKE 'CREATE USER MAPPING%'"),
	qr/skv2_\*+/, 'and those of a mapping');
like($activity, qr/USER MAPPING.*skv2_\*/, 'pg_stat_activity showed a command without it');
is( $node->safe_psql(
		'postgres',
		"SELECT string_agg(DISTINCT coalesce(umoptions::text, 'none'), ' ') FROM pg_user_mappings",
		extra_params => [ '-U', 'stranger' ]),
	'none',
	'a stranger does not see mappings');
$id = $node->safe_psql('postgres', sign_sql('Signed', 'ann@example.com'));
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'SENT', '60 s')"), 't', 'the key is used');
$node->stop;

# The heap of pg_user_mapping and the WAL have what the mapping has.
for my $what ([ $secret, 'key' ], [ $bytes, "key's bytes" ], [ $jwt, "application's secret" ])
{
	is(files_with($node->data_dir, $what->[0], qr{^(?:base|pg_wal)/}), '', "no file but of the catalog and the WAL has the $what->[1]");
}
my $log = join '', map { PostgreSQL::Test::Utils::slurp_file($_) } glob($node->data_dir . '/log/*');
like($log, qr/skv2_\*+/, 'the log shows that there was a key');
like($log, qr/$_/, "the log has what $_ writes") for 'CREATE USER MAPPING', 'Query Text', 'plan:';

done_testing();
