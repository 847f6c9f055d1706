# HTTPS: the certificate is always checked, against ca_file if there is one, and
# redirects are not followed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir('tls');
my $sandbox = start_sandbox(tls => undef, tls_dir => $dir);
my $node = new_node('tls', $sandbox);

my $id = $node->safe_psql('postgres', sign_sql('TLS', 'ann@example.com'));

ok(wait_for($node, "SELECT last_error ~* 'certificate' FROM ignisign_status('$id')"),
	'a certificate that nobody vouches for is refused');
is(scalar($sandbox->journal), 0, 'and nothing is sent');

$node->safe_psql('postgres', "ALTER SERVER ignisign OPTIONS (ADD ca_file '$dir/ca.pem')");
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'SENT', '30 seconds')"),
	't', 'with its authority in ca_file the request goes out');

# By a name that is not in the certificate.

my $url = $sandbox->url =~ s/127\.0\.0\.1/127.0.0.2/r;

$node->safe_psql('postgres', "ALTER SERVER ignisign OPTIONS (SET base_url '$url')");
$id = $node->safe_psql('postgres', sign_sql('TLS 2', 'ann@example.com'));
ok(wait_for($node, "SELECT last_error IS NOT NULL FROM ignisign_status('$id')"), 'another host name is refused');
is(scalar(grep { $_->{title} eq 'TLS 2' } $sandbox->requests), 0, 'and nothing is sent');
$node->safe_psql('postgres', "ALTER SERVER ignisign OPTIONS (SET base_url '@{[ $sandbox->url ]}')");
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'SENT', '30 seconds')"),
	't', 'with the right one again the request goes out');

# A redirect would carry the key elsewhere.

my $elsewhere = start_sandbox();

$sandbox->fault('one-call-sign count=1 redirect=' . $elsewhere->url . '/v4/healthcheck');
$id = $node->safe_psql('postgres', sign_sql('Redirected', 'ann@example.com'));
ok(wait_for($node, "SELECT state = 'dead' FROM ignisign_status('$id')"), 'a redirect is a refusal');
is(scalar($elsewhere->journal), 0, 'and is not followed');

$node->stop;
done_testing();
