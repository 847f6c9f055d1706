# HTTPS with a certificate of its own making, that a client can check.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::Bin/../lib";
use SandboxTest;
use Test::More;

my $sandbox = SandboxTest->start('--tls');

# By openssl, because Perl's core has no TLS.
sub verify
{
	my ($host) = @_;

	return `openssl s_client -connect 127.0.0.1:$sandbox->{port} -CAfile '$sandbox->{dir}/ca.pem' -verify_return_error -verify_hostname $host </dev/null 2>&1`;
}

like(verify('localhost'), qr/Verify return code: 0 \(ok\)/, 'the certificate is good for localhost');
unlike(verify('example.com'), qr/Verify return code: 0 \(ok\)/, 'and for no other name');
is($sandbox->stop, 0, 'it stops when told to');

done_testing();
