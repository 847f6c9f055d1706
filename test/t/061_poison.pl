# One bad row harms only itself: the worker goes on with the calls of all roles, and the
# call of the bad row says what is wrong.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('poison', $sandbox);
my ($worker, $n) = (undef, 0);

sub value { return $node->safe_psql('postgres', $_[0]) }

sub sign { return value("SET ROLE $_[0]; " . sign_sql($_[1], 'x@example.com')) }

sub remote
{
	my ($title) = @_;

	return scalar grep { $_->{title} eq $title } $sandbox->requests;
}

sub enabled
{
	my ($to) = @_;

	value("ALTER SYSTEM SET ignisign.enabled = $to");
	$node->reload;
	return ok(wait_for($node, "SELECT current_setting('ignisign.enabled') = '$to'"), "ignisign.enabled = $to");
}

# Other roles, and the role itself, are served by the same worker.
sub goes_on
{
	my ($what) = @_;

	$n++;
	my @ids = map { sign($_, "$_ $n") } qw(ann bob);
	ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$_'"), "$what: others go on") for @ids;
	return is(value('SELECT worker_pid FROM ignisign_stats()'), $worker, "$what: by the same worker");
}

# The call is in this state, and says why; so do the functions that show it.
sub shows
{
	my ($id, $operation, $state, $like, $what) = @_;

	ok(wait_for($node, "SELECT state = '$state' FROM ignisign.call WHERE request = '$id' AND operation = '$operation'"), "$what: $state")
	  or diag(value("SELECT * FROM ignisign.call"));
	like(value("SELECT last_error FROM ignisign.call WHERE request = '$id' AND operation = '$operation'"), $like, "$what: its call says why");
	like(value("SELECT last_error FROM ignisign_status('$id')"), $like, "$what: ignisign_status(), too");
	return;
}

sub stats_show
{
	my ($like, $what) = @_;

	return ok(wait_for($node, "SELECT count(*) > 0 FROM ignisign_stats() WHERE last_error ~ '$like'"), "$what: and ignisign_stats()");
}

# Whatever a call says is in the log, with the call and the request.
sub logged
{
	my ($id, $what) = @_;

	return ok(wait_for(sub { slurp_file($node->logfile) =~ /WARNING: .* ignisign: .*call \d+ .*of request $id/ || slurp_file($node->logfile) =~ /WARNING:.*call \d+.*request $id/ }),
		"$what: the log names call and request");
}

value("CREATE ROLE $_; SELECT ignisign_grant('$_')") for qw(ann bob);
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '" . sign('ann', 'First') . "'"), 'a request is sent');
$worker = value('SELECT worker_pid FROM ignisign_stats()');

# ---- Rows that cannot be sent ----

enabled('off');
my $small = sign('ann', 'Small');
my $large = value('SET ROLE ann; ' . sign_sql('Large', 'x@example.com') =~ s/document => '\\x[0-9a-f]*'/document => convert_to('%PDF-', 'UTF8') || decode(repeat('ab', 100000), 'hex')/r);
my $future = sign('ann', 'Future');
my $checked = sign('ann', 'Checked');
my $stubborn = sign('ann', 'Stubborn');
value("UPDATE ignisign.document SET content = '\\x00' WHERE request IN ('$small', '$large')");
value("UPDATE ignisign.call SET operation = 'from-the-future' WHERE request = '$future'");
value("ALTER TABLE ignisign.call ADD CONSTRAINT refused CHECK (request <> '$checked' OR state <> 'sending') NOT VALID");
value("ALTER TABLE ignisign.call ADD CONSTRAINT stubborn CHECK (request <> '$stubborn' OR state = 'deleted') NOT VALID");
my @others = map { sign($_, "With $_") } qw(ann bob);
enabled('on');
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$_'"), 'others that are due at the same time are sent') for @others;
shows($small, 'one-call-sign', 'dead', qr/does not have the size/, 'a document that was changed');
logged($small, 'a document that was changed');
shows($large, 'one-call-sign', 'dead', qr/does not have the size/, 'a large one');
shows($future, 'from-the-future', 'dead', qr/unrecognized operation "from-the-future"/, 'an unknown operation');
logged($future, 'an unknown operation');
shows($checked, 'one-call-sign', 'dead', qr/violates check constraint "refused"/, 'a constraint');
logged($checked, 'a constraint');
logged($stubborn, 'a row that cannot be changed');
is(value("SELECT state FROM ignisign.call WHERE request = '$stubborn'"), 'pending', 'a row that cannot be changed stays');
goes_on('rows that cannot be sent');
is(value("SELECT string_agg(DISTINCT r.title, ' ' ORDER BY r.title) FROM ignisign.event e JOIN ignisign.request r ON r.id = e.request WHERE e.kind = 'dead'"),
	'Checked Future Large Small', 'there is an event for each');
