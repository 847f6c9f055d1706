# The demo: its first act as it is run for everybody, and the second, in which a
# contract is signed at the link, refused, or left.  It runs beside another demo,
# and beside other tests.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use File::Temp;
use HTTP::Tiny;
use IPC::Run;

use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;

# It runs in a folder like that of "./dev demo", with the programs of the tests.
plan skip_all => 'only in ./dev test' unless $ENV{IGNISIGN_SCRATCH};

my $top = "$FindBin::RealBin/../..";
my $dir = File::Temp->newdir;
my $logs = "$PostgreSQL::Test::Utils::log_path/090_demo";

# Where a test fails, this folder of logs is kept.
mkdir $_ or die "mkdir: $!" for "$dir/s", "$dir/tmp", $logs;
symlink $logs, "$dir/log" or die "symlink: $!";
$ENV{IGNISIGN_SCRATCH} = "$dir";
$ENV{TMPDIR} = "$dir/tmp";
@ENV{qw(PGHOST PGUSER PGDATABASE)} = ("$dir/s", 'postgres', 'postgres');
$ENV{IGNISIGN_BY_HAND} = 'yes';
delete @ENV{qw(PGPORT PGSERVICE PGOPTIONS)};

# A demo stops its server for a while.  Another one that starts then must not take
# the port.
$ENV{IGNISIGN_DEMO_PORT} = free_port();

# Show what it printed and the end of each log, and give up.
sub give_up
{
	my ($why, $out) = @_;

	diag $out;
	for my $log (sort glob("$logs/*"))
	{
		my @lines = split /^/, slurp_file($log);

		diag "The end of $log:\n", @lines > 20 ? @lines[ -20 .. -1 ] : @lines;
	}
	die "$why\n";
}

# Start a command, wait until it prints what is looked for and do something with
# that, then wait for its end, which is a success; returns all that it printed.
sub watch
{
	my ($what, $command, $pattern, $act) = @_;
	my $out = '';
	my $timer = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);
	my $run = IPC::Run::start($command, '<', '/dev/null', '>&', \$out, $timer);

	eval
	{
		$run->pump until $out =~ $pattern || !$run->pumpable;
		$act->($1, $run) if $out =~ $pattern;
		$run->finish;
		1;
	} or do
	{
		my $error = $@;

		$run->kill_kill;
		give_up($error, $out);
	};
	is($run->full_result(0), 0, $what) or give_up('the demo failed', $out);
	return $out;
}

sub submit
{
	my ($link, $form) = @_;

	return HTTP::Tiny->new(max_redirect => 0, no_proxy => ['127.0.0.1'])->post_form($link, $form)->{status};
}

# Whatever listens on the first port that the demo tries keeps all connections.
my $other = eval { start_sandbox(port => 8017) };

my $link = qr{^     (http://127\.0\.0\.1:\d+/sign/\S+)\n}m;
my $out = watch('the demo succeeds', [ "$top/dev", '_demo_test' ], qr{$link.*^   \| +[\d.]+  IN_PROGRESS   1/2}ms, sub {
	my ($link) = @_;

	is(submit($link, { action => 'sign' }), 303, 'whoever opens the link signs');
});
unlike($out, qr/:8017\b/, 'with a sandbox of its own');
my ($first, $second) = split /SECOND ACT/, $out;
like($first, qr/COMPLETED     2\/2     CREATED          1\n/, 'the first contract is completed');
like($first, qr/lease-42-signed\.pdf.*the SHA-256 is the one in the table/s, 'and written to a file');
like($second, qr/IN_PROGRESS   1\/2 .*COMPLETED     2\/2     CREATED          1\n/s, 'one watches the second turn COMPLETED');
like($second, qr/pdfsig: signed by ann\@example\.com.*pdfsig: signed by you\@example\.com/s, 'it has both signatures') if `which pdfsig`;
ok(-s "$dir/lease-43-signed.pdf", 'and is a file, too');
like($second, qr{Done\. The server and the sandbox still run.*/console}s, 'it says what else there is');

# The second act alone, again and again.
$ENV{IGNISIGN_URL} = do { local (@ARGV, $/) = "$dir/sandbox.url"; <> } =~ s/\s//r;
my $by_hand = [ 'sh', "$top/examples/demo/by-hand.sh" ];
$out = watch('which is no failure', $by_hand, $link, sub {
	is(submit($_[0], { action => 'refuse', reason => 'The rent is too high' }), 303, 'one may refuse');
});
like($out, qr/FAILED .*You have refused.*The signer refused: The rent is too high/s, 'one reads why');
$out = watch('one may leave', $by_hand, qr{$link.*(IN_PROGRESS)}s, sub { $_[1]->signal('INT') });
like($out, qr/Left for later.*Done\./s, 'for later');

END
{
	local $?;
	if (defined $dir)
	{
		system('pg_ctl', '-D', "$dir/data", '-m', 'immediate', '-s', 'stop');
		kill 'TERM', do { local (@ARGV, $/) = "$dir/sandbox.ready"; <> } =~ /(\d+)/ if -s "$dir/sandbox.ready";
	}
}

done_testing();
