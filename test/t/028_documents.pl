# The examples in the documents do what they say: each block of SQL in README.md,
# docs/ and the other Markdown files is run.
#
# The blocks of one document are run in their order, in one psql, in a database of
# the document's own.  What stands for something, such as '0197...' for a request,
# is replaced by such a thing (stand_in).  A comment before a block, which readers
# do not see, says what is special about it:
#
#	<!-- run: on a dead call -->			something is made before (%states)
#	<!-- run: fails with IG003 -->			an error of this SQLSTATE is expected
#	<!-- run: after the rest -->			it needs what comes later in the document
#	<!-- run: not, because REASON -->		it is not run
#
# docs/rest-guide.md has a test of its own: 026_guide.pl.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use File::Basename qw(basename);
use IgnisignTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my $timeout = $PostgreSQL::Test::Utils::timeout_default;
my $dir = PostgreSQL::Test::Utils::tempdir();
my $sandbox = start_sandbox(proof_delay => 0, webhook_retries => 0);
my $node = new_node(
	'documents', undef,
	'ignisign.reconcile_delay'       => '1h',
	'ignisign.callback_max_attempts' => 1);
my $port = free_port();
my $n = 0;

append_to_file("$dir/lease.pdf", pdf('Lease'));
append_to_file("$dir/key", $sandbox->key);
chmod 0600, "$dir/key";
$node->safe_psql('postgres', 'CREATE ROLE app; CREATE ROLE sales; CREATE ROLE marketing');

# What a document finds in its database, unless it makes that itself: the
# extension, an account, tables to sign from, and pg_cron.  010_pg_cron.pl tests
# the real one; here the commands that it is given are run at once.
my $cron = <<~'SQL';
	CREATE SCHEMA cron;
	CREATE FUNCTION cron.schedule(job_name text, schedule text, command text) RETURNS bigint LANGUAGE plpgsql AS
	$$ BEGIN EXECUTE command; RETURN 1; END $$;
	SQL
my $tables = <<~SQL;
	CREATE TABLE contract (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text, pdf bytea, signers jsonb,
		signature_id uuid, signed_at timestamptz, summary text, valid_until timestamptz, copies_to text[]);
	CREATE TABLE lease (id bigint PRIMARY KEY, pdf bytea);
	INSERT INTO lease VALUES (42, pg_read_binary_file('$dir/lease.pdf'));
	CREATE FUNCTION contract_signed(request uuid, event jsonb) RETURNS void LANGUAGE sql AS
	\$\$ UPDATE contract SET signed_at = (event ->> 'at')::timestamptz WHERE signature_id = request \$\$;
	SQL
my %made = (
	'README.md'     => '',
	'docs/tasks.md' => "CREATE EXTENSION ignisign; $cron");

my $database;

sub value { return $node->safe_psql($database, $_[0]) }

# Queue a request and wait for a state of it; returns its id.
sub request_that_is
{
	my ($state, $fault) = @_;
	my $title = 'Example ' . ++$n;

	# The fault is for this one, and for none that is still to be sent.
	wait_for($node, "SELECT count(*) = 0 FROM ignisign.call WHERE operation = 'one-call-sign' AND state IN ('pending', 'sending')", $database)
	  or die 'something is not sent';
	$sandbox->fault("one-call-sign count=1 $fault") if $fault;
	my $id = value(sign_sql($title, 'ann@example.com'));
	wait_for($node, "SELECT state = '$state' FROM ignisign_status('$id')", $database) or die "no request is $state";
	wait_for($node, "SELECT bool_and(signer_id IS NOT NULL) FROM ignisign.signer WHERE request = '$id'", $database)
	  if $state eq 'open';
	return $id;
}

# Sign a request, and wait for its proof; returns its id.
sub completed
{
	my $id = request_that_is('open');

	$sandbox->sign(value("SELECT signature_request_id FROM ignisign.request WHERE id = '$id'"));
	value("SELECT ignisign_wait('$id', 'PROOF', '$timeout s')") eq 't' or die 'no proof';
	return $id;
}