value('ALTER TABLE ignisign.call DROP CONSTRAINT refused, DROP CONSTRAINT stubborn');
value("SELECT ignisign_retry(id) FROM ignisign.call WHERE request = '$checked'");
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$_'"), 'without the constraints they are sent') for $checked, $stubborn;
is(remote($_), 1, "$_: there once") for 'Checked', 'Stubborn';
is(remote($_), 0, "$_: not there") for 'Small', 'Large', 'Future';

# ---- A document that changes while it is being sent ----

kill 'STOP', $sandbox->pid;
my $half = value('SET ROLE ann; ' . sign_sql('Half', 'x@example.com') =~ s/document => '\\x[0-9a-f]*'/document => convert_to('%PDF-', 'UTF8') || decode(repeat('ab', 20000000), 'hex')/r);
ok(wait_for($node, "SELECT state = 'sending' FROM ignisign.call WHERE request = '$half'"), 'a large document is being sent');
value("UPDATE ignisign.document SET content = '\\x00' WHERE request = '$half'");
kill 'CONT', $sandbox->pid;
shows($half, 'one-call-sign', 'dead', qr/does not have the size/, 'it changes meanwhile');
stats_show('does not have the size', 'it changes meanwhile');
goes_on('a document that changes');
is(remote('Half'), 0, 'nothing of it was carried out');

# ---- Responses that a constraint refuses ----

value("ALTER TABLE ignisign.request ADD CONSTRAINT unsent CHECK (title <> 'Unsent' OR sent_at IS NULL) NOT VALID");
value("ALTER TABLE ignisign.request ADD CONSTRAINT unidentified CHECK (title <> 'Unidentified' OR signature_request_id IS NULL) NOT VALID");
my $unsent = sign('ann', 'Unsent');
my $unidentified = sign('ann', 'Unidentified');
shows($unsent, 'one-call-sign', 'unknown', qr/at Ignisign as signature request [0-9a-f]+, but .*"unsent"/, 'a response that cannot be applied');
logged($unsent, 'a response that cannot be applied');
stats_show('cannot be recorded here', 'a response that cannot be applied');
shows($unidentified, 'one-call-sign', 'unknown', qr/at Ignisign as signature request [0-9a-f]+, but .*"unidentified"/, 'an id that cannot be stored');
is(value("SELECT signature_request_id IS NOT NULL FROM ignisign.request WHERE id = '$unsent'"), 't', 'the id is stored where that is possible');
goes_on('responses that cannot be applied');

# To retry looks for them, and sends nothing, whatever the list says.
value("SELECT ignisign_retry(id) FROM ignisign.call WHERE request IN ('$unsent', '$unidentified')");
ok(wait_for($node, "SELECT count(*) = 2 FROM ignisign.call WHERE request IN ('$unsent', '$unidentified') AND state = 'unknown' AND waits > 0"),
	'a retry looks for them');
goes_on('a retry');
is(remote($_), 1, "$_: there once") for 'Unsent', 'Unidentified';
value('ALTER TABLE ignisign.request DROP CONSTRAINT unsent, DROP CONSTRAINT unidentified');
value("SELECT ignisign_retry_request(request) FROM ignisign.call WHERE request IN ('$unsent', '$unidentified')");
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$_'"), 'without the constraint it is settled') for $unsent, $unidentified;
is(remote($_), 1, "$_: there once") for 'Unsent', 'Unidentified';

# The log of attempts refuses one row.
value("ALTER TABLE ignisign.attempt ADD CONSTRAINT unlogged CHECK (owner <> 'ann' OR operation <> 'one-call-sign') NOT VALID");
my $unlogged = sign('ann', 'Unlogged');
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$unlogged'"), 'a request is sent though its attempt cannot be logged');
is(remote('Unlogged'), 1, 'Unlogged: there once');
goes_on('an attempt that cannot be logged');
value('ALTER TABLE ignisign.attempt DROP CONSTRAINT unlogged');

# ---- Statuses of a batch ----

