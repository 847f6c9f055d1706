# Requests whose outcome is not known: whatever the API's list is like, and
# whatever happens meanwhile, each is there once in the end.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir('state');
my %options = (state => "$dir/state", page_size => 2, proof_delay => 0);

# Half of the requests that the list has were made long ago.
my $sandbox = start_sandbox(%options, clock => -3600 * 1000);
my $node = new_node('doubt', $sandbox);

# What a query answers in the end.
sub query { return $node->safe_psql('postgres', $_[0]) }

sub sign { return query(sign_sql(@_)) }

sub sent
{
	my ($id, $what) = @_;

	return ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'"), $what);
}

sub restart_sandbox
{
	my (%more) = @_;

	$sandbox->stop;
	$sandbox->{option} = { %options, %more };
	$sandbox->start;
	# A worker that has no connection: what is sent on one that was cut off is in
	# doubt, too, and libcurl may not look at one that was in use a second ago.
	$node->restart;
	return;
}

# Set something for the worker that takes effect at once.
sub set
{
	my ($name, $value) = @_;

	query("ALTER SYSTEM SET $name = '$value'");
	$node->reload;
	return ok(wait_for($node, "SELECT current_setting('$name') = '$value'"), "$name = $value");
}

# Have a call in doubt looked for now.
sub look
{
	query("UPDATE ignisign.call SET run_at = now() WHERE state = 'unknown'");
	$node->reload;
	return;
}

sub remote
{
	my ($title) = @_;

	return scalar grep { $_->{title} eq $title } $sandbox->requests;
}

# Lose the answer to a request; it must be found, and not be sent again.
sub found
{
	my ($title) = @_;

	$sandbox->fault('one-call-sign count=1 close=after');
	my $id = sign($title, 'ann@example.com');
	sent($id, "$title: settled");
	is(remote($title), 1, "$title: there once");
	is(query("SELECT source FROM ignisign.event WHERE request = '$id' AND kind = 'sent'"), 'reconcile', "$title: it was found");
	return $id;
}

sent(sign("old $_", 'ann@example.com'), "old $_") for 1 .. 20;

# Whatever the order of the list.
for my $order (qw(newest oldest mixed))
{
	restart_sandbox(list_order => $order, page_size => 6);
	found("$order $_") for 1 .. 3;
}

# The clock of the API is two hours behind.
restart_sandbox(clock => -7200 * 1000);
found('behind');
restart_sandbox(clock => 7200 * 1000);
found('ahead');

# A list of many pages is read to its end though every other read fails, which
# would hardly succeed without a failure.
restart_sandbox(list_order => 'mixed', page_size => 1);
$sandbox->fault('list share=0.5 seed=7 status=503');
$sandbox->fault('context share=0.5 seed=8 close=mid');
found('failing reads');

