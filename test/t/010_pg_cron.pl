# Jobs of pg_cron, those of examples/pg_cron: sign what a query finds, look, remind,
# forget.  The shortest interval is a minute, so that they run side by side.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sharedir = `pg_config --sharedir`;
chomp $sharedir;
plan skip_all => 'pg_cron is not installed' unless -f "$sharedir/extension/pg_cron.control";

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('cron', $sandbox,
	shared_preload_libraries => "'ignisign, pg_cron'",
	'cron.database_name'     => "'postgres'",
	'cron.use_background_workers' => 'on',
	max_worker_processes          => 20);
my $hex = unpack 'H*', pdf('by night');

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Wait for what takes a minute or two.
sub later
{
	my ($query, $name) = @_;

	return ok(wait_for($node, $query, 'postgres', { timeout => 180 }), $name);
}

sql(<<~SQL);
	CREATE TABLE contract (id int, title text, pdf bytea, signers jsonb, signature_id uuid);
	INSERT INTO contract SELECT n, 'Contract ' || n, '\\x$hex',
		'[{"email": "ann\@example.com", "firstName": "Ann"}]' FROM generate_series(1, 3) n;
	SQL
# A request that was sent long ago and one of today, and an answer and attempts to be
# forgotten.
my $old = sql(sign_sql('Old', 'bob@example.com'));
sql(sign_sql('New', 'cid@example.com'));
my $call = sql('SELECT ignisign_application()');
sql("SELECT ignisign_result($call, '60 s')");
ok(wait_for($node, "SELECT count(*) = 2 FROM ignisign.request WHERE status = 'IN_PROGRESS'"), 'two requests are open');
sql("UPDATE ignisign.request SET sent_at = now() - interval '8 days' WHERE id = '$old';
	UPDATE ignisign.result SET answered_at = now() - interval '8 days';
	UPDATE ignisign.attempt SET started_at = now() - interval '91 days' WHERE operation = 'application'");

my ($status, $out, $err) = run_example($node, sql('SELECT current_user'), example('pg_cron/jobs.sql'));
is($status, 0, 'jobs are scheduled') or diag($err);
is(sql('SELECT count(*) FROM cron.job'), '7', 'seven');
sql("SELECT cron.alter_job(jobid, schedule => '* * * * *') FROM cron.job");

later("SELECT count(*) = 3 FROM contract c JOIN ignisign.request r ON r.id = c.signature_id WHERE r.status = 'IN_PROGRESS'", 'a job has contracts signed');
is($sandbox->counts->{requests}, 5, 'each once');
later('SELECT count(*) = 0 FROM ignisign.result', 'a job forgets answers');
later("SELECT count(*) = 0 FROM ignisign.attempt WHERE operation = 'application'", 'and attempts');
later("SELECT count(*) > 0 FROM ignisign.event WHERE request = '$old' AND kind = 'resend'", 'a job reminds');
is(sql("SELECT count(*) FROM ignisign.event WHERE request <> '$old' AND kind = 'resend'"), '0', 'nobody who was asked lately');
# Twice within a minute would be refused.
sql("SELECT cron.alter_job(jobid, schedule => '0 9 * * 1') FROM cron.job WHERE jobname = 'remind'");
$sandbox->sign($_->{id}) for $sandbox->requests;
later("SELECT count(*) = 5 FROM ignisign.requests WHERE proofs = 1", 'all are signed');
sql("UPDATE ignisign.request SET closed_at = now() - interval '31 days' WHERE id = '$old'");
later("SELECT content IS NULL FROM ignisign.document WHERE request = '$old'", 'a job forgets documents');
later("SELECT count(DISTINCT j.jobname) = 7 FROM cron.job_run_details d JOIN cron.job j USING (jobid) WHERE d.status = 'succeeded'", 'all jobs succeed');
is(sql("SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'"), '0', 'and none ever fails');

$node->stop;
done_testing();
