# HTTPS: the certificate is always checked, against ca_file alone if there is one, and
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

# The authorities of the system are trusted only without a ca_file.

SKIP:
{
	skip 'libcurl has no folder of authorities', 8
	  unless qx(curl-config --configure) =~ m{--with-ca-path=/etc/ssl/certs\b};

	my $system_dir = PostgreSQL::Test::Utils::tempdir('system');
	my $other_dir = PostgreSQL::Test::Utils::tempdir('other');
	my $system = start_sandbox(tls => undef, tls_dir => $system_dir);
	my $other = start_sandbox(tls => undef, tls_dir => $other_dir);
	my $preload = "$system_dir/ca_folder.so";

	system("openssl rehash $system_dir >$system_dir/log 2>&1") == 0 or die 'openssl rehash failed';
	# This authority has a name of its own: OpenSSL takes the first authority of a name.
	system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=another"
		  . " -keyout $other_dir/another.key -out $other_dir/another.pem >$other_dir/log 2>&1") == 0
	  or die 'openssl makes no certificate';
	system("cc -D_GNU_SOURCE -shared -fPIC -o $preload $FindBin::RealBin/../tools/ca_folder.c -ldl") == 0
	  or die 'cc failed';
	{
		local $ENV{LD_PRELOAD} = join ' ', grep { defined } $ENV{LD_PRELOAD}, $preload;
		local $ENV{CA_FOLDER} = $system_dir;
		$node->restart;
	}

	# Queue a request, once the server has these options.  Returns "sent", or why it was not.
	my $attempt = sub {
		my ($title, $options) = @_;

		$node->safe_psql('postgres', "ALTER SERVER ignisign OPTIONS ($options)") if $options;
		my $request = $node->safe_psql('postgres', sign_sql($title, 'ann@example.com'));
		my $status = "FROM ignisign_status('$request')";
		my $result;

		wait_for($node, "SELECT sent_at IS NOT NULL OR last_error ~* 'certificate' $status");
		$result = $node->safe_psql('postgres', "SELECT CASE WHEN sent_at IS NULL THEN last_error ELSE 'sent' END $status");
		wait_for($node, "SELECT ignisign_discard_request('$request') = 1") if $result ne 'sent';
		return $result;
	};
	my ($url, $other_url) = ($system->url, $other->url);

	is($attempt->('Sent 1', "DROP ca_file, SET base_url '$url'"),
		'sent', 'without ca_file an authority of the system is accepted');
	like($attempt->('Not sent 1', "ADD ca_file '$other_dir/another.pem'"),
		qr/certificate/i, 'where ca_file names another authority, one of the system is refused');
	is(join(' ', map { $_->{title} } $system->requests), 'Sent 1', 'and nothing is sent');

	is($attempt->('Sent 2', "SET base_url '$other_url', SET ca_file '$other_dir/ca.pem'"),
		'sent', 'the authority in ca_file is accepted');

	# At each start a sandbox makes an authority.
	$other->stop;
	$other->start;
	is($attempt->('Sent 3', ''), 'sent', 'the file is read for each connection');

	like($attempt->('Not sent 2', "SET ca_file '$dir/ca.pem'"),
		qr/certificate/i, 'a connection is not used again where ca_file names another authority');
	like($attempt->('Not sent 3', "SET ca_file '$dir/none.pem'"), qr/certificate/i, 'nor where ca_file names no file');
	is(join(' ', map { $_->{title} } $other->requests), 'Sent 3', 'and nothing is sent');
}

$node->stop;
done_testing();