# Titles and file names come back tidied up, in UTF-8 whatever our encoding is.
restart_sandbox(tidy => undef);
$sandbox->fault('one-call-sign count=1 close=after');
my $tidied = query(sign_sql('  Lease  of a  flat ', 'ann@example.com') =~ s/a\.pdf/Lease (1) & more.pdf/r);
sent($tidied, 'tidied: settled');
is(remote('Lease of a flat'), 1, 'tidied: there once');
query("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
$node->safe_psql('latin', 'CREATE EXTENSION ignisign');
connect_node($node, $sandbox, 'latin');
$sandbox->fault('one-call-sign count=1 close=after');
$node->safe_psql('latin', sign_sql('latin', 'ann@example.com') =~ s/'latin'/U&'Z\\00FCrich'/r);
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request", 'latin'), 'latin: settled');
is(remote("Z\x{fc}rich"), 1, 'latin: there once');
restart_sandbox();

# Equal ones in doubt, of which some were carried out and others not.
$sandbox->fault('one-call-sign count=3 close=after');
$sandbox->fault('one-call-sign count=3 status=500');
query(join ';', map { sign_sql('twin', 'ann@example.com') } 1 .. 6);
ok(wait_for($node, "SELECT count(DISTINCT signature_request_id) = 6 FROM ignisign.request WHERE title = 'twin'"), 'twins: each has one');
is(remote('twin'), 6, 'twins: and no more are there');

# Two roles have one account: what one waits for is not taken by the other.
for my $role (qw(one other))
{
	query("CREATE ROLE $role; SELECT ignisign_grant('$role')");
}
$sandbox->fault('one-call-sign count=1 status=500');
$sandbox->fault('one-call-sign count=1 delay-after=3000');
my $one = query('SET ROLE one; ' . sign_sql('shared', 'ann@example.com'));
ok(wait_for($node, "SELECT state = 'unknown' FROM ignisign.call WHERE request = '$one'"), 'shared: one is in doubt');
my $other = query('SET ROLE other; ' . sign_sql('shared', 'ann@example.com'));
sent($other, 'shared: the other is sent');
is(query("SELECT source FROM ignisign.event WHERE request = '$other' AND kind = 'sent'"), 'api', 'shared: by its own answer');
sent($one, 'shared: and so is the one');
is(remote('shared'), 2, 'shared: both are there');

# A page of the list shows a request that is in doubt, and imports it.
my $hour = '1h';
set('ignisign.reconcile_delay', $hour);
$sandbox->fault('one-call-sign count=1 close=after');
my $id = sign('imported', 'ann@example.com');
ok(wait_for($node, "SELECT state = 'unknown' FROM ignisign.call WHERE request = '$id'"), 'imported: in doubt');
query('SELECT ignisign_import_all()');
ok(wait_for($node, "SELECT count(*) = 2 FROM ignisign.request WHERE title = 'imported'"), 'imported: taken for one of somebody else');
look();
sent($id, 'imported: it is ours');
is(query("SELECT count(*) FROM ignisign.request WHERE title = 'imported'"), '1', 'imported: the other row has given way');
is(remote('imported'), 1, 'imported: it was not sent again');

# The same while its answer is on the way.
$sandbox->fault('one-call-sign count=1 delay-after=2000');
$id = sign('on the way', 'ann@example.com');
ok(wait_for(sub { remote('on the way') == 1 }), 'on the way: carried out');
query('SELECT ignisign_import_all()');
ok(wait_for($node, "SELECT count(*) = 2 FROM ignisign.request WHERE title = 'on the way'"), 'on the way: imported');
sent($id, 'on the way: sent');
is(query("SELECT count(*) FROM ignisign.request WHERE title = 'on the way'"), '1', 'on the way: the other row has given way');

# A person decides while the worker looks: what was sent since is not missed by
# a list that is older.  An import asks for the same list.
ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE operation = 'import')"), 'decided: the imports are over');
$sandbox->fault('one-call-sign count=1 status=500');
$id = sign('decided', 'ann@example.com');
ok(wait_for($node, "SELECT state = 'unknown' FROM ignisign.call WHERE request = '$id'"), 'decided: in doubt');
my $list = sub { return scalar grep { $_->{path} =~ /page=1$/ } $sandbox->journal('list') };
my $lists = $list->();
$sandbox->fault('list count=1 delay-after=2000');
look();
ok(wait_for(sub { $list->() > $lists }), 'decided: the list is on the way');
$sandbox->fault('one-call-sign count=1 close=after');
query("SELECT ignisign_resolve('$id', NULL)");
ok(wait_for(sub { remote('decided') == 1 }), 'decided: sent again, by hand');
ok(wait_for($node, "SELECT count(*) > 0 FROM ignisign.attempt WHERE operation = 'list' AND duration > '2 s'"), 'decided: the list has come');
ok(wait_for(sub { query("SELECT count(*) FROM ignisign.attempt WHERE operation = 'list' AND started_at > now() - interval '1 minute'") > 5 }),
	'decided: all of it');
is(query("SELECT state, looks FROM ignisign.call WHERE request = '$id'"), 'unknown|0', 'decided: it does not count for what was sent since');
look();
sent($id, 'decided: found');
is(remote('decided'), 1, 'decided: there once');

# To adopt what is ours changes nothing.
$sandbox->fault('one-call-sign count=1 delay-after=2000');
$id = sign('adopted', 'ann@example.com');
ok(wait_for($node, "SELECT state = 'sending' FROM ignisign.call WHERE request = '$id'"), 'adopted: under way');
query('SELECT ignisign_adopt()');
is(query("SELECT state FROM ignisign.call WHERE request = '$id'"), 'sending', 'adopted: and still so');
sent($id, 'adopted: sent');
is(query("SELECT source FROM ignisign.event WHERE request = '$id' AND kind = 'sent'"), 'api', 'adopted: by its own answer');

