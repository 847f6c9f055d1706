# Roles, servers, mappings and settings change while calls wait or are under
# way: what may no longer be sent is held back, with the reason, and goes on
# when it may; what changes holds for the next call.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox(sign_after => 0, proof_delay => 0);
my $node = new_node('accounts', $sandbox);
my $hex = unpack 'H*', pdf('contract');

$node->safe_psql('postgres', "CREATE ROLE app LOGIN; SELECT ignisign_grant('app')");

sub sign_as
{
	my ($role, $title) = @_;

	return $node->safe_psql('postgres', sign_sql($title, 'ann@example.com'), extra_params => [ '-U', $role ]);
}

# Have a call wait, do something that takes its right away, see it held back for
# that reason, and give it back: it goes on without further ado.
sub held_back
{
	my ($name, $take, $reason, $give) = @_;
	my $key = $sandbox->key;

	$sandbox->fault('one-call-sign share=1 status=429');
	my $id = sign_as('app', $name);

	ok(wait_for($node, "SELECT attempts > 0 FROM ignisign.call WHERE request = '$id'"), "$name: a call waits");
	$node->safe_psql('postgres', $take);
	$sandbox->clear_faults;
	ok(wait_for($node, "SELECT reason ~ '$reason' FROM ignisign.parked WHERE owner = 'app'"), "$name: it is held back");
	like($node->safe_psql('postgres', "SELECT state || ': ' || last_error FROM ignisign.requests WHERE id = '$id'"),
		qr/^queued: .*$reason/, "$name: its request tells");
	$node->safe_psql('postgres', $give =~ s/:KEY/'$key'/r);
	ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'", 'postgres', { timeout => 15 }), "$name: it goes on");
	is(scalar(grep { $_->{title} eq $name } $sandbox->requests), 1, "$name: once");
	return;
}

held_back('REVOKE', 'REVOKE USAGE ON FOREIGN SERVER ignisign FROM app', 'has no USAGE',
	'GRANT USAGE ON FOREIGN SERVER ignisign TO app');
held_back('DROP USER MAPPING', 'DROP USER MAPPING FOR public SERVER ignisign', 'no user mapping',
	'CREATE USER MAPPING FOR app SERVER ignisign OPTIONS (api_key :KEY)');
held_back('RENAME ROLE', 'ALTER ROLE app RENAME TO other', 'does not exist', 'ALTER ROLE other RENAME TO app');
held_back('DROP SERVER', 'DROP SERVER ignisign CASCADE', 'server "ignisign" does not exist',
	"SELECT ignisign_connect(:KEY, base_url => '" . $sandbox->url . "', for_role => 'public'); GRANT USAGE ON FOREIGN SERVER ignisign TO app");
held_back('DROP ROLE', 'DROP OWNED BY app; DROP ROLE app', 'role "app" does not exist',
	"CREATE ROLE app LOGIN; SELECT ignisign_grant('app')");

# Many calls are under way when the account is refused: that is one refusal.

$sandbox->fault('signer share=1 delay=1500 status=401');
$node->safe_psql('postgres', 'SELECT count(ignisign_get_signer(lpad(i::text, 24, \'0\'))) FROM generate_series(1, 20) i', extra_params => [ '-U', 'app' ]);
ok(wait_for($node, "SELECT count(*) > 10 FROM ignisign.call WHERE operation = 'signer' AND state = 'sending'"), 'many calls are under way');
ok(wait_for($node, "SELECT count(*) > 10 FROM ignisign.attempt WHERE operation = 'signer' AND http_status = 401"), 'all are refused');
is($node->safe_psql('postgres', "SELECT tries, next_try - since < interval '35 s' FROM ignisign.parked WHERE owner = 'app'"), '1|t',
	'it is tried again as soon as after one');
$sandbox->clear_faults;
$node->reload;
ok(wait_for($node, "SELECT count(*) = 20 FROM ignisign.attempt WHERE operation = 'signer' AND http_status = 404"), 'all are made');
$node->safe_psql('postgres', "SELECT ignisign_discard(id) FROM ignisign.call WHERE state = 'dead'");

