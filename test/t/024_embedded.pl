# Embedded signers: what a page of one's own needs is kept, whichever way it
# comes and however early.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('embedded', $sandbox);
my $hex = unpack 'H*', pdf('Page');

sub value { return $node->safe_psql('postgres', $_[0]) }

my $profiles = value('SELECT ignisign_signer_profiles()');
my $profile = value("SELECT p ->> '_id' FROM jsonb_array_elements(ignisign_result($profiles, '30 s')) p WHERE p ->> 'integrationMode' = 'EMBEDDED'");

# Queue a request in one call, with one signer embedded and one by e-mail.
sub sign
{
	my ($name) = @_;

	return value("SELECT ignisign_sign('$name', '\\x$hex'::bytea, ARRAY[ignisign_signer('$name\@example.com', signer_profile_id => '$profile'), ignisign_signer('ann\@example.com')])");
}

sub remote { return value("SELECT signature_request_id FROM ignisign_status('$_[0]')") }

# The token comes with the answer; whose it is, with the context.
$sandbox->fault('context share=1 status=503');
my $id = sign('early');
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$id')"), 'it is sent');
is(value("SELECT delivery FROM ignisign.request WHERE id = '$id'"), 'one-call', 'in one call');
is(value("SELECT count(*), bool_and(token LIKE 'st_%') FROM ignisign.session WHERE request = '$id'"), '1|t', 'the token is kept at once');
is(value("SELECT count(*) FROM ignisign_session('$id')"), '0', 'it is not known yet whose it is');
$sandbox->clear_faults;
value("SELECT ignisign_refresh('$id')");
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign_session('$id')"), 'then it is');
is(value("SELECT x.signer, x.signature_request_id = r.signature_request_id, x.signer_id = s.signer_id, x.token LIKE 'st_%', x.auth_secret IS NULL"
	  . " FROM ignisign_session('$id') x JOIN ignisign.request r ON r.id = '$id' JOIN ignisign.signer s ON s.request = r.id AND s.n = x.signer"),
	'1|t|t|t|t', 'with all but the secret');
my $call = value("SELECT ignisign_regenerate_auth_secret(signer_id) FROM ignisign_session('$id')");
like(value("SELECT ignisign_result($call, '30 s') ->> 'authSecret'"), qr/^as_/, 'which is asked for');

# The answer was lost, and its token: the event of the launch brings it.
my $hook = value("SELECT ignisign_create_webhook('http://127.0.0.1:1/')");
$hook = value("SELECT ignisign_result($hook, '30 s') -> 0 ->> '_id'");
$sandbox->fault('one-call-sign count=1 close=after');
my $lost = sign('lost');
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$lost')"), 'one whose answer was lost is found');
is(value("SELECT count(*) FROM ignisign_session('$lost')"), '0', 'without its token');
value("SELECT ignisign_read_webhook_log('$hook')");
ok(wait_for($node, "SELECT count(*) = 1 AND bool_and(token LIKE 'st_%') FROM ignisign_session('$lost')"), 'the event brings it');

# The event may come before anything is known of a request's signers.
$sandbox->fault('context share=1 status=503');
my $elsewhere = new_node('elsewhere', $sandbox);
my $made = $elsewhere->safe_psql('postgres', "SELECT ignisign_sign('elsewhere', '\\x$hex'::bytea, ARRAY[ignisign_signer('elsewhere\@example.com', signer_profile_id => '$profile')])");
ok(wait_for($elsewhere, "SELECT sent_at IS NOT NULL FROM ignisign_status('$made')"), 'one is made elsewhere');
my $imported = value("SELECT ignisign_import('" . $elsewhere->safe_psql('postgres', "SELECT signature_request_id FROM ignisign_status('$made')") . "')");
$elsewhere->stop;
value("SELECT ignisign_read_webhook_log('$hook')");
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.session WHERE request = '$imported'"), 'its token comes first');
$sandbox->clear_faults;
value("SELECT ignisign_refresh('$imported')");
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign_session('$imported')"), 'its signers later');

# It is for whom the request is, and forgotten with the signers.
value("CREATE ROLE other; SELECT ignisign_grant('other')");
my ($out, $err) = ('', '');
$node->psql('postgres', "SET ROLE other; SELECT * FROM ignisign_session('$id')", stdout => \$out, stderr => \$err);
like($err, qr/there is no request/, 'not for others');
$node->psql('postgres', 'SET ROLE other; SELECT * FROM ignisign.session', stdout => \$out, stderr => \$err);
like($err, qr/permission denied/, 'nor as rows');
$sandbox->sign(remote($id));
ok(wait_for($node, "SELECT state = 'closed' FROM ignisign_status('$id')"), 'it is closed');
value("SELECT ignisign_purge('signers', '0')");
is(value("SELECT count(*) FROM ignisign.session WHERE request = '$id'"), '0', 'and forgotten');

$node->stop;
done_testing();