# A request that is listed but not told of is no reason to send it again.  The
# context that is not had is to be that of the look.
ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE operation = 'context')"), 'hidden: no other context is due');
$sandbox->fault('one-call-sign count=1 close=after');
$id = sign('hidden', 'ann@example.com');
ok(wait_for($node, "SELECT state = 'unknown' FROM ignisign.call WHERE request = '$id'"), 'hidden: in doubt');
$sandbox->fault('context count=5 status=404');
look();
ok(wait_for($node, "SELECT last_error LIKE '%cannot be told%' FROM ignisign.call WHERE request = '$id'"), 'hidden: a person decides');
look();
sent($id, 'hidden: or the next look');
is(remote('hidden'), 1, 'hidden: there once');

# A publication whose answer was lost may have taken place: not yet the time to
# cancel, as if nobody had been asked.
$sandbox->fault('publish count=1 close=after');
$sandbox->fault('publish count=1 status=503 retry-after=2');
$id = query(sign_sql('published', 'ann@example.com') =~ s/signers =>/language => 'EN', signers =>/r);
ok(wait_for($node, "SELECT http_status = 503 FROM ignisign.call WHERE request = '$id'"), 'published: nobody knows yet');
my ($out, $err) = ('', '');
$node->psql('postgres', "SELECT ignisign_cancel('$id')", stdout => \$out, stderr => \$err);
like($err, qr/is being sent/, 'published: it cannot be cancelled now');
sent($id, 'published: it was');
query("SELECT ignisign_cancel('$id')");
ok(wait_for($node, "SELECT status = 'CANCELLED' FROM ignisign.request WHERE id = '$id'"), 'published: cancelled then');

# That it was published before is said by a refusal, which is cut off before it
# says so.
$sandbox->fault('publish count=1 close=after');
$sandbox->fault('publish count=1 close=mid');
$id = query(sign_sql('cut off', 'ann@example.com') =~ s/signers =>/language => 'EN', signers =>/r);
sent($id, 'cut off: published all the same');
is(query("SELECT count(*) FROM ignisign.attempt WHERE request = '$id' AND operation = 'publish' AND outcome = 'retry' AND http_status = 400"),
	'1', 'cut off: after a refusal that could not be read');

# To close what is closed is done: the first answer may have been lost.
$id = sign('closed', 'ann@example.com', 'bob@example.com');
sent($id, 'closed: sent');
$sandbox->sign(query("SELECT signature_request_id FROM ignisign.request WHERE id = '$id'"), 'ann@example.com');
$sandbox->fault('close count=1 close=after');
query("SELECT ignisign_cancel('$id')");
ok(wait_for($node, "SELECT status = 'COMPLETED' FROM ignisign.request WHERE id = '$id'"), 'closed: it is, after one has signed');
ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$id')"), 'closed: nothing is left to do');

# A context that is read while its request is completed may be older than that.
restart_sandbox();
set('ignisign.refresh_interval', '100ms');
$id = sign('older', 'ann@example.com');
sent($id, 'older: sent');
ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$id')"), 'older: its context was read');
$sandbox->fault('context count=1 delay-after=3000');
query("SELECT ignisign_refresh('$id')");
my $read = query("SELECT signature_request_id FROM ignisign.request WHERE id = '$id'");
ok(wait_for(sub { (grep { $_->{path} =~ /$read/ && $_->{fault} } $sandbox->journal('context')) == 1 }), 'older: it is read again');
$sandbox->sign($read);
ok(wait_for($node, "SELECT status = 'COMPLETED' FROM ignisign.request WHERE id = '$id'"), 'older: completed meanwhile');
is(query("SELECT state, again FROM ignisign.call WHERE request = '$id'"), 'sending|t', 'older: to be read once more');
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.proof WHERE request = '$id'"), 'older: the proof is here');

unlike(slurp_file($node->logfile), qr/could not be applied/, 'every answer could be applied');
is((scalar grep { /^(?!twin|shared)/ && remote($_) > 1 } map { $_->{title} } $sandbox->requests), 0, 'nothing is there twice');

$node->stop;
done_testing();
