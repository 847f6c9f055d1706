# Trouble on our side that passes is waited for: nothing is lost, nothing is sent twice,
# no attempt is counted, and everything goes on by itself.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('trouble', $sandbox);

sub value { return $node->safe_psql('postgres', $_[0]) }

sub remote
{
	my ($title) = @_;

	return scalar grep { $_->{title} eq $title } $sandbox->requests;
}

# A trigger raises an error with this SQLSTATE where a request becomes sent, and counts
# how often.
sub trouble
{
	my ($sqlstate) = @_;

	value("CREATE OR REPLACE FUNCTION public.trouble() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN "
		  . (
			$sqlstate
			? "IF NEW.sent_at IS NOT NULL AND OLD.sent_at IS NULL THEN PERFORM nextval('public.tries'); RAISE 'trouble' USING ERRCODE = '$sqlstate'; END IF; "
			: '')
		  . 'RETURN NEW; END $$');
	return;
}

value('CREATE SEQUENCE tries');
trouble('');
value('CREATE TRIGGER trouble BEFORE UPDATE ON ignisign.request FOR EACH ROW EXECUTE FUNCTION public.trouble()');
my $first = value(sign_sql('First', 'ann@example.com'));
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$first'"), 'a request is sent');
my $worker = value('SELECT worker_pid FROM ignisign_stats()');

# ---- A response that cannot be applied now ----

for my $sqlstate (qw(40001 40P01 53100 53200 55000 57014 58030 08006 HV000 25006))
{
	my $title = "Trouble $sqlstate";

	trouble($sqlstate);
	value("SELECT setval('tries', 1)");
	my $id = value(sign_sql($title, 'ann@example.com'));
	my $began = time;

	ok(wait_for($node, 'SELECT last_value > 4 FROM tries'), "$title: it is tried again");
	is(value("SELECT state, attempts FROM ignisign.call WHERE request = '$id' AND operation = 'one-call-sign'"), 'sending|1', "$title: the response is kept");
	if ($sqlstate eq '53100')
	{
		# Ever longer pauses: without them there would be thousands.
		sleep 0.05 while time < $began + 3;
		my $tries = value('SELECT last_value FROM tries');

		cmp_ok($tries, '<', 30, "$title: with pauses");
		ok($node->log_contains(qr/the response to the call \d+ \(one-call-sign\) of request $id waits to be applied: trouble/), "$title: the log names it");
		like(value('SELECT last_error FROM ignisign_stats()'), qr/trouble/, "$title: ignisign_stats() shows it");
	}
	trouble('');
	ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'", 'postgres', { timeout => 60 }), "$title: it goes on by itself");
	is(value("SELECT source FROM ignisign.event WHERE request = '$id' AND kind = 'sent'"), 'api', "$title: by its own response");
	is(value("SELECT string_agg(outcome, ' ') FROM ignisign.attempt WHERE request = '$id' AND operation = 'one-call-sign'"), 'done', "$title: in one attempt");
	is(remote($title), 1, "$title: there once");
}

# ---- Steps that may be repeated ----

# A proof or a context that cannot be stored is not asked for again.
value(<<~'SQL');
	CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		PERFORM nextval('public.tries');
		RAISE 'trouble' USING ERRCODE = '53100';
	END $$
	SQL
for my $step ([ 'context', 'UPDATE', 'signer' ], [ 'proof', 'INSERT', 'proof' ])
{
	my ($operation, $event, $table) = @$step;
	my $id = value(sign_sql("Step $operation", 'ann@example.com'));

	ok(wait_for($node, "SELECT sent_at IS NOT NULL AND NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$id') FROM ignisign.request WHERE id = '$id'"),
		"$operation: the request is sent");
	value("CREATE TRIGGER refuse BEFORE $event ON ignisign.$table FOR EACH ROW EXECUTE FUNCTION public.refuse()");
	value("SELECT setval('tries', 1); DELETE FROM ignisign.attempt WHERE request = '$id'");
	$sandbox->sign(value("SELECT signature_request_id FROM ignisign.request WHERE id = '$id'"));
	ok(wait_for($node, 'SELECT last_value > 4 FROM tries'), "$operation: it is tried again");
	is(value("SELECT DISTINCT state, attempts FROM ignisign.call WHERE request = '$id' AND operation = '$operation'"), 'sending|1', "$operation: the response is kept");
	value("DROP TRIGGER refuse ON ignisign.$table");
	ok(wait_for($node, "SELECT status = 'COMPLETED' AND NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$id') FROM ignisign.request WHERE id = '$id'"),
		"$operation: it goes on by itself");
	is(value("SELECT max(attempt) FROM ignisign.attempt WHERE request = '$id' AND operation = '$operation'"), '1', "$operation: in one attempt");
}

# ---- A document that cannot be loaded now ----

kill 'STOP', $sandbox->pid;
my $large = value(sign_sql('Large', 'ann@example.com') =~ s/document => '\\x[0-9a-f]*'/document => convert_to('%PDF-', 'UTF8') || decode(repeat('ab', 20000000), 'hex')/r);
ok(wait_for($node, "SELECT state = 'sending' FROM ignisign.call WHERE request = '$large'"), 'a large document is being sent');
my $session = $node->background_psql('postgres', on_error_die => 1);
$session->query_safe('BEGIN; LOCK TABLE ignisign.document IN ACCESS EXCLUSIVE MODE');
kill 'CONT', $sandbox->pid;
ok(wait_for($node, "SELECT state = 'pending' AND attempts = 0 AND waits > 0 FROM ignisign.call WHERE request = '$large'"), 'it waits, and counts no attempt');
like(value("SELECT code || ' ' || last_error FROM ignisign.call WHERE request = '$large'"), qr/^55P03 .*lock timeout/, 'and says why');
ok($node->log_contains(qr/the call \d+ \(one-call-sign\) of request $large could not be sent: .*lock timeout/), 'the log names it');
$session->query_safe('COMMIT');
$session->quit;
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$large'"), 'it goes on by itself');
is(value("SELECT max(attempt) FROM ignisign.attempt WHERE request = '$large' AND operation = 'one-call-sign'"), '1', 'with its first attempt');
is(remote('Large'), 1, 'Large: there once');

# ---- No call can be taken now ----

$session = $node->background_psql('postgres', on_error_die => 1);
my $last = value(sign_sql('Before', 'ann@example.com'));
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$last'"), 'a request is sent');
value('ALTER SYSTEM SET ignisign.enabled = off');
$node->reload;
ok(wait_for($node, "SELECT current_setting('ignisign.enabled') = 'off'"), 'nothing is sent');
$last = value(sign_sql('Last', 'ann@example.com'));
$session->query_safe('BEGIN; LOCK TABLE ignisign.document IN ACCESS EXCLUSIVE MODE');
value('ALTER SYSTEM SET ignisign.enabled = on');
$node->reload;
ok($node->wait_for_log(qr/no call could be taken: .*lock timeout/), 'a lock is in the way, and the log says so');
is(value("SELECT state, attempts FROM ignisign.call WHERE request = '$last'"), 'pending|0', 'nothing is counted');
$session->query_safe('COMMIT');
$session->quit;
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$last'"), 'it goes on by itself');

is(value("SELECT count(*) FROM ignisign.call WHERE state = 'dead'"), '0', 'no call is dead');
is(value('SELECT worker_pid FROM ignisign_stats()'), $worker, 'the same worker has done all of it');

$node->stop;
done_testing();
