# An API that sends more than anybody needs: each list, text and number of pages has
# a bound, whose error names bound and setting; what exceeds it harms only the call that
# asked for it, and the worker's memory stays small.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

# What the worker may take for any response that is no proof, in kB; a sanitizer
# takes memory of its own.
my $most = ($ENV{IGNISIGN_MODE} // '') eq 'sanitize' ? 10_000_000 : 64 * 1024;

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('hostile', $sandbox,
	'ignisign.refresh_interval'      => "'1h'",
	'ignisign.max_retry_delay'       => '100ms',
	'ignisign.max_response_pages'    => 3);

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub id_of { return sprintf '%024x', $_[0] }

# Send a request, and read it once; returns its id and the API's.
sub sent
{
	my ($title) = @_;
	my $id = sql(sign_sql($title, 'ann@example.com'));

	wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$id')") or die $title;
	sql("SELECT ignisign_refresh('$id')");
	ok(wait_for($node, "SELECT status = 'IN_PROGRESS' AND NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$id') FROM ignisign_status('$id')"),
		"$title is sent");
	return ($id, sql("SELECT signature_request_id FROM ignisign_status('$id')"));
}

my ($id, $remote) = sent('Contract');
my $worker = sql("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'ignisign worker%' AND datname = 'postgres'");
my $peak_file = PostgreSQL::Test::Utils::tempdir() . '/peak';

# A process of its own takes note of the worker's own memory, all the time.
my $watcher = fork // die "fork: $!";
if ($watcher == 0)
{
	my $peak = 0;

	while (open my $status, '<', "/proc/$worker/status")
	{
		my ($now) = join('', <$status>) =~ /^RssAnon:\s+(\d+) kB/m;

		if (defined $now && $now > $peak)
		{
			$peak = $now;
			open my $file, '>', $peak_file or POSIX::_exit(1);
			print $file $peak;
			close $file;
		}
		sleep 0.001;
	}
	POSIX::_exit(0);
}
END { kill 'KILL', $watcher if $watcher; }

# The most that was seen, in kB.
sub peak { return slurp_file($peak_file) || 0 }

# A context that exceeds a bound: the call is dead at once, and says why.
sub refused_context
{
	my ($what, $answer, $error) = @_;
	my $reads = $sandbox->journal('context');

	$sandbox->fault({ spec => 'context share=1', answer => { _id => $remote, status => 'COMPLETED', %$answer } });
	sql("SELECT ignisign_refresh('$id')");
	ok(wait_for($node, "SELECT state = 'dead' FROM ignisign.call WHERE request = '$id' AND operation = 'context'"), "$what: the call is dead");
	like(sql("SELECT last_error FROM ignisign.call WHERE request = '$id' AND operation = 'context'"), $error, "$what: with bound and setting");
	is($sandbox->journal('context') - $reads, 1, "$what: it was tried once");
	is(sql("SELECT status, signed FROM ignisign_status('$id')"), 'IN_PROGRESS|0', "$what: nothing of it is believed");
	$sandbox->clear_faults;
	return;
}

my $items = qr/\(ignisign\.max_response_items\)$/;

refused_context('documents', { documents => [ map { {} } 1 .. 99_000 ] }, qr/it has more than 1000 documents $items/);
refused_context('signers by signedBy', { signers => [ map { { signerId => "s$_" } } 1 .. 25_000 ], signedBy => [ map { "s$_" } 1 .. 49_000 ] },
	qr/it has more than 1000 signers $items/);
refused_context('signedBy', { signedBy => [ map { "s$_" } 1 .. 1001 ] }, qr/it has more than 1000 signedBy $items/);
refused_context('a title', { title => 'x' x 20_000 }, qr/it has a text of more than 16 kB \(ignisign\.max_response_text\)/);
refused_context('a signer', { signers => [ { signerId => 'x' x 20_000, email => 'ann@example.com' } ] }, qr/max_response_text/);
refused_context('values', { x => [ (0) x 99_999 ] }, qr/it has more than 100000 values \(ignisign\.max_json_values\)/);

# A refresh by a person tries again, and takes what is within the bounds.
sql("SELECT ignisign_refresh('$id')");
ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$id')"), 'a refresh tries again');

# As many as the bound allows are taken, all of another's making, and in linear time.
$sandbox->fault({ spec => 'context share=1', answer => { _id => id_of(77), status => 'IN_PROGRESS', title => 'Large',
	signers => [ map { { signerId => id_of($_), email => "s$_\@example.com" } } 1 .. 1000 ], signedBy => [ map { id_of($_) } 501 .. 1500 ],
	documents => [ map { { _id => id_of($_), fileName => 'same.pdf' } } 1 .. 1000 ] } });
my $import = sql("SELECT ignisign_import('" . id_of(77) . "')");
ok(wait_for($node, "SELECT title = 'Large' FROM ignisign.request WHERE id = '$import'"), 'a large one is imported');
is(sql("SELECT count(*), count(signed_at), min(n) FILTER (WHERE signed_at IS NOT NULL) FROM ignisign.signer WHERE request = '$import'"), '1000|500|501', 'with its signers');
is(sql("SELECT count(*) FROM ignisign.document WHERE request = '$import' AND document_id = lpad(to_hex(n), 24, '0')"), '1000', 'and documents');
$sandbox->clear_faults;

# Lists of calls that belong to no request.
sub refused_call
{
	my ($what, $ask, $operation, $answer, $error) = @_;
	my $call;

	$sandbox->fault({ spec => "$operation share=1", answer => $answer });
	$call = sql("SELECT $ask");
	ok(wait_for($node, "SELECT state = 'dead' FROM ignisign.call WHERE id = $call"), "$what: the call is dead");
	like(sql("SELECT last_error FROM ignisign.call WHERE id = $call"), $error, "$what: with bound and setting");
	sql("SELECT ignisign_discard($call)");
	$sandbox->clear_faults;
	return;
}

my %page = (total => 1_000_000_000_000_000, page => 1, nbEventsPerPage => 20);
my $hook = sql("SELECT ignisign_create_webhook('http://127.0.0.1:1/')");
$hook = sql("SELECT ignisign_result($hook, '30 s') -> 0 ->> '_id'");
refused_call('a page of requests', 'ignisign_import_all()', 'list',
	{ signatureRequests => [ map { { _id => id_of($_) } } 1 .. 1001 ], paginationData => \%page }, qr/more than 1000 signatureRequests $items/);
refused_call('a page of events', "ignisign_read_webhook_log('$hook')", 'webhook-events',
	{ events => [ map { { _id => id_of($_) } } 1 .. 1001 ], searchData => \%page }, qr/more than 1000 events $items/);
refused_call('inputs of a profile', "ignisign_inputs_needed('$remote')", 'inputs-needed',
	{ inputsNeeded => [ ('phoneNumber') x 1001 ] }, qr/more than 1000 inputsNeeded $items/);
sql("ALTER SERVER ignisign OPTIONS (ADD max_attempts '2')");
refused_call('another profile', "ignisign_inputs_needed('$remote')", 'inputs-needed',
	{ signerProfileId => id_of(5), inputsNeeded => [] }, qr/another signer profile/);
sql('ALTER SERVER ignisign OPTIONS (DROP max_attempts)');

# A list that has no end.
my $lists = $sandbox->journal('list');
my $from = -s $node->logfile;
$sandbox->fault({ spec => 'list share=1', answer => { signatureRequests => [ { _id => id_of(1) } ], paginationData => \%page } });
$sandbox->fault({ spec => 'context share=1', answer => { _id => id_of(1), status => 'IN_PROGRESS' } });
sql('SELECT ignisign_import_all()');
ok(wait_for(sub { substr(slurp_file($node->logfile), $from) =~ /no page after page 3 is read by the call \d+, import.*\n.*max_response_pages/ }, { what => 'bound of pages' }),
	'a list without an end is read up to the bound of pages');
is($sandbox->journal('list') - $lists, 3, 'and no further');
$sandbox->clear_faults;

# Statuses: too many are refused as a whole, and what was not asked for is passed over.
$sandbox->fault({ spec => 'status count=1', answer => { signatureRequests => [ map { { signatureRequestId => $remote, status => 'EXPIRED' } } 1 .. 1001 ] } });
$sandbox->fault({ spec => 'status share=1', answer => { signatureRequests => [ map { { signatureRequestId => id_of($_), status => 'EXPIRED' } } 1000 .. 1999 ] } });
$node->append_conf('postgresql.conf', "ignisign.refresh_interval = '100ms'");
$node->reload;
ok(wait_for(sub { $sandbox->journal('status') >= 3 }), 'statuses are asked for again');
$node->append_conf('postgresql.conf', "ignisign.refresh_interval = '1h'");
$node->reload;
is(sql("SELECT status FROM ignisign_status('$id')"), 'IN_PROGRESS', 'none of them is taken');
$sandbox->clear_faults;

# A creation whose response exceeds a bound was sent: it is looked for, and made once.
$sandbox->fault({ spec => 'one-call-sign count=1', answer => { signatureRequestId => id_of(9), signersEmbedded => [ map { { signerId => "s$_", token => 't' } } 1 .. 1001 ] } });
my $created = sql(sign_sql('Created', 'ann@example.com'));
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.attempt WHERE request = '$created' AND outcome = 'reconcile' AND error LIKE '%more than 1000 signersEmbedded (ignisign.max_response_items)'"),
	'a creation with too large a response is looked for');
