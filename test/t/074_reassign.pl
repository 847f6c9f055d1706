# What is one role's is given to another: after a role was renamed, and by who is
# both.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('reassign', $sandbox);

# What somebody sees, or why it is refused.
sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ $role ? ('-U', $role) : () ]);

	return $status == 0 ? $out : $err;
}

sub value { return $node->safe_psql('postgres', $_[0]) }

value(<<~'SQL');
	CREATE ROLE sales LOGIN;
	CREATE ROLE other LOGIN;
	CREATE ROLE boss LOGIN IN ROLE sales, other;
	SELECT ignisign_grant('sales'), ignisign_grant('other'), ignisign_grant('boss');
	CREATE TABLE told (request uuid, as_role name);
	GRANT INSERT ON told TO sales;
	CREATE SCHEMA theirs AUTHORIZATION sales;
	SET ROLE sales;
	CREATE FUNCTION theirs.tell(request uuid, event jsonb) RETURNS void LANGUAGE sql AS
		'INSERT INTO public.told VALUES (request, current_user)';
	SELECT ignisign_on('COMPLETED', 'theirs.tell(uuid, jsonb)'), ignisign_listen();
	SQL

# ---- A role is renamed ----

my $open = as('sales', sign_sql('Open', 'ann@example.com'));
is(as('sales', "SELECT ignisign_wait('$open', 'SENT', '60 s')"), 't', 'a request is sent');
my $call = as('sales', 'SELECT ignisign_application()');
is(as('sales', "SELECT ignisign_result($call, '60 s') IS NOT NULL"), 't', 'another call is answered');
$sandbox->fault('one-call-sign share=1 status=429');
my $waiting = as('sales', sign_sql('Waiting', 'ann@example.com'));
ok(wait_for($node, "SELECT attempts > 0 FROM ignisign.call WHERE request = '$waiting'"), 'a call waits');
value('ALTER ROLE sales RENAME TO marketing');
$sandbox->clear_faults;
ok(wait_for($node, q{SELECT count(*) = 1 FROM ignisign.parked WHERE reason = 'role "sales" does not exist'}), 'it is held back');
is(as('marketing', 'SELECT count(*) FROM ignisign.requests'), '0', 'nothing is seen by who made it');

like(as('marketing', "SELECT ignisign_reassign('sales', 'marketing')"), qr/permission denied to reassign.*only the extension's owner can/s,
	'whose a name was, nobody knows but the owner');
like(as('other', "SELECT ignisign_reassign('sales', 'other')"), qr/permission denied to reassign/, 'nor does anybody else');
like(as(undef, "SELECT ignisign_reassign('sales', 'nobody_at_all')"), qr/role "nobody_at_all" does not exist/, 'there must be a new role');
is(value("SELECT ignisign_reassign('sales', 'marketing')"), '2', 'the owner gives them to the new name');
is(value("SELECT ignisign_reassign('sales', 'marketing')"), '0', 'once');
is(as('marketing', "SELECT ignisign_wait('$waiting', 'SENT', '60 s')"), 't', 'the call goes on');
is(as('marketing', 'SELECT count(*) FROM ignisign.requests'), '2', 'both requests are seen');
is(as('marketing', "SELECT count(*) >= 2 FROM ignisign.attempt WHERE request = '$waiting'"), 't', 'so are earlier attempts');
is(as('marketing', "SELECT ignisign_result($call) IS NOT NULL"), 't', 'and answers');
is(value('SELECT count(*) FROM ignisign.parked'), '0', 'nothing is held back');
$sandbox->sign(value("SELECT signature_request_id FROM ignisign_status('$open')"));
ok(wait_for($node, "SELECT count(*) = 1 FROM told WHERE request = '$open' AND as_role = 'marketing'"), 'the callback is called as the new name');
is(as('marketing', 'SELECT ignisign_unlisten()'), '1', 'the endpoint went along');
is(value(<<~'SQL'), '0', 'nothing is left of the old name');
	SELECT (SELECT count(*) FROM ignisign.request WHERE owner = 'sales') + (SELECT count(*) FROM ignisign.call WHERE owner = 'sales')
		+ (SELECT count(*) FROM ignisign.attempt WHERE owner = 'sales') + (SELECT count(*) FROM ignisign.result WHERE owner = 'sales')
	SQL

# ---- From one role to another ----

like(as('marketing', "SELECT ignisign_reassign('marketing', 'other')"), qr/permission denied to reassign.*privileges of both/s, 'who is one of them gives nothing away');
like(as('other', "SELECT ignisign_reassign('marketing', 'other')"), qr/permission denied to reassign/, 'and takes nothing');
is(as('other', 'SELECT count(*) FROM ignisign.requests'), '0', 'nothing has changed');