value("ALTER TABLE ignisign.request ADD CONSTRAINT stuck CHECK (title <> 'Stuck' OR status IS DISTINCT FROM 'COMPLETED') NOT VALID");
my %batch = map { $_ => sign('ann', $_) } 'Stuck', 'Free 1', 'Free 2';
for my $title (sort keys %batch)
{
	ok(wait_for($node, "SELECT status = 'IN_PROGRESS' AND NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$batch{$title}') FROM ignisign.request WHERE id = '$batch{$title}'"),
		"$title: open");
}
# One response has the statuses of all three.
enabled('off');
value("UPDATE ignisign.request SET sent_at = (SELECT min(sent_at) FROM ignisign.request WHERE id IN ('" . join("', '", values %batch) . "')) WHERE id IN ('" . join("', '", values %batch) . "')");
$sandbox->sign(value("SELECT signature_request_id FROM ignisign.request WHERE id = '$_'")) for values %batch;
enabled('on');
ok(wait_for($node, "SELECT status = 'COMPLETED' FROM ignisign.request WHERE id = '$batch{$_}'"), "$_: its status is applied") for 'Free 1', 'Free 2';
shows($batch{Stuck}, 'context', 'dead', qr/"stuck"/, 'a status that is refused');
ok(wait_for(sub { slurp_file($node->logfile) =~ /the status COMPLETED of request $batch{Stuck} could not be applied/ }), 'the log names the request');
goes_on('a status that is refused');
value('ALTER TABLE ignisign.request DROP CONSTRAINT stuck');
ok(wait_for($node, "SELECT status = 'COMPLETED' FROM ignisign.request WHERE id = '$batch{Stuck}'"), 'without the constraint it is applied');
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.proof WHERE request = '$batch{Stuck}'"), 'and all that follows');

# ---- Lost requests that are looked for together ----

value("ALTER TABLE ignisign.request ADD CONSTRAINT lost CHECK (title <> 'Lost 1' OR signature_request_id IS NULL) NOT VALID");
$sandbox->fault('one-call-sign count=3 close=after');
my %lost = map { $_ => sign('ann', $_) } 'Lost 1', 'Lost 2', 'Lost 3';
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$lost{$_}'"), "$_: found") for 'Lost 2', 'Lost 3';
shows($lost{'Lost 1'}, 'one-call-sign', 'unknown', qr/at Ignisign as signature request .*"lost"/, 'one that cannot be settled');
goes_on('one that cannot be settled');
value('ALTER TABLE ignisign.request DROP CONSTRAINT lost');
value("SELECT ignisign_retry_request('$lost{'Lost 1'}')");
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$lost{'Lost 1'}'"), 'without the constraint it is settled');
is(remote($_), 1, "$_: there once") for sort keys %lost;

unlike(slurp_file($node->logfile), qr/calls were under way when the last worker ended/, 'no worker has ended');

# ---- What a predecessor left ----

value("ALTER TABLE ignisign.attempt ADD CONSTRAINT unlogged CHECK (outcome <> 'lost' OR owner <> 'ann') NOT VALID");
$sandbox->fault('one-call-sign count=2 delay-after=60000');
my @left = map { sign($_, "Left $_") } qw(ann bob);
ok(wait_for($node, "SELECT count(*) = 2 FROM ignisign.call WHERE state = 'sending'"), 'two calls are under way');
value("SELECT pg_terminate_backend($worker)");
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$_'"), 'the next worker settles it') for @left;
$worker = value('SELECT worker_pid FROM ignisign_stats()');
goes_on('the next worker');
is(remote("Left $_"), 1, "Left $_: there once") for qw(ann bob);

# ---- A damaged row ----

# The document is the only one whose content lies in the TOAST table.
enabled('off');
value("DELETE FROM ignisign.document WHERE request IN ('$large', '$half')");
value('VACUUM FULL ignisign.document');
my $damaged = value('SET ROLE ann; ' . sign_sql('Damaged', 'x@example.com') =~ s/document => '\\x[0-9a-f]*'/document => (SELECT convert_to('%PDF-', 'UTF8') || decode(string_agg(md5(i::text), ''), 'hex') FROM generate_series(1, 5000) i)/r);
my $file = value("SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE oid = 'ignisign.document'::regclass");
$node->stop;
my $path = $node->data_dir . "/$file";
my $size = -s $path;
ok($size > 0, 'its content has a file');
open my $fh, '+<', $path or die "$path: $!";
print $fh "\0" x $size;
close $fh;
$node->start;
my $sound = sign('ann', 'Sound');
enabled('on');
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$sound'"), 'a sound one is sent');
$worker = value('SELECT worker_pid FROM ignisign_stats()');
shows($damaged, 'one-call-sign', 'dead', qr/missing chunk number 0 for toast value/, 'a damaged document');
logged($damaged, 'a damaged document');
goes_on('a damaged document');

$node->stop;
done_testing();