ok(wait_for($node, "SELECT state = 'open' FROM ignisign_status('$created')"), 'and found');
is(scalar(grep { $_->{title} eq 'Created' } $sandbox->requests), 1, 'it was made once');

# Errors: what is kept of them is short.
$sandbox->fault({ spec => 'context count=1 status=400', answer => { code => 'C' x 30_000, message => [ ('é' x 20_000) ] } });
sql("SELECT ignisign_refresh('$id')");
ok(wait_for($node, "SELECT state = 'dead' FROM ignisign.call WHERE request = '$id'"), 'a refusal with long words');
cmp_ok(sql("SELECT greatest(octet_length(last_error), octet_length(code)) FROM ignisign.call WHERE request = '$id' AND operation = 'context'"), '<=', 1000, 'is kept in short');
$sandbox->clear_faults;

# Memory, with responses that are just within the bounds, or beyond; as results, too.
for my $case (
	[ 'context', { title => 'x' x 8_000_000 } ],
	[ 'context', { title => 'é' x 4_000_000 } ],
	[ 'context', { x => [ map { 'x' x 60 } 1 .. 99_000 ] } ],
	[ 'context', { map { ("member $_" => 'x' x 60) } 1 .. 99_000 } ])
{
	$sandbox->fault({ spec => 'context count=1', answer => { %{ $case->[1] }, _id => $remote, status => 'IN_PROGRESS' } });
	sql("SELECT ignisign_refresh('$id')");
	ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$id' AND state <> 'dead')"), 'a large context is over');
	note("at most @{[ peak() ]} kB so far");
}
for my $answer ({ a => 'x' x 8_000_000 }, { a => "\x{1f600}" x 900_000 }, [ map { "x$_" x 8 } 1 .. 99_000 ], { map { ("member $_" => "\x{e9}" x 10) } 1 .. 99_000 })
{
	$sandbox->fault({ spec => 'application count=1', answer => $answer });
	my $call = sql('SELECT ignisign_application()');
	ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE id = $call AND state <> 'dead')"), 'a large result is over');
	note("at most @{[ peak() ]} kB so far");
}
$sandbox->fault({ spec => 'webhook-events count=1', answer => { searchData => \%page, events => [ map { { _id => id_of($_), content => { a => 'x' x 7000 } } } 1 .. 1000 ] } });
my $log = sql("SELECT ignisign_read_webhook_log('$hook')");
ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE id = $log AND state <> 'dead')"), 'a large page of a log is over');
is(sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $worker"), '1', 'by the same worker');
cmp_ok(peak(), '<', $most, 'whose memory stayed small');
note('at most ' . peak() . ' kB');

$node->stop;
done_testing();
