# Who locks rows of theirs and does not go on holds up nobody else.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('locks', $sandbox);
my %as = map { $_ => [ '-U', $_ ] } qw(ann mallory);

$node->safe_psql('postgres', "CREATE ROLE ann LOGIN; CREATE ROLE mallory LOGIN; SELECT ignisign_grant('ann'); SELECT ignisign_grant('mallory')");

# Whether Ann's next request is sent.
sub ann_goes_on
{
	my ($what) = @_;
	my $id = $node->safe_psql('postgres', sign_sql($what, 'ann@example.com'), extra_params => $as{ann});

	return is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'SENT', '60 s')", extra_params => $as{ann}), 't', $what);
}

my $id = $node->safe_psql('postgres', sign_sql('Hers', 'x@example.com', 'y@example.com'), extra_params => $as{mallory});
ok(wait_for($node, "SELECT count(*) = 0 AND (SELECT context_at IS NOT NULL FROM ignisign.request) FROM ignisign.call"), 'all is done for her request');
my $remote = $node->safe_psql('postgres', 'SELECT signature_request_id FROM ignisign.request');

# Her call is answered while she has its row, and her request's, locked.

$sandbox->fault('context count=1 delay=1000');
$node->safe_psql('postgres', "SELECT ignisign_refresh('$id')", extra_params => $as{mallory});
ok(wait_for($node, "SELECT state = 'sending' FROM ignisign.call WHERE operation = 'context'"), 'a call of hers is under way');
my $session = $node->background_psql('postgres', on_error_die => 1, extra_params => $as{mallory});
$session->query_safe('BEGIN');
$session->query_safe("SELECT ignisign_refresh('$id')");
ok(wait_for(sub { grep { ($_->{status} // 0) == 200 } @{ [ $sandbox->journal('context') ] }[ 1 .. 1 ] }), 'it is answered')
  or diag(explain([ $sandbox->journal('context') ]));
ann_goes_on('Ann goes on beside a locked call');

# Her request changes, which polls tell.

$sandbox->sign($remote, 'x@example.com');
$sandbox->sign($remote, 'y@example.com');
ann_goes_on("Ann goes on beside a locked request $_") for 1 .. 3;
is($node->safe_psql('postgres', "SELECT status FROM ignisign.request WHERE id = '$id'"), 'IN_PROGRESS', 'of hers nothing is known meanwhile');

$session->query_safe('COMMIT');
$session->quit;
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'COMPLETED', '60 s')", extra_params => $as{mallory}), 't', 'she goes on when she lets go');
ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.call WHERE owner = 'mallory' AND operation = 'context'"), 'and no call is left');
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.attempt WHERE outcome IN ('dead', 'lost', 'reconcile')"), '0', 'nothing was lost');

# A request of hers is in doubt, and she is about to decide that.

$sandbox->fault('list share=1 status=503');
$sandbox->fault('one-call-sign count=1 close=after');
$id = $node->safe_psql('postgres', sign_sql('In doubt', 'x@example.com'), extra_params => $as{mallory});
ok(wait_for($node, "SELECT state = 'unknown' FROM ignisign.call WHERE request = '$id'"), 'a request is in doubt');
$session = $node->background_psql('postgres', on_error_die => 1, extra_params => $as{mallory});
$session->query_safe('BEGIN');
$session->query_safe("SELECT ignisign_resolve('$id')");
$sandbox->clear_faults;
ok(wait_for(sub { grep { ($_->{status} // 0) == 200 } $sandbox->journal('list') }, { timeout => 60 }), 'it is looked for');
ann_goes_on("Ann goes on beside a doubt $_") for 1 .. 5;
is($node->safe_psql('postgres', "SELECT state FROM ignisign.call WHERE request = '$id'"), 'unknown', 'it is still in doubt');
$session->query_safe('ROLLBACK');
$session->quit;
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'SENT', '60 s')", extra_params => $as{mallory}), 't', 'it is found when she lets go');
is(scalar(grep { $_->{title} eq 'In doubt' } $sandbox->requests), 1, 'and was sent once');

# A table is locked, in the weakest and in the strongest mode that a CREATE INDEX or a VACUUM
# FULL takes.  The worker does without the table, or says whose lock it waits for.

my $worker = $node->safe_psql('postgres', 'SELECT worker_pid FROM ignisign_stats()');
$session = $node->background_psql('postgres', on_error_die => 1);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
my $n = 0;

for my $table (split /\n/, $node->safe_psql('postgres', "SELECT relname FROM pg_class WHERE relnamespace = 'ignisign'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1"))
{
	for my $mode ('SHARE', 'ACCESS EXCLUSIVE')
	{
		my $what = "$table in $mode MODE";
		my $done = '';

		kill 'STOP', $sandbox->pid;
		$id = $node->safe_psql('postgres', sign_sql('Locked ' . $n++, 'ann@example.com'), extra_params => $as{ann});
		my $alone = $node->safe_psql('postgres', 'SELECT ignisign_application()', extra_params => $as{ann});
		$session->query_safe("BEGIN; LOCK TABLE ignisign.$what");
		kill 'CONT', $sandbox->pid;
		ok( wait_for(
				sub {
					my ($status, $out) = $node->psql('postgres', "SET lock_timeout = '10ms'; "
						  . "SELECT 'stuck' FROM ignisign_stats() WHERE stuck AND hint LIKE 'The worker waits for a lock of the session with PID $pid %'; "
						  . "SELECT 'done' FROM ignisign.request WHERE id = '$id' AND context_at IS NOT NULL AND EXISTS (SELECT FROM ignisign.result WHERE call = $alone)");

					return $done = $out;
				}),
			"$what: it goes on, or says why not");
		note("$what: $done");
		$session->query_safe('COMMIT');
		ok(wait_for($node, "SELECT count(*) = 0 AND (SELECT context_at IS NOT NULL FROM ignisign.request WHERE id = '$id') FROM ignisign.call"),
			"$what: all is done when it is free");
	}
}
$session->quit;
is($node->safe_psql('postgres', 'SELECT worker_pid FROM ignisign_stats()'), $worker, 'the same worker has done all of it');
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.attempt WHERE started_at > (SELECT min(created_at) FROM ignisign.request WHERE title LIKE 'Locked%') AND outcome <> 'done'"),
	'0', 'with one attempt each');

$node->stop;
done_testing();
