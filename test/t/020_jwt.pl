# Logging in with an application's secret: one token for all calls, renewed
# before it expires and once when it is refused.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('jwt', $sandbox, 'ignisign.max_retry_delay' => "'100ms'");
my $mapping = "app_id 'appId_5a4db0c5-0000-4000-8000-000000000001', app_env 'DEVELOPMENT'";

sub refusal
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', $sql, stdout => \$out, stderr => \$err);
	return $err;
}

sub logins { return scalar grep { $_->{processed} } $sandbox->journal('login') }

# Send a request, and wait until it is.
sub sent
{
	my ($title) = @_;
	my $id = $node->safe_psql('postgres', sign_sql($title, 'ann@example.com'));

	ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$id')"), "$title is sent");
	return $id;
}

# What a mapping takes.
my $alter = 'ALTER USER MAPPING FOR PUBLIC SERVER ignisign OPTIONS';
like(refusal("$alter (ADD secret 'x')"), qr/option "secret" excludes "api_key"/, 'either a key or a secret');
like(refusal("$alter (DROP api_key, ADD secret 'skv2_development_x')"), qr/invalid value for option "secret"/, 'a key is no secret');
like(refusal("$alter (DROP api_key, ADD app_id '42')"), qr/invalid value for option "app_id"/, 'an id that is none');
like(refusal("$alter (DROP api_key, ADD app_env 'TEST')"), qr/invalid value for option "app_env"/, 'an environment that is none');
unlike(refusal("$alter (DROP api_key, ADD secret 'sk hunter2')"), qr/hunter2/, 'no message repeats a secret');

# Many calls share a token.
$node->safe_psql('postgres', "$alter (DROP api_key, ADD $mapping, ADD secret 'sk_development_sandboxsecret')" =~ s/, app_env/, ADD app_env/r);
sent("Contract $_") for 1 .. 3;
my $hex = unpack 'H*', pdf('Many');
$node->safe_psql('postgres', "SELECT ignisign_sign('Many ' || n, '\\x$hex'::bytea, '[{\"email\": \"ann\@example.com\"}]'::jsonb) FROM generate_series(1, 100) n");
ok(wait_for($node, "SELECT count(*) = 103 FROM ignisign.request WHERE sent_at IS NOT NULL"), 'many are sent');
is(logins(), 1, 'with one login');
is($sandbox->counts->{requests}, 103, 'each once');

# All tokens become invalid: one login more, nothing parked, nobody asked twice.
$sandbox->control('POST', 'revoke-logins');
sent('Revoked');
is(logins(), 2, 'a refused token is renewed once');
is($node->safe_psql('postgres', 'SELECT count(*) FROM ignisign.parked'), '0', 'and nothing is held back');

# Again and again: each token was of use before.
for my $n (2 .. 4)
{
	$sandbox->control('POST', 'revoke-logins');
	sent("Revoked $n");
	is(logins(), $n + 1, "token $n is renewed, too");
}
unlike(slurp_file($node->logfile), qr/are held back/, 'and nothing was held back');
my $logins = logins();

# The API refuses whatever token: the account is parked, and says why.
$sandbox->fault('one-call-sign share=1 status=401');
my $parked = $node->safe_psql('postgres', sign_sql('Refused', 'ann@example.com'));
ok(wait_for(sub { slurp_file($node->logfile) =~ /are held back: .*HTTP status 401/ }),
	'a new token that is refused, too, parks the account');
cmp_ok(logins() - $logins, '<=', 3, 'without logging in again and again');
$sandbox->clear_faults;
$node->reload;
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$parked')"), 'it goes on');

# A wrong secret.
$node->safe_psql('postgres', "$alter (SET secret 'sk_development_hunter2')");
my $wrong = $node->safe_psql('postgres', sign_sql('Wrong', 'ann@example.com'));
ok(wait_for($node, "SELECT last_error LIKE '%AUTHENTICATION_FAILED%' FROM ignisign_status('$wrong')"), 'a wrong secret is told');
unlike(slurp_file($node->logfile), qr/hunter2|eyJ/, 'neither secret nor token is in the log');
$node->safe_psql('postgres', "$alter (SET secret 'sk_development_sandboxsecret')");
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$wrong')"), 'mended, it is sent');

# A login fails for a while.
$sandbox->control('POST', 'revoke-logins');
$sandbox->fault('login count=2 status=503');
sent('After an outage');

# What cannot log in delays nobody else: neither who has a key, nor another
# secret; and nothing is sent without a token meanwhile.
sub refused { return scalar grep { ($_->{status} // 0) == 401 } $sandbox->journal }
sub failed_logins { return $node->safe_psql('postgres', "SELECT count(*) FROM ignisign.attempt WHERE operation = 'login' AND http_status = 503") }

$sandbox->fault('login share=1 status=503');
$node->restart;
my $failures = failed_logins();
my $waiting = $node->safe_psql('postgres', sign_sql('Waiting', 'ann@example.com'));
ok(wait_for(sub { failed_logins() >= $failures + 2 }), 'logins fail');
my $refused = refused();
$node->safe_psql('postgres', "SELECT ignisign_connect('" . $sandbox->key . "', base_url => '" . $sandbox->url . "', server => 'keyed', for_role => 'public')");
my $keyed = $node->safe_psql('postgres', sign_sql('Keyed', 'bob@example.com') =~ s/\)\z/, server => 'keyed')/r);
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$keyed')"), 'meanwhile who has a key is served');
is($node->safe_psql('postgres', "SELECT state FROM ignisign_status('$waiting')"), 'queued', 'the other one waits');
ok(wait_for(sub { failed_logins() >= $failures + 4 }), 'logins fail again');
is(refused(), $refused, 'and nothing is sent without a token');
$sandbox->clear_faults;
$node->reload;
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$waiting')"), 'then it logs in and goes on');
$node->safe_psql('postgres', "CREATE SERVER wrong FOREIGN DATA WRAPPER ignisign OPTIONS (base_url '" . $sandbox->url . "');"
	  . " CREATE USER MAPPING FOR PUBLIC SERVER wrong OPTIONS ($mapping, secret 'sk_development_hunter2')");
my $never = $node->safe_psql('postgres', sign_sql('Never', 'eve@example.com') =~ s/\)\z/, server => 'wrong')/r);
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.parked WHERE server = 'wrong'"), 'a wrong secret parks its own account');
sent('Meanwhile');
is($node->safe_psql('postgres', "SELECT state FROM ignisign_status('$never')"), 'queued', 'and no other');
$node->safe_psql('postgres', "SELECT ignisign_discard_request('$never'); DROP SERVER wrong CASCADE; DROP SERVER keyed CASCADE");

# Tokens of a short life are renewed before they end.
$node->stop;
$sandbox->stop;
$sandbox = start_sandbox(jwt_lifetime => 16000);
$node->start;
$node->safe_psql('postgres', sprintf "ALTER SERVER ignisign OPTIONS (SET base_url '%s')", $sandbox->url);
sent('Short one');
ok(wait_for(sub {
		$node->safe_psql('postgres', 'SELECT ignisign_application()');
		return logins() >= 2;
	}), 'tokens are renewed');
is((scalar grep { ($_->{status} // 0) == 401 } $sandbox->journal), 0, 'and no call is refused');

$node->stop;
done_testing();