# The id at the API of the last request that the sandbox has.
sub last_remote { return ($sandbox->requests)[-1]{id} }

# What a block can ask for: what is put in the place of what, for this block.
my %states = (
	'a completed request' => sub { my $id = completed(); return ("'0197...'" => "'$id'", ids_of($id)) },
	'a dead call' => sub {
		my $id = request_that_is('dead', 'status=400');
		return ("'0197...'" => "'$id'", '17' => value("SELECT id FROM ignisign.call WHERE request = '$id'"));
	},
	'a request in doubt' => sub {
		my $id = request_that_is('unknown', 'close=after');
		return ("'0197...'" => "'$id'", '67a1c0de0000000000000001' => last_remote());
	},
	'a request made elsewhere' => sub {
		my $id = request_that_is('open');
		my $remote = value("SELECT signature_request_id FROM ignisign.request WHERE id = '$id'");
		value("DELETE FROM ignisign.$_ WHERE request = '$id'") for qw(call event attempt signer document);
		value("DELETE FROM ignisign.request WHERE id = '$id'");
		return ('67a1c0de0000000000000001' => $remote);
	},
	'a dead delivery' => sub {
		value(q{CREATE OR REPLACE FUNCTION fails(request uuid, event jsonb) RETURNS void LANGUAGE plpgsql AS
			$$ BEGIN RAISE 'no'; END $$; SELECT ignisign_on('dead', 'fails(uuid, jsonb)')});
		request_that_is('dead', 'status=400');
		wait_for($node, "SELECT count(*) > 0 FROM ignisign.delivery WHERE state = 'dead'", $database) or die 'no dead delivery';
		my $id = value("SELECT max(id) FROM ignisign.delivery WHERE state = 'dead'");
		return ('5' => $id, '17' => $id);
	},
	'no server' => sub { value('DROP SERVER ignisign CASCADE'); return () });

# Ignisign's ids of a request and of what belongs to it.
sub ids_of
{
	my ($id) = @_;
	my ($request, $signer, $document) = split /\|/, value(
		"SELECT r.signature_request_id, s.signer_id, d.document_id FROM ignisign.request r "
		  . "JOIN ignisign.signer s ON s.request = r.id JOIN ignisign.document d ON d.request = r.id "
		  . "WHERE r.id = '$id' LIMIT 1");

	return (
		'67a1c0de0000000000000001' => $request,
		'67a1…01'                => $request,
		'67a1…11'                => $signer,
		'67a1…21'                => $document);
}

