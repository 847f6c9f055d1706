# The API's list and contexts lack a field, or have another spelling: a request in doubt
# that may be there is not sent again.

use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/../lib";

use Encode qw(encode);
use IgnisignTest;
use Test::More;
use Unicode::Normalize qw(NFD);

my $sandbox = start_sandbox();
my $node = new_node('closed', $sandbox, 'ignisign.reconcile_delay' => '1h', 'ignisign.refresh_interval' => 0, 'ignisign.retry_delay' => '10ms');

sub query { return $node->safe_psql('postgres', encode('UTF-8', $_[0])) }

sub remote
{
	my ($title) = @_;

	return scalar grep { $_->{title} eq $title } $sandbox->requests;
}

# Lose the response to a request.
sub lose
{
	my ($title, $change) = @_;
	my $sql = sign_sql('contract', 'ann@example.com') =~ s/'contract'/'$title'/r;

	$change->($sql) if $change;
	$sandbox->fault('one-call-sign count=1 close=after');
	my $id = query($sql =~ s/^/SET client_encoding = 'UTF8'; /r);
	ok(wait_for($node, "SELECT state = 'unknown' FROM ignisign.call WHERE request = '$id'"), "$title: it is in doubt");
	return $id;
}

# Have it looked for once; returns what is said of it then, '' if it was found.
sub look
{
	my ($id) = @_;

	query("UPDATE ignisign.call SET run_at = now(), last_error = NULL WHERE state = 'unknown' AND request = '$id'");
	$node->reload;
	ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$id' AND operation = 'one-call-sign' AND last_error IS NULL)",
			'postgres', { timeout => 60 }), 'looked for');
	return query("SELECT coalesce((SELECT last_error FROM ignisign.call WHERE request = '$id' AND operation = 'one-call-sign'), '')");
}

sub found
{
	my ($id, $title) = @_;

	is(look($id), '', "$title: found");
	is(query("SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'"), 't', "$title: it is sent");
	return is(remote($title), 1, "$title: there once");
}

# What is missing or other, where, and why a person decides.
my @doubtful = (
	[ 'no title',     qr/because it has no title/,    'list context',  '"title":"none"' ],
	[ 'no signers',   qr/because it has no signers/,  'context',       '"signers":"none"' ],
	[ 'no address',   qr/because it has no signers/,  'context',       '"email":"none"' ],
	[ 'no documents', qr/because it has no documents/, 'context',      '"documents":"none"' ],
	[ 'no hash',      qr/because it has no documents/, 'context',      '"documentHash":"none"' ],
	[ 'no date',      qr/because it has no time/,     'list context',  '"_createdAt":"none"' ],
	[ 'no id',        qr/an entry of the list has no id/, 'list',      '"_id":"none"' ],
	[ 'Alpha',        qr/because it has another title/, 'list context', 'Alpha:Omega' ],
	[ 'Bravo',        qr/because it has another title/, 'list context', 'Bravo:BRAVO' ],
	[ 'draft',        qr/because it is a draft/,      'list context',  'IN_PROGRESS:DRAFT' ],
	[ 'other id',     qr/because it has no signers/, 'context',    'none:none' ],
	[ 'short list',   qr/the list ends before its total/, 'list',      '"total":"total":99999,"x"' ]);

for my $case (@doubtful)
{
	my ($title, $reason, $where, $words) = @$case;
	my $id = lose($title);

	$sandbox->fault("$_ share=1 replace=$words") for split / /, $where;
	if ($title eq 'other id')
	{
		$sandbox->clear_faults;
		my ($remote) = map { $_->{id} } grep { $_->{title} eq $title } $sandbox->requests;
		$sandbox->fault("context share=1 replace=$remote:67a1c0de0000000000000001");
	}
	if ($title eq 'short list')
	{
		# Of what is there nothing is of this title.
		$sandbox->clear_faults;
		$sandbox->fault('list count=1 replace="_id":"none"');
		$sandbox->fault("list share=1 replace=$words");
		query("UPDATE ignisign.call SET last_error = NULL WHERE request = '$id'");
		$sandbox->clear_faults;
		$sandbox->control('POST', 'faults', { spec => 'list share=1', answer => { signatureRequests => [], paginationData => { total => 7 } } });
	}
	for my $time (1 .. 3)
	{
		like(look($id), $reason, "$title: a person decides, look $time");
		is(query("SELECT state, looks, run_at > now() + interval '25 min' FROM ignisign.call WHERE request = '$id' AND operation = 'one-call-sign'"),
			'unknown|0|t', "$title: it waits");
	}
	is(remote($title), 1, "$title: it was not sent again");
	$sandbox->clear_faults;
	found($id, $title);
}

# The entry that is meant is named.
my $id = lose('named');
$sandbox->fault("$_ share=1 replace=named:other") for qw(list context);
my ($remote) = map { $_->{id} } grep { $_->{title} eq 'named' } $sandbox->requests;
like(look($id), qr/whether signature request $remote at Ignisign is this one/, 'the reason has the id');
$sandbox->clear_faults;
query("SELECT ignisign_resolve('$id', '$remote')");
is(query("SELECT signature_request_id FROM ignisign.request WHERE id = '$id'"), $remote, 'a person decides by it');

