# examples/citus, as far as it goes without Citus: which tables could be distributed,
# and an archive that could, and that takes what is done, whole.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('citus', $sandbox);
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');

sub sql { return $node->safe_psql('postgres', $_[0]) }

my ($status, $out, $err) = run_example($node, $superuser, example('citus/check.sql'));
is($out, <<'END', 'which tables could be distributed');
request|id|ignisign.request_signature_request_id
attempt|request|
call|request|
delivery|request|
document|request|
event|request|
proof|request|
result|request|
session|request|
signer|request|
webhook|request|ignisign.webhook_event_id, ignisign.webhook_pkey, ignisign.webhook_token
callback||ignisign.callback_function_key, ignisign.callback_pkey
endpoint||ignisign.endpoint_pkey
origin||
parked||ignisign.parked_pkey
signer_profile||ignisign.signer_profile_pkey
tombstone||ignisign.tombstone_pkey
END

# In the place of Citus's: refuses what it would.
sql(<<~'SQL');
	CREATE FUNCTION create_distributed_table(table_name regclass, distribution_column text, distribution_type text DEFAULT 'hash', colocate_with text DEFAULT 'default')
	RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM FROM pg_index i WHERE i.indrelid = table_name AND (i.indisunique OR i.indisprimary)
			AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attname = distribution_column);
		IF FOUND THEN
			RAISE EXCEPTION 'cannot create constraint on "%"', table_name;
		END IF;
		IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = table_name) THEN
			RAISE EXCEPTION '"%" has triggers', table_name;
		END IF;
	END
	$$;
	SQL
($status, $out, $err) = run_example($node, $superuser, example('citus/archive.sql'));
is($status, 0, 'the archive is made') or diag($err);

my $open = sql(sign_sql('Open', 'ann@example.com'));
my $closed = sql(sign_sql('Closed', 'ann@example.com'));
ok(wait_for($node, "SELECT count(*) = 2 FROM ignisign.request WHERE status = 'IN_PROGRESS'"), 'two requests');
$sandbox->sign(sql("SELECT signature_request_id FROM ignisign_status('$closed')"));
ok(wait_for($node, "SELECT proofs = 1 AND NOT EXISTS (SELECT FROM ignisign.call) FROM ignisign_status('$closed')"), 'one is done');

my @tables = qw(signer document proof event attempt);
my %rows = map { $_ => sql("SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM ignisign.$_ t WHERE request = '$closed'") } @tables;
sql("CALL ignisign_archive.move('1 day')");
is(sql('SELECT count(*) FROM ignisign_archive.request'), '0', 'it is not old enough');
sql("CALL ignisign_archive.move('0')");
is(sql('SELECT title FROM ignisign_archive.request'), 'Closed', 'what is done is archived');
is(sql("SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM ignisign_archive.$_ t"), $rows{$_}, "with each $_") for @tables;
is(sql("SELECT (SELECT count(*) FROM ignisign.request WHERE id = '$closed')" . join '', map { " + (SELECT count(*) FROM ignisign.$_ WHERE request = '$closed')" } @tables),
	'0', 'and gone from the queue\'s tables');
$sandbox->sign(sql("SELECT signature_request_id FROM ignisign_status('$open')"));
is(sql("SELECT ignisign_wait('$open', 'PROOF', '60 s')"), 't', 'what is not goes on');
ok(wait_for($node, 'SELECT count(*) = 0 FROM ignisign.call'), 'to its end');
sql("CALL ignisign_archive.move('0')");
is(sql('SELECT count(*) FROM ignisign_archive.proof'), '2', 'and is archived when it is done');

$node->stop;
done_testing();
