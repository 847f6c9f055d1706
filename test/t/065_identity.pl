# An id at Ignisign belongs to one request of the database, by whatever role, server or
# name that request was sent.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox();
my $other = start_sandbox();
my $node = new_node('identity', $sandbox, 'ignisign.reconcile_delay' => '1h');
my $key = $sandbox->key;
my $port = $sandbox->url =~ s/.*://r;

sub query { return $node->safe_psql('postgres', $_[0]) }

sub sign
{
	my ($server, $title) = @_;

	return query(sign_sql($title, 'ann@example.com') =~ s/ignisign_sign\(/ignisign_sign(server => '$server', /r);
}

sub sent
{
	my ($id, $what) = @_;

	ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'", 'postgres', { timeout => 60 }), $what);
	return query("SELECT signature_request_id FROM ignisign.request WHERE id = '$id'");
}

sub in_doubt
{
	my ($id) = @_;

	return ok(wait_for($node, "SELECT state = 'unknown' FROM ignisign.call WHERE request = '$id'"), 'it is in doubt');
}

# Have a call in doubt looked for until something of it has changed.
sub look
{
	my ($id, $until) = @_;

	query("UPDATE ignisign.call SET run_at = now(), looks = 0, last_error = NULL WHERE state = 'unknown' AND request = '$id'");
	$node->reload;
	ok(wait_for($node, $until), 'looked for');
	return;
}

# A call that is not at Ignisign is looked for twice, and sent again.
sub sent_again
{
	my ($id, $what) = @_;

	look($id, "SELECT looks = 1 OR (SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id') FROM (SELECT) x LEFT JOIN ignisign.call ON request = '$id' AND operation = 'one-call-sign'");
	query("UPDATE ignisign.call SET run_at = now() WHERE state = 'unknown' AND request = '$id'");
	$node->reload;
	return sent($id, $what);
}

sub remote
{
	my ($title) = @_;

	return scalar grep { $_->{title} eq $title } $sandbox->requests;
}

sub fails
{
	my ($sql, $error, $what) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', $sql, stdout => \$out, stderr => \$err);
	return like($err, $error, $what);
}

# ---- One account by two names ----

my %url = (
	slash => "http://127.0.0.1:$port/",
	host  => "http://LOCALHOST:$port",
	dots  => "http://127.0.0.1:$port/x/..//");

for my $server (sort keys %url)
{
	query(<<~SQL);
		CREATE SERVER $server FOREIGN DATA WRAPPER ignisign OPTIONS (base_url '$url{$server}');
		GRANT USAGE ON FOREIGN SERVER $server TO PUBLIC;
		CREATE USER MAPPING FOR public SERVER $server OPTIONS (api_key '$key')
		SQL
	$sandbox->fault('one-call-sign count=1 close=before');
	my $one = sign('ignisign', "by $server");
	in_doubt($one);
	my $two = sign($server, "by $server");
	my $second = sent($two, "$server: the same contract is sent by the other server");
	my $first = sent_again($one, "$server: the first is sent");
	isnt($first, $second, "$server: each has an id of its own");
	is(remote("by $server"), 2, "$server: both are at Ignisign");
}

# An account whose server has another name now.
my $before = sent(sign('slash', 'renamed'), 'a request is sent');
query('ALTER SERVER slash RENAME TO renamed');
$sandbox->fault('one-call-sign count=1 close=before');
my $id = sign('renamed', 'renamed');
in_doubt($id);
isnt(sent_again($id, 'the same contract is sent after ALTER SERVER RENAME'), $before, 'and has an id of its own');
is(remote('renamed'), 2, 'both are at Ignisign');

# What was carried out is found, though another server has an equal call.
$sandbox->fault('one-call-sign count=1 close=after');
my $one = sign('ignisign', 'both');
in_doubt($one);
$sandbox->fault('one-call-sign count=1 close=before');
my $two = sign('host', 'both');
in_doubt($two);
look($_, "SELECT count(*) = 1 FROM ignisign.request WHERE id IN ('$one', '$two') AND sent_at IS NOT NULL") for $one;
sent_again($two, 'the one that is not there is sent');
is(query("SELECT count(DISTINCT signature_request_id) FROM ignisign.request WHERE title = 'both'"), '2', 'two in doubt have one each');
is(remote('both'), 2, 'and no more are there');

# ---- An account that is certainly another ----

query(<<~SQL);
	CREATE SERVER elsewhere FOREIGN DATA WRAPPER ignisign OPTIONS (base_url '@{[$other->url]}');
	GRANT USAGE ON FOREIGN SERVER elsewhere TO PUBLIC;
	CREATE USER MAPPING FOR public SERVER elsewhere OPTIONS (api_key '@{[$other->key]}')
	SQL
$sandbox->fault('one-call-sign count=1 close=after');
$id = sign('ignisign', 'elsewhere');
in_doubt($id);
sent(sign('elsewhere', 'elsewhere'), 'the same contract is sent to another API');
look($id, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'");
is(remote('elsewhere'), 1, 'and the one in doubt is found where it is');

# ---- An id that another request has ----

my $taken = sent(sign('ignisign', 'taken'), 'a request is sent');
my $worker = query('SELECT DISTINCT worker_pid FROM ignisign_stats()');
$sandbox->control('POST', 'faults', { spec => 'one-call-sign count=1', answer => { signatureRequestId => $taken } });
$id = sign('ignisign', 'impostor');
in_doubt($id);
is(query("SELECT run_at = 'infinity', last_error FROM ignisign.call WHERE request = '$id'"),
	"t|sent, but signature request $taken belongs to another request already: decide with ignisign_resolve()",
	'an id that another request has is not taken, and a person decides');
query('SELECT ignisign_refresh(id) FROM ignisign.request WHERE signature_request_id IS NOT NULL LIMIT 1');
sent(sign('ignisign', 'meanwhile'), 'others go on');
is(query("SELECT state FROM ignisign.call WHERE request = '$id' AND operation = 'one-call-sign'"), 'unknown', 'it stays so');
is(query('SELECT DISTINCT worker_pid FROM ignisign_stats()'), $worker, 'and the worker runs');
fails("SELECT ignisign_resolve('$id', '$taken')", qr/23505|belongs to another request already/, 'nor can a person give it the id');
my ($real) = map { $_->{id} } grep { $_->{title} eq 'impostor' } $sandbox->requests;
query("SELECT ignisign_resolve('$id', upper('$real'))");
is(query("SELECT signature_request_id FROM ignisign.request WHERE id = '$id'"), $real, 'but its own, in any case');
is(remote('impostor'), 1, 'it was sent once');
fails("UPDATE ignisign.request SET signature_request_id = '$taken' WHERE id = '$id'", qr/duplicate key/, 'an index keeps the rule');

# ---- Imports ----

fails("SELECT ignisign_import('$taken', 'host')", qr/is here already/, 'no request is imported by a second server');
$sandbox->fault('one-call-sign count=1 close=after');
$id = sign('ignisign', 'imported');
in_doubt($id);
my ($imported) = map { $_->{id} } grep { $_->{title} eq 'imported' } $sandbox->requests;
query("SELECT ignisign_import('$imported', 'host')");
ok(wait_for($node, "SELECT count(*) = 2 FROM ignisign.request WHERE title = 'imported'"), 'a request in doubt is imported by another name');
look($id, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'");
is(query("SELECT count(*) FROM ignisign.request WHERE title = 'imported'"), '1', 'the imported row gives way');
$sandbox->fault('one-call-sign count=1 close=after');
$id = sign('ignisign', 'foreign');
in_doubt($id);
($imported) = map { $_->{id} } grep { $_->{title} eq 'foreign' } $sandbox->requests;
query("SELECT ignisign_import('$imported', 'elsewhere')");
look($id, "SELECT last_error IS NOT NULL FROM ignisign.call WHERE request = '$id'");
like(query("SELECT last_error FROM ignisign.call WHERE request = '$id'"), qr/$imported .*its id is that of a request of another account/,
	'a row of another account does not give way, and a person decides');
is(remote('foreign'), 1, 'it was not sent again');

# ---- A foreign key of a user's does not hold up the worker ----

query('CREATE TABLE contract (request uuid REFERENCES ignisign.request)');
$sandbox->fault('one-call-sign count=1 delay-after=1000');
$id = sign('ignisign', 'referenced');
my $session = $node->background_psql('postgres');
$session->query_safe("BEGIN; INSERT INTO contract VALUES ('$id')");
sent($id, 'a request is sent while a transaction that refers to it is open');
is(query("SELECT count(*) FROM pg_locks WHERE NOT granted"), '0', 'nobody waits');
$session->quit;

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal/, 'nothing has failed');
done_testing();