$sandbox->fault('one-call-sign count=1 delay=3000');
my $flying = as('marketing', sign_sql('Flying', 'ann@example.com'));
ok(wait_for($node, "SELECT state = 'sending' FROM ignisign.call WHERE request = '$flying'"), 'a call is under way');
like(as('boss', "SELECT ignisign_reassign('marketing', 'other')"), qr/calls of role "marketing" are under way/, 'what is under way stays until it is over');
is(as('other', 'SELECT count(*) FROM ignisign.requests'), '0', 'with all else');
is(as('marketing', "SELECT ignisign_wait('$flying', 'SENT', '60 s')"), 't', 'it is sent');
ok(wait_for(sub { return as('boss', "SELECT ignisign_reassign('marketing', 'other')") eq '3' }), 'who is both gives all of them');
is(as('other', 'SELECT count(*) FROM ignisign.requests'), '3', 'they are seen by the other');
is(as('marketing', 'SELECT count(*) FROM ignisign.requests'), '0', 'and no longer by the one');
is(value('SELECT owner FROM ignisign.callback'), 'marketing', 'whose function stays theirs');
my %count;
$count{ $_->{title} }++ for $sandbox->requests;
is_deeply(\%count, { Open => 1, Waiting => 1, Flying => 1 }, 'each request was sent once');

# ---- A server is renamed ----

my $more = as('other', sign_sql('More', 'ann@example.com'));
is(as('other', "SELECT ignisign_wait('$more', 'SENT', '60 s')"), 't', 'a request is sent');
like(as(undef, "SELECT ignisign_reassign_server('ignisign', 'ignisign')"), qr/server "ignisign" exists/, 'a server that is there keeps what is its own');
$sandbox->fault('one-call-sign share=1 status=429');
my $later = as('other', sign_sql('Later', 'ann@example.com'));
ok(wait_for($node, "SELECT attempts > 0 FROM ignisign.call WHERE request = '$later'"), 'a call waits');
value('ALTER SERVER ignisign RENAME TO signing');
$sandbox->clear_faults;
ok(wait_for($node, q{SELECT count(*) = 1 FROM ignisign.parked WHERE reason LIKE 'server "ignisign" does not exist%'}), 'it is held back');
like(as('other', "SELECT ignisign_reassign_server('ignisign', 'signing')"), qr/permission denied for function/, 'where all goes is not for everybody to decide');
value('GRANT EXECUTE ON FUNCTION ignisign_reassign_server TO other');
like(as('other', "SELECT ignisign_reassign_server('ignisign', 'signing')"), qr/Only the extension's owner can/, 'also if the function is granted');
like(as(undef, "SELECT ignisign_reassign_server('ignisign', 'nowhere')"), qr/server "nowhere" does not exist/, 'there must be a new server');
value('CREATE FOREIGN DATA WRAPPER strange; CREATE SERVER strange FOREIGN DATA WRAPPER strange');
like(as(undef, "SELECT ignisign_reassign_server('ignisign', 'strange')"), qr/is not one of the foreign data wrapper "ignisign"/, 'and one of ours');
is(value("SELECT ignisign_reassign_server('ignisign', 'signing')"), '5', 'all goes to the new name');
is(value("SELECT ignisign_reassign_server('ignisign', 'signing')"), '0', 'once');
is(as('other', "SELECT ignisign_wait('$later', 'SENT', '60 s')"), 't', 'the call goes on');
$sandbox->sign(value("SELECT signature_request_id FROM ignisign_status('$more')"));
as('other', "SELECT ignisign_refresh('$more')");
is(as('other', "SELECT ignisign_wait('$more', 'COMPLETED', '60 s')"), 't', 'and what was sent before is asked for');
is(value(<<~'SQL'), '0', 'nothing is left of the old name');
	SELECT (SELECT count(*) FROM ignisign.parked) + (SELECT count(*) FROM ignisign.request WHERE server = 'ignisign')
		+ (SELECT count(*) FROM ignisign.call WHERE server = 'ignisign') + (SELECT count(*) FROM ignisign.attempt WHERE server = 'ignisign')
		+ (SELECT count(*) FROM ignisign.result WHERE server = 'ignisign')
	SQL
%count = ();
$count{ $_->{title} }++ for $sandbox->requests;
is_deeply(\%count, { map { $_ => 1 } qw(Open Waiting Flying More Later) }, 'each request was sent once');

$node->stop;
done_testing();
