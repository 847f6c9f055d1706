# What signer profiles need is checked before anything is sent: at once where it
# is known, else by asking first.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('inputs', $sandbox);
my $hex = unpack 'H*', pdf('Lease');
my $nowhere = '67a1c0de0000000000000001';

sub value { return $node->safe_psql('postgres', $_[0]) }

sub refusal
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$out, stderr => \$err);
	return $err;
}

sub count_of { return scalar grep { $_->{processed} } $sandbox->journal($_[0]) }

sub sign_sql_for
{
	my ($title, $signers, $options) = @_;

	return "SELECT ignisign_sign('$title', '\\x$hex'::bytea, ARRAY[$signers]" . ($options ? ", $options" : '') . ')';
}

sub sign { return value(sign_sql_for(@_)) }

sub signer
{
	my ($email, %arguments) = @_;

	return "ignisign_signer('$email\@example.com'" . join('', map { ", $_ => '$arguments{$_}'" } sort keys %arguments) . ')';
}

sub sent
{
	my ($id, $what) = @_;

	return ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$id')"), "$what: sent");
}

sub dead
{
	my ($id, $error, $what) = @_;

	ok(wait_for($node, "SELECT state = 'dead' FROM ignisign_status('$id')"), "$what: dead");
	return like(value("SELECT last_error FROM ignisign_status('$id')"), $error, "$what: says why");
}

# Nothing is known of the profiles any more; what was read is too old, or gone.
sub forget { return value($_[0] ? 'DELETE FROM ignisign.signer_profile' : "UPDATE ignisign.signer_profile SET read_at = read_at - interval '25 hours'") }

my $call = value('SELECT ignisign_signer_profiles()');
my %profile = map { split /=/, $_, 2 } split /\n/,
  value("SELECT (p ->> 'name') || '=' || (p ->> '_id') FROM jsonb_array_elements(ignisign_result($call, '30 s')) p");
my ($name, $phone) = @profile{ 'By e-mail and name', 'By e-mail and SMS' };
my %full = (first_name => 'Ann', last_name => 'Lee');

# Without a profile nothing is asked.
sent(sign('No profile', signer('ann')), 'no profile');
is(count_of('inputs-needed'), 0, 'nothing was asked');

# With one it is asked first, once, and then sent, once.
my $id = sign('Known after', signer('ann', %full, signer_profile_id => $name) . ', ' . signer('bob', %full, signer_profile_id => $name));
sent($id, 'one call');
is(count_of('inputs-needed'), 1, 'one question for two signers');
is(value("SELECT delivery FROM ignisign.request WHERE id = '$id'"), 'one-call', 'in one call');
is(value("SELECT string_agg(operation, ' ' ORDER BY started_at) FROM ignisign.attempt WHERE request = '$id' AND operation <> 'context'"), 'inputs-needed one-call-sign', 'in this order');
is(value("SELECT inputs_needed, optional_inputs FROM ignisign.signer_profile WHERE signer_profile_id = '$name'"),
	'{email,firstName,lastName}|{firstName,lastName,phoneNumber}', 'what it needs is known now');

# What is known is not asked again, and what is missing is refused at once.
$id = sign('Known', signer('ann', %full, signer_profile_id => $name));
sent($id, 'known');
is(count_of('inputs-needed'), 1, 'not asked again');
my $error = refusal(sign_sql_for('Refused', signer('ann') . ', ' . signer('bob', signer_profile_id => $name, first_name => 'Bob')));
like($error, qr/IG008: signer 2 lacks lastName, which signer profile $name needs/, 'refused at once');
like($error, qr/HINT:.*ignisign_inputs_needed/, 'with a hint');
like(refusal(sign_sql_for('Refused', signer('bob', signer_profile_id => $name), "delivery => 'staged'")),
	qr/IG008: signer 1 lacks firstName, lastName, which/, 'staged, too');
is(value("SELECT count(*) FROM ignisign.request WHERE title = 'Refused'"), '0', 'nothing is left of it');

# A user's question makes it known.
forget(1);
$call = value("SELECT ignisign_inputs_needed('$phone')");
is(value("SELECT ignisign_result($call, '30 s') -> 'inputsNeeded' ->> 3"), 'phoneNumber', 'a user asks');
like(refusal(sign_sql_for('Refused', signer('bob', %full, signer_profile_id => $phone))), qr/signer 1 lacks phoneNumber, which/, 'and it is known');

# What is missing shows only in the answer: nothing is sent, and it can be mended.
for my $delivery ('one-call', 'staged')
{
	my %before = map { $_ => count_of($_) } qw(one-call-sign create-request create-signer);
	my $emails = $sandbox->counts->{emails};

	forget();
	$id = sign("Missing $delivery", signer('eve', signer_profile_id => $name, first_name => 'Eve'), "delivery => '$delivery'");
	dead($id, qr/^signer 1 lacks lastName, which signer profile $name needs$/, $delivery);
	is(value("SELECT string_agg(operation, ' ') FROM ignisign.call WHERE request = '$id'"), 'inputs-needed', "$delivery: only the question is left");
	is(count_of($_), $before{$_}, "$delivery: no $_") for sort keys %before;
	is($sandbox->counts->{emails}, $emails, "$delivery: nobody was asked");
	is(value("SELECT count(*) FROM ignisign.event WHERE request = '$id' AND kind = 'dead'"), '1', "$delivery: it stands in its history");
	is(value("SELECT ignisign_wait('$id', 'SENT', '30 s')"), 'f', "$delivery: and is not waited for");
	value("SELECT ignisign_retry_request('$id')");
	ok(wait_for($node, "SELECT count(*) = 2 FROM ignisign.event WHERE request = '$id' AND kind = 'dead'"), "$delivery: retried, it is checked again");
	value("UPDATE ignisign.signer SET last_name = 'Ray' WHERE request = '$id'");
	value("SELECT ignisign_retry_request('$id')");
	sent($id, "$delivery mended");
	is($sandbox->counts->{emails}, $emails + 1, "$delivery: one e-mail");
}

