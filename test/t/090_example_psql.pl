# examples/psql: connecting, and a file that is signed from a shell.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use Digest::SHA qw(sha256_hex);
use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox(sign_after => 0, proof_delay => 0);
my $node = new_node('psql');
my $dir = PostgreSQL::Test::Utils::tempdir();

like(connect_example($node, $sandbox), qr/appId_/, 'an administrator connects the role');
like(connect_example($node, $sandbox), qr/appId_/, 'and can do so again');

# Larger than a command line may be, and with a name that has to be quoted.
append_to_file("$dir/it's \$a lease.pdf", pdf('lease') . '%' . 'x' x 300_000 . "\n");
my ($status, $out, $err) = run_example($node, 'app', [ example('psql/sign.sh'), "$dir/it's \$a lease.pdf", 'ann@example.com', 'Ann', "O'Lee" ]);
is("$status $err", '0 ', 'the script succeeds');
like($out, qr/^Request [0-9a-f-]{36} is on its way to ann\@example\.com\.\nSigned: .*-signed\.pdf$/, 'it tells what it does');
my $signed = slurp_file("$dir/it's \$a lease-signed.pdf");
is( $node->safe_psql('postgres', "SELECT encode(sha256, 'hex') FROM ignisign.proof"),
	sha256_hex($signed),
	'the file that it wrote is the proof');
is($node->safe_psql('postgres', 'SELECT r.owner, r.title, s.last_name FROM ignisign.request r JOIN ignisign.signer s ON s.request = r.id'),
	"app|it's \$a lease.pdf|O'Lee", 'and names arrived as they are');

# One that cannot be signed in time.
$sandbox->fault('one-call-sign share=1 status=503');
($status, $out, $err) = run_example($node, 'app', [ example('psql/sign.sh'), "$dir/it's \$a lease.pdf", 'bob@example.com', 'Bob', 'Ray' ], PATIENCE => '100 ms');
is($status, 1, 'without a proof it fails');
like($err, qr/There is no proof yet.*state\|\w+\n/s, 'and says how it stands');

$node->stop;
done_testing();