# Where one of both has the title, it is known.
$id = lose('list only');
$sandbox->fault('context share=1 replace="title":"none"');
found($id, 'list only');
$sandbox->clear_faults;
$id = lose('context only');
$sandbox->fault('list share=1 replace="title":"none"');
found($id, 'context only');
$sandbox->clear_faults;

# Spellings that are one in Unicode.
$id = lose('Zürich');
$sandbox->control('POST', 'faults', { spec => "$_ share=1 replace=Zürich:" . NFD('Zürich') }) for qw(list context);
is(look($id), '', 'decomposed: found');
$sandbox->clear_faults;
is(query("SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'"), 't', 'decomposed: it is sent');

# Another request with the same document and signer, but another title, that a row knows, or
# that another call in doubt is, is no reason to wait.
my @both = map { lose("pair $_") } 1, 2;
query("UPDATE ignisign.call SET run_at = now() WHERE state = 'unknown'");
$node->reload;
ok(wait_for($node, "SELECT count(*) = 2 FROM ignisign.request WHERE title LIKE 'pair _' AND sent_at IS NOT NULL"), 'two that differ by their titles are found');
is(remote("pair $_"), 1, "pair $_: there once") for 1, 2;

# Documents without hashes: signers and title decide.
sub lose_url
{
	my ($title) = @_;

	$sandbox->fault('one-call-sign count=1 close=after');
	my $id = query("SELECT ignisign_sign(title => '$title', documents => ARRAY[ignisign_document(url => '@{[$sandbox->url]}/page/style.css', file_name => 'a.pdf')],"
		  . " signers => ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')])");
	ok(wait_for($node, "SELECT state = 'unknown' FROM ignisign.call WHERE request = '$id'"), "$title: it is in doubt");
	return $id;
}

$id = lose_url('linked');
found($id, 'linked');
$id = lose_url('untitled');
$sandbox->fault("$_ share=1 replace=\"title\":\"none\"") for qw(list context);
like(look($id), qr/because it has no title/, 'linked, without a title: a person decides');
$sandbox->clear_faults;
$sandbox->fault("$_ share=1 replace=untitled:UNTITLED") for qw(list context);
like(look($id), qr/because it has another title/, 'linked, in capitals: a person decides');
$sandbox->clear_faults;
$sandbox->fault('context share=1 replace="fileName":"none"');
like(look($id), qr/because it has no documents/, 'linked, without a file name: a person decides');
$sandbox->clear_faults;
found($id, 'untitled');

# A response that lacks what the API always sends, or cannot be used, is read again.
my %garbled = (
	'once untitled'  => 'replace="title":"none"',
	'once unsigned'  => 'replace="signers":"none"',
	'once anonymous' => 'replace="email":"none"',
	'once blank'     => 'replace="documents":"none"',
	'once empty'     => 'empty',
	'once garbage'   => 'garbage',
	'once cut'       => 'close=mid',
	'once refused'   => 'status=404',
	'once of other'  => 'replace="_id":"none","_id":"67a1c0de0000000000000001","x"');

for my $title (sort keys %garbled)
{
	$id = lose($title);
	$sandbox->fault('list share=1 replace="title":"none"');
	$sandbox->fault("context count=4 $garbled{$title}");
	found($id, $title);
	$sandbox->clear_faults;
}

# So is a draft that lost its response, and that has nothing to be told by.
$id = lose('beside a draft');
query('SELECT ignisign_create_draft()');
ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE operation = 'create-request')"), 'a draft is there');
$sandbox->fault('context count=8 garbage');
found($id, 'beside a draft');
$sandbox->clear_faults;

# What was incomplete is read again at the next look, which comes by itself.
query("ALTER SYSTEM SET ignisign.reconcile_delay = '1s'");
$node->reload;
ok(wait_for($node, "SELECT current_setting('ignisign.reconcile_delay') = '1s'"), 'the next look is soon');
$sandbox->fault('context share=1 replace="signers":"none"');
$id = lose('heals');
my $other = lose('heals, too');
my $unsettled = "FROM ignisign.call WHERE request IN ('$id', '$other') AND state = 'unknown'";
ok(wait_for($node, "SELECT count(*) = 2 $unsettled AND last_error LIKE '%because it has no signers%' AND waits > 1"), 'both are in doubt');
$sandbox->clear_faults;
ok(wait_for($node, "SELECT NOT EXISTS (SELECT $unsettled)", 'postgres', { timeout => 60 }), 'nobody decides, and they are found');
is(remote($_), 1, "$_: there once") for 'heals', 'heals, too';

# One that was made long before is not taken for one in doubt, even if an older call is.
is((scalar grep { remote($_->{title}) > 1 } $sandbox->requests), 0, 'nothing is there twice');

$node->stop;
done_testing();
