# A list of requests that has no end: what a search reads, and keeps, has bounds.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;

# A sanitizer takes memory of its own.
my $most = ($ENV{IGNISIGN_MODE} // '') eq 'sanitize' ? 1024 * 1024 : 64 * 1024;

my $sandbox = start_sandbox();
my $node = new_node('endless', $sandbox, 'ignisign.reconcile_delay' => '1h', 'ignisign.refresh_interval' => 0);

sub query { return $node->safe_psql('postgres', $_[0]) }

my $worker = query("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'ignisign worker%' AND datname = 'postgres'");

# The worker's own memory, in kB.
sub memory
{
	return slurp_file("/proc/$worker/status") =~ /^RssAnon:\s+(\d+) kB/m ? $1 : die 'no worker';
}

sub set
{
	my ($name, $value) = @_;

	query("ALTER SYSTEM SET $name = '$value'");
	$node->reload;
	return ok(wait_for($node, "SELECT current_setting('$name') = '$value'"), "$name = $value");
}

$sandbox->fault('one-call-sign count=1 close=after');
my $id = query(sign_sql('flood', 'ann@example.com'));
ok(wait_for($node, "SELECT state = 'unknown' FROM ignisign.call WHERE request = '$id'"), 'a request is in doubt');

# Have it looked for until a bound ends that; returns the most memory seen, and what is said of it.
sub look
{
	my $most_seen = 0;
	my $end = time + 120;
	my $error = '';

	query("UPDATE ignisign.call SET run_at = now(), last_error = NULL WHERE state = 'unknown'");
	$node->reload;
	while ($error eq '' && $most_seen < 8 * $most && time < $end)
	{
		my $now = memory();

		$most_seen = $now if $now > $most_seen;
		$error = query("SELECT coalesce(last_error, '') FROM ignisign.call WHERE request = '$id' AND operation = 'one-call-sign'");
	}
	return ($most_seen, $error);
}

sub bounded
{
	my ($setting, $what) = @_;
	my ($seen, $error) = look();

	cmp_ok($seen, '<', $most, "$what: the worker's memory");
	is($error, "sent, but no response came, and the list at Ignisign has more than $setting allows: decide with ignisign_resolve()",
		"$what: a person can decide");
	is(query("SELECT state, looks, run_at > now() + interval '50 min' FROM ignisign.call WHERE request = '$id' AND operation = 'one-call-sign'"),
		'unknown|0|t', "$what: it is looked for again in an hour");
	return like(slurp_file($node->logfile), qr/cannot be looked for: the list of requests has more than "\Q$setting\E" allows/, "$what: the log says so");
}

$sandbox->fault('list share=1 flood=1000');
bounded('ignisign.max_candidates', 'many candidates');
is(query("SELECT count(*) FROM ignisign.attempt WHERE operation = 'context'"), '0', 'none of them is read');
set('ignisign.max_response_pages', 7);
$sandbox->clear_faults;
$sandbox->fault('list share=1 flood=10');
bounded('ignisign.max_response_pages', 'many pages');

# A page that is longer than what is read of one is no end of the list.
$sandbox->clear_faults;
$sandbox->fault('list share=1 flood=1001');
my (undef, $long) = look();
like($long, qr/the list at Ignisign cannot be read: .*max_response_items.*decide with ignisign_resolve/, 'a page that is too long');
$sandbox->clear_faults;
$sandbox->fault('list share=1 flood=10');

# An import stops there, too.
query('SELECT ignisign_import_all()');
ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE operation = 'import' AND state <> 'dead')"), 'an import ends');
is(query("SELECT count(*) FROM ignisign.request WHERE delivery = 'imported'"), '70', 'after as many pages');
$sandbox->clear_faults;
query("DELETE FROM ignisign.request WHERE delivery = 'imported'; DELETE FROM ignisign.call WHERE operation = 'context'");

# Many that look alike: each is read, none is a reason to send.
set('ignisign.max_response_pages', 20000);
$sandbox->fault('list count=1 flood=300');
my (undef, $error) = look();
like($error, qr/whether signature request .* is this one cannot be told, because it has no signers/, 'requests that cannot be read: a person decides');

# And without the flood it is found.
query("UPDATE ignisign.call SET run_at = now() WHERE state = 'unknown'");
$node->reload;
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'"), 'it is found in the end');
is((scalar grep { $_->{title} eq 'flood' } $sandbox->requests), 1, 'it was sent once');
is(query("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'ignisign worker%' AND datname = 'postgres'"), $worker, 'by the same worker');

$node->stop;
done_testing();
