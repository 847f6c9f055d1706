# The worker dies, or fails, at the very places where it matters.  This needs a
# server that was built with --enable-injection-points; Debian's are not.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($configured) = run_command([ 'pg_config', '--configure' ]);

plan skip_all => 'the server was not built with --enable-injection-points'
  if $configured !~ /--enable-injection-points|-Dinjection_points=true/;

my $sandbox = start_sandbox();
my $node = new_node('injection', $sandbox, 'restart_after_crash' => 'on');

sub value { return $node->safe_psql('postgres', $_[0]) }

if (!value("SELECT count(*) FROM pg_available_extensions WHERE name = 'injection_points'"))
{
	$node->stop;
	plan skip_all => 'the extension injection_points is not installed';
}
value('CREATE EXTENSION injection_points');

sub sent { return scalar grep { $_->{title} eq $_[0] } $sandbox->requests }

# Sign, and wait until the worker has come to a place that it waits at.
sub sign_until
{
	my ($title, $point) = @_;

	value("SELECT injection_points_attach('$point', 'wait')");
	value(sign_sql($title, 'ann@example.com'));
	ok(wait_for($node, "SELECT wait_event = '$point' FROM pg_stat_activity WHERE backend_type = 'ignisign worker'"),
		"$title: the worker has come to $point");
	return;
}

# Kill the worker there.  The server starts again, without points.
sub kill_worker
{
	kill 'KILL', value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'ignisign worker'");
	ok($node->poll_query_until('postgres',
			"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'ignisign worker' AND wait_event LIKE 'Ignisign%'"),
		'the worker is killed and starts again');
	return;
}

sub settled
{
	my ($title) = @_;

	ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.request WHERE title = '$title' AND signature_request_id IS NOT NULL"),
		"$title: it is settled");
	ok(wait_for($node, 'SELECT count(*) = 0 FROM ignisign.call'), "$title: no call is left");
	is(sent($title), 1, "$title: it arrived once");
	return;
}

# What it is about to send is recorded; nothing has left yet.

sign_until('claimed', 'ignisign-claimed');
is(value('SELECT state FROM ignisign.call'), 'sending', 'the call is recorded');
is(sent('claimed'), 0, 'and not sent');
kill_worker();
settled('claimed');

# The answer is applied, but not committed.

sign_until('applied', 'ignisign-applied');
is(value('SELECT state FROM ignisign.call'), 'sending', 'nobody sees the answer');
is(sent('applied'), 1, 'the call was sent');
kill_worker();
settled('applied');

# No answer can be applied, nor that it cannot.  The worker starts again and again,
# and sends nothing anew.

value("SELECT injection_points_attach('ignisign-apply', 'error')");
my $offset = -s $node->logfile;
value(sign_sql('failing', 'ann@example.com'));
$node->wait_for_log(qr/could not record the outcome of the call \d+: error triggered for injection point ignisign-apply/, $offset);
$node->wait_for_log(qr/could not record the outcome of the call \d+/, -s $node->logfile);
is(sent('failing'), 1, 'it was sent once, and stays so while nothing can be recorded');
value("SELECT injection_points_detach('ignisign-apply')");
settled('failing');

$node->stop;
done_testing();