# Replace what stands for something in a block.
sub stand_in
{
	my ($sql, %for) = @_;
	my $key = $sandbox->key;
	my $url = $sandbox->url;

	if ($sql =~ /0197\.\.\.|67a1/ && !%for)
	{
		my $id = request_that_is('open');

		%for = ("'0197...'" => "'$id'", ids_of($id));
	}
	if ($sql =~ /67a1…41/)
	{
		my $call = value("SELECT ignisign_create_webhook('https://example.org/hook')");
		$for{'67a1…41'} = value("SELECT ignisign_result($call, '$timeout s') -> -1 ->> '_id'");
	}
	for my $what (sort keys %for)
	{
		$sql =~ s/(?<![\w.])\Q$what\E(?!\w)/$for{$what}/g;
	}
	if ($sql =~ m{/ignisign/5f1c\.\.\.})
	{
		my $path = value('SELECT ignisign_listen()');
		$sql =~ s{/ignisign/5f1c\.\.\.}{$path};
	}
	# Nothing depends on how fast this machine is.
	$sql =~ s/(ignisign_(?:result|content)\([^()]*, )'\d+ s'/$1'$timeout s'/g;
	# An account is one of the sandbox, wherever a document says that it is.
	$sql =~ s/(ignisign_connect\()'skv2_[^']*'(,\s*base_url => '[^']*')?/$1'$key', base_url => '$url'/g;
	$sql =~ s/skv2_\w+_\.\.\./$key/g;
	$sql =~ s{/etc/postgresql/ignisign\.key}{$dir/key}g;
	$sql =~ s{/tmp/(lease\.pdf)}{$dir/$1}g;
	$sql =~ s/\\x255044462d\.\.\./\\x255044462d312e34/g;
	$sql =~ s/DATABASE app\b/DATABASE $database/g;
	$sql =~ s/(0\.0\.0\.0):8443/127.0.0.1:$port/g;
	return $sql;
}

# The blocks of a document, each with what is said before it.
sub blocks_of
{
	my ($text) = @_;
	my @blocks;

	while ($text =~ /^(?: *<!-- run: ([^\n]*?) -->\n)?( *)```([^\n]*)\n(.*?)^\2```$/msg)
	{
		push @blocks, { how => $1 // '', language => $3, sql => $4 };
	}
	return @blocks;
}

# Run blocks in a psql of their own.
sub run_blocks
{
	my ($name, @blocks) = @_;
	my ($in, $out, $err) = ('', '', '');

	# One that waits for what does not come is an error, too.
	local $ENV{PGOPTIONS} = "-c statement_timeout=${timeout}s";
	my $psql = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr($database), '-f', '-' ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(4 * $timeout));

	for my $block (@blocks)
	{
		my ($first) = $block->{sql} =~ /^(.*)/;
		my ($state) = $block->{how} =~ /^(?:on|with) (.*)$/;
		my ($code) = $block->{how} =~ /^fails with (\w{5})$/;

		if ($block->{how} =~ /^not, because (.{10,})$/)
		{
			note("$name: not run, because $1: $first");
			next;
		}
		die "$name: unknown: $block->{how}" if $block->{how} !~ /^$|^after the rest$|^fails with \w{5}$/ && !$states{ $state // '' };
		my %for = $state ? $states{$state}->() : ();

		($out, $err) = ('', '');
		$in = stand_in($block->{sql}, %for) . "\\echo --done--\n";
		$psql->pump while $out !~ /^--done--$/m && $psql->pumpable;
		my @errors = $err =~ /ERROR:\s+(\w{5})/g;

		is_deeply(\@errors, [ $code // () ], "$name: $first") or diag($err);
		connect_node($node, $sandbox, $database) if ($state // '') eq 'no server';
	}
	$in = "\\q\n";
	$psql->finish;
	return;
}

for my $file (map { glob("$top/$_") } qw(*.md docs/*.md examples/*.md))
{
	my $name = $file =~ s/^\Q$top\E\///r;
	my $text = slurp_file($file);
	my @blocks = blocks_of($text);
	my @sql = grep { $_->{language} eq 'sql' } @blocks;

	# Nothing that is SQL hides behind another name, or in a fence of another form.
	is_deeply([ grep { $_->{language} ne 'sql' && $_->{sql} =~ /^\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|GRANT)\s.*;\s*$/m } @blocks ],
		[], "$name: SQL is marked as such");
	is(scalar(() = $text =~ /^\s*(?:```|~~~)/mg), 2 * @blocks, "$name: each fence is a block");
	is(scalar(() = $text =~ /<!-- run: /g), scalar(grep { $_->{how} } @sql), "$name: each remark belongs to a block");

	next if !@sql || $name eq 'docs/rest-guide.md';
	$database = 'doc_' . lc(basename($name, '.md') =~ tr/a-zA-Z/_/cr);
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	value($made{$name} // "CREATE EXTENSION ignisign; $cron $tables");
	connect_node($node, $sandbox, $database) if ($made{$name} // 'x') ne '';
	run_blocks($name, (grep { $_->{how} ne 'after the rest' } @sql), grep { $_->{how} eq 'after the rest' } @sql);
	# Its worker makes room for the next one's.
	$node->safe_psql('postgres', "DROP DATABASE $database WITH (FORCE)");
	$sandbox->clear_faults;
}

$node->stop;
done_testing();