# What only a staged request carries counts, too; two profiles are two questions.
forget();
my $asked = count_of('inputs-needed');
($id, my $queued) = split /\n/, value('BEGIN; '
	  . sign_sql_for('Two', signer('two', %full, signer_profile_id => $name) . ', ' . signer('tel', %full, signer_profile_id => $phone, phone_number => '+352621000000'))
	  . "; SELECT string_agg(c.operation, ' ') FROM ignisign.call c JOIN ignisign.request r ON r.id = c.request WHERE r.title = 'Two'; COMMIT");
is($queued, 'inputs-needed inputs-needed', 'nothing else is queued yet');
sent($id, 'two profiles');
is(count_of('inputs-needed'), $asked + 2, 'two questions');
is(value("SELECT delivery FROM ignisign.request WHERE id = '$id'"), 'staged', 'staged for the phone number');

# One answer says that something is missing, the other does not.
forget();
my $before = count_of('create-request');
$id = sign('Half', signer('two', %full, signer_profile_id => $name) . ', ' . signer('eve', %full, signer_profile_id => $phone), "delivery => 'staged'");
dead($id, qr/signer 2 lacks phoneNumber/, 'half');
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.signer WHERE request = '$id' AND checked_at IS NOT NULL"), 'half: one is checked');
is(count_of('create-request'), $before, 'half: no draft');

# A profile that is not there.
for my $delivery ('one-call', 'staged')
{
	my %before = map { $_ => count_of($_) } qw(one-call-sign create-request);

	$id = sign("Nowhere $delivery", signer('ann', %full, signer_profile_id => $nowhere), "delivery => '$delivery'");
	dead($id, qr/^SIGNER_PROFILE_NOT_FOUND: HTTP status 404/, "$delivery, no profile");
	is(count_of($_), $before{$_}, "$delivery, no profile: no $_") for sort keys %before;
}
is(value("SELECT count(*) FROM ignisign.signer_profile WHERE signer_profile_id = '$nowhere'"), '0', 'and nothing is known of it');

# The question is repeated when its answer is lost or cannot be used; the server
# may crash meanwhile.
for my $fault ('close=after', 'garbage', 'status=503')
{
	my $emails = $sandbox->counts->{emails};

	forget();
	$sandbox->fault("inputs-needed count=1 $fault");
	sent(sign($fault, signer('ann', %full, signer_profile_id => $name)), $fault);
	is($sandbox->counts->{emails}, $emails + 1, "$fault: one e-mail");
}
forget();
my $emails = $sandbox->counts->{emails};
$sandbox->fault('inputs-needed count=1 delay-after=3000');
$id = sign('Crash', signer('ann', %full, signer_profile_id => $name));
ok(wait_for($node, "SELECT state = 'sending' FROM ignisign_status('$id')"), 'the question is under way');
$node->stop('immediate');
$node->start;
sent($id, 'crash');
is($sandbox->counts->{emails}, $emails + 1, 'crash: one e-mail');

# Cancelled meanwhile, nobody is asked.
forget();
$sandbox->fault('inputs-needed count=1 status=503 retry-after=3600');
$id = sign('Cancelled', signer('ann', %full, signer_profile_id => $name));
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.call WHERE request = '$id' AND state = 'pending' AND http_status = 503"), 'the question waits');
value("ALTER SERVER ignisign OPTIONS (ADD connect_timeout '10000')");    # others do not
is(value("SELECT state FROM ignisign_status('$id')"), 'queued', 'for people it is queued');
value("SELECT ignisign_cancel('$id')");
is(value("SELECT state FROM ignisign_status('$id')"), 'discarded', 'cancelled');
$sandbox->clear_faults;

# Where Ignisign knows signers from before, the check can be turned off.
forget(1);
value("ALTER SERVER ignisign OPTIONS (ADD check_inputs 'false')");
$asked = count_of('inputs-needed');
$id = sign('Unchecked', signer('eve', signer_profile_id => $name));
dead($id, qr/SIGNER_CREATION__INPUT_FIELD_MISSING/, 'unchecked, Ignisign judges');
is(count_of('inputs-needed'), $asked, 'without a question');
value('ALTER SERVER ignisign OPTIONS (DROP check_inputs)');

# What one role has read is not another's.
$call = value("SELECT ignisign_inputs_needed('$phone')");
value("SELECT ignisign_result($call, '30 s')");
value("CREATE ROLE other; SELECT ignisign_grant('other')");
is(value('SELECT count(*) FROM ignisign.signer_profile'), '1', 'who asked sees it');
is(value('SET ROLE other; SELECT count(*) FROM ignisign.signer_profile'), '0', 'nobody else');

$node->stop;
done_testing();
