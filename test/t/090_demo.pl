# The demo: its first act as it is run for everybody, and the second, in which a
# contract is signed at the link, refused, or left.

use strict;
use warnings FATAL => 'all';

use FindBin;
use File::Temp;
use HTTP::Tiny;
use IPC::Run;
use Test::More;

# It runs in a folder like that of "./dev demo", with the programs of the tests.
plan skip_all => 'only in ./dev test' unless $ENV{IGNISIGN_SCRATCH};

my $top = "$FindBin::RealBin/../..";
my $dir = File::Temp->newdir;
my $patience = $ENV{PG_TEST_TIMEOUT_DEFAULT} // 180;

mkdir "$dir/$_" or die "mkdir: $!" for qw(log s tmp);
$ENV{IGNISIGN_SCRATCH} = "$dir";
$ENV{TMPDIR} = "$dir/tmp";
@ENV{qw(PGHOST PGUSER PGDATABASE)} = ("$dir/s", 'postgres', 'postgres');
$ENV{IGNISIGN_BY_HAND} = 'yes';
delete @ENV{qw(PGPORT PGSERVICE PGOPTIONS)};

# Start a command, wait until it prints what is looked for and do something with
# that, then wait for its end; returns how it ended, and all that it printed.
sub watch
{
	my ($command, $pattern, $act) = @_;
	my $out = '';
	my $timer = IPC::Run::timeout($patience);
	my $run = IPC::Run::start($command, '<', '/dev/null', '>&', \$out, $timer);

	eval
	{
		$run->pump until $out =~ $pattern || !$run->pumpable;
		$act->($1, $run) if $out =~ $pattern;
		$run->finish;
		1;
	} or do
	{
		diag "$@$out";
		$run->kill_kill;
		return (-1, $out);
	};
	return ($run->full_result(0), $out);
}

sub submit
{
	my ($link, $form) = @_;

	return HTTP::Tiny->new(max_redirect => 0, no_proxy => ['127.0.0.1'])->post_form($link, $form)->{status};
}

my $link = qr{^     (http://127\.0\.0\.1:\d+/sign/\S+)\n}m;
my ($result, $out) = watch([ "$top/dev", '_demo_test' ], qr{$link.*^   \| +[\d.]+  IN_PROGRESS   1/2}ms, sub {
	my ($link) = @_;

	is(submit($link, { action => 'sign' }), 303, 'whoever opens the link signs');
});
is($result, 0, 'the demo succeeds') or diag $out;
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
($result, $out) = watch($by_hand, $link, sub {
	is(submit($_[0], { action => 'refuse', reason => 'The rent is too high' }), 303, 'one may refuse');
});
is($result, 0, 'which is no failure') or diag $out;
like($out, qr/FAILED .*You have refused.*The signer refused: The rent is too high/s, 'one reads why');
($result, $out) = watch($by_hand, qr{$link.*(IN_PROGRESS)}s, sub { $_[1]->signal('INT') });
is($result, 0, 'one may leave') or diag $out;
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
