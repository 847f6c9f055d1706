# docs/rest-guide.md does what it says: its blocks of SQL are run as they stand,
# in their order, in one psql; and they make every call of the vendor's guide.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 0, webhook_retries => 0);
my $node = new_node('guide', $sandbox);
my $dir = PostgreSQL::Test::Utils::tempdir();
my $text = slurp_file("$FindBin::RealBin/../../docs/rest-guide.md");
my @blocks = $text =~ /^```sql\n(.*?)^```$/msg;

$node->safe_psql('postgres', 'DROP SERVER ignisign CASCADE');
append_to_file("$dir/document.pdf", pdf('Contract'));

# Ids that the blocks leave in psql, for those who act outside of it.
sub remote_id
{
	my ($title) = @_;

	return $node->safe_psql('postgres', "SELECT signature_request_id FROM ignisign.request WHERE title = '$title'");
}

# What each block prints, and what happens outside of the database after it.
my @expected = (
	[qr/appId_5a4db0c5-0000-4000-8000-000000000001/],
	[qr/^appId_5a4db0c5-0000-4000-8000-000000000001$/m],
	[qr/^appId_5a4db0c5-0000-4000-8000-000000000001$/m],
	[qr/^$/],
	[qr/^$/],
	[qr/^[0-9a-f-]{36}$/m],
	[ qr/^t$/m, sub {
		ok(wait_for($node, "SELECT count(*) = 3 FROM ignisign.request WHERE status = 'IN_PROGRESS'"), 'all are in progress');
	} ],
	[qr/^Contract signature\|open\|IN_PROGRESS\|0\|1\n.*^IN_PROGRESS$/ms],
	[qr/^IN_PROGRESS$/m],
	[qr/^\{"emails": \["jane\@example\.com"\], "canBeAdded": false\}$/m],
	[ qr/^$/, sub {
		ok(wait_for(sub { (grep { ($_->{status} // 0) == 200 } $sandbox->journal('resend-email')) == 1 }), 'the e-mail is sent again');
	} ],
	[ qr/^$/, sub {
		$sandbox->sign(remote_id('Contract signature'));
		ok(wait_for(sub { (grep { $_->{proofStatus} eq 'CREATED' } $sandbox->requests) == 1 }), 'it is signed');
	} ],
	[ qr/^1$/m, sub { ok(wait_for($node, "SELECT count(*) >= 2 FROM ignisign.webhook WHERE state = 'applied'"), 'events were read') } ],
	[qr/^SIGNATURE\|FINALIZED\|SUCCESS\|applied\n.*^user\|created|^api\|sent/ms],
	[qr/^t\n.*^1\|PDF_WITH_SIGNATURES\|\d+\|[0-9a-f]{64}$/ms],
	[qr/^t$/m],
	[ qr/^1$/m, sub {
		like(scalar `pdfsig -nocert $dir/proof.pdf 2>&1`, qr/Signature is Valid/, 'the file is the proof');
	} ],
	[qr/^DOCUMENT_NOT_FOUND.*^document\|dead\|404\|DOCUMENT_NOT_FOUND\|/ms],
	[ qr/^$/, sub { $sandbox->control('POST', 'revoke-logins') } ],
	[ qr/^1$/m, sub {
		is((scalar grep { ($_->{status} // 0) == 401 } $sandbox->journal('list')), 1, 'the token was refused once');
		is(scalar $sandbox->journal('login'), 2, 'and there were two logins');
	} ],
	[qr/^$/],
	[qr/^ignisign\|0\|0\|\w+\|.*^one-call-sign\|done\|200\|2$/ms]);

is(scalar @blocks, scalar @expected, 'each block of the document has its line here');

my ($in, $out, $err) = ('', '', '');
my $psql = IPC::Run::start(
	[
		'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', '-',
		map { ('-v', $_) } 'api_key=' . $sandbox->key, 'base_url=' . $sandbox->url, "pdf=$dir/document.pdf",
		"file=$dir/proof.pdf", 'app_id=appId_5a4db0c5-0000-4000-8000-000000000001', 'secret=sk_development_sandboxsecret'
	],
	'<', \$in, '>', \$out, '2>', \$err,
	IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

for my $n (0 .. $#blocks)
{
	my ($first) = $blocks[$n] =~ /^(.*)/;

	($out, $err) = ('', '');
	$in = $blocks[$n] . "\\echo --done--\n";
	$psql->pump while $out !~ /^--done--$/m && $psql->pumpable;
	$out =~ s/^--done--\n//m;
	is($err =~ s/^psql:.*?NOTICE.*\n//mgr, '', "runs: $first");
	like($out, $expected[$n][0], 'and answers');
	last if $err ne '';
	$expected[$n][1]->() if $expected[$n][1];
}
$in = "\\q\n";
$psql->finish;

# Each endpoint of the guide was called, and took the call.
my %called = map { $_->{operation} => 1 } grep { ($_->{status} // 0) == 200 } $sandbox->journal;
ok($called{$_}, "the guide's $_ was called")
  for qw(one-call-sign upload-document status check-signers resend-email create-webhook-for-topics proof);

# Each piece of the guide's advice has its line.
my ($table) = $text =~ /^\| advice .*?\n((?:\|.*\n)+)/m;
is(scalar(() = $table =~ /^\| [a-z]/mg), 21, 'advice');

$node->stop;
done_testing();