# The server is dropped under calls that are under way: they end as they would
# have, and what follows of them waits.

$sandbox->fault('context share=1 delay=3000');
$sandbox->fault('one-call-sign count=5 delay=700');
sign_as('app', "flying $_") for 1 .. 5;
ok( wait_for($node, "SELECT count(*) = 5 FROM ignisign.call c JOIN ignisign.request r ON r.id = c.request WHERE r.title LIKE 'flying %' AND operation = 'context' AND state = 'sending'", 'postgres', { timeout => 20 }),
	'contexts are under way');
my $id = sign_as('app', 'flying 6');

ok(wait_for($node, "SELECT state = 'sending' FROM ignisign.call WHERE request = '$id'"), 'and a request');
my $worker = $node->safe_psql('postgres', 'SELECT DISTINCT worker_pid FROM ignisign_stats()');

$node->safe_psql('postgres', 'DROP SERVER ignisign CASCADE');
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'"), 'the answer to what was under way counts');
$sandbox->clear_faults;
$node->safe_psql('postgres',
	"SELECT ignisign_connect('" . $sandbox->key . "', base_url => '" . $sandbox->url . "', for_role => 'public'); GRANT USAGE ON FOREIGN SERVER ignisign TO app");
ok(wait_for($node, "SELECT count(*) = 6 FROM ignisign.requests WHERE title LIKE 'flying %' AND proofs = 1"), 'all are proven in the end');
is($node->safe_psql('postgres', 'SELECT DISTINCT worker_pid FROM ignisign_stats()'), $worker, 'by the same worker');

# Settings are reloaded while calls are under way; each can be changed.

$sandbox->fault('one-call-sign count=3 delay-after=' . ($ENV{IGNISIGN_MODE} ? 10000 : 5000));
my @ids = map { sign_as('app', "reloaded $_") } 1 .. 3;

ok(wait_for($node, "SELECT count(*) = 3 FROM ignisign.call WHERE state = 'sending' AND operation = 'one-call-sign'"), 'calls are under way');
for my $setting (split /\n/, $node->safe_psql('postgres', "SELECT name || ' = ' || quote_literal(setting) FROM pg_settings WHERE name LIKE 'ignisign.%' AND context <> 'postmaster'"))
{
	$node->safe_psql('postgres', "ALTER SYSTEM SET $setting");
}
$node->safe_psql('postgres', 'ALTER SYSTEM SET ignisign.max_document_size = 1; SELECT pg_reload_conf()');
ok(wait_for($node, "SELECT current_setting('ignisign.max_document_size') = '1kB'"), 'the settings are reloaded');
ok(wait_for($node, "SELECT count(*) = 3 FROM ignisign.request WHERE title LIKE 'reloaded %' AND sent_at IS NOT NULL"), 'the calls come back');
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.attempt a JOIN ignisign.request r ON r.id = a.request WHERE title LIKE 'reloaded %' AND operation = 'one-call-sign'"),
	'3', 'after one attempt each');

# An option of the server holds for the next call.

my $second = start_sandbox();

$node->safe_psql('postgres', "ALTER SERVER ignisign OPTIONS (SET base_url '" . $second->url . "')");
$id = sign_as('app', 'at the second');
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'"), 'a request is sent after the change');
is_deeply([ map { $_->{title} } $second->requests ], ['at the second'], 'to the new address');

# Off is off, and on is on, without a restart.

$node->safe_psql('postgres', 'ALTER SYSTEM SET ignisign.enabled = off; SELECT pg_reload_conf()');
ok(wait_for($node, "SELECT bool_and(worker_state = 'disabled') FROM ignisign_stats()"), 'disabled');
$id = sign_as('app', 'while disabled');
$node->safe_psql('postgres', 'ALTER SYSTEM SET ignisign.enabled = on; SELECT pg_reload_conf()');
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'"), 'enabled again, it goes on');
$node->stop;
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/PANIC|was terminated by signal|ignisign worker.* (ERROR|FATAL):/, 'no worker failed');
done_testing();
