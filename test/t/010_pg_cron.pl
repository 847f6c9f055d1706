# Jobs of pg_cron: one signs what a query finds, one catches up, one forgets.  The
# shortest interval is a minute, so that they run side by side.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sharedir = `pg_config --sharedir`;
chomp $sharedir;
plan skip_all => 'pg_cron is not installed' unless -f "$sharedir/extension/pg_cron.control";

my $sandbox = start_sandbox(sign_after => 0, proof_delay => 0);
my $node = new_node('cron', $sandbox,
	shared_preload_libraries => "'ignisign, pg_cron'",
	'cron.database_name'     => "'postgres'",
	'cron.use_background_workers' => 'on');
my $hex = unpack 'H*', pdf('by night');

$node->safe_psql('postgres', <<~SQL);
	CREATE EXTENSION pg_cron;
	CREATE TABLE contract (id int, title text, pdf bytea, signers jsonb, signature_id uuid);
	INSERT INTO contract SELECT n, 'Contract ' || n, '\\x$hex',
		'[{"email": "ann\@example.com", "firstName": "Ann"}]' FROM generate_series(1, 3) n;
	SELECT cron.schedule('contracts', '* * * * *', \$\$
		UPDATE contract SET signature_id = ignisign_sign(title, pdf, signers)
		WHERE signature_id IS NULL
	\$\$);
	-- Something that is there to be read anew, and something to be forgotten.
	SELECT cron.schedule('sync', '* * * * *', 'SELECT ignisign_sync()');
	SELECT cron.schedule('purge', '* * * * *', \$\$SELECT ignisign_purge('results', '0')\$\$);
	SQL
my $call = $node->safe_psql('postgres', 'SELECT ignisign_application()');
$node->safe_psql('postgres', "SELECT ignisign_result($call, '60 s')");
ok( wait_for(
		$node,
		'SELECT count(*) = 3 FROM contract c JOIN ignisign.requests r ON r.id = c.signature_id WHERE r.proofs = 1',
		'postgres', { timeout => 180 }),
	'the job has them signed');
is($sandbox->counts->{requests}, 3, 'each once');
ok(wait_for($node, 'SELECT count(*) = 0 FROM ignisign.result', 'postgres', { timeout => 180 }), 'a job forgets answers');
ok(wait_for($node,
		"SELECT count(DISTINCT j.jobname) = 3 FROM cron.job_run_details d JOIN cron.job j USING (jobid) WHERE d.status = 'succeeded'",
		'postgres', { timeout => 180 }),
	'all jobs succeed');

$node->stop;
done_testing();
