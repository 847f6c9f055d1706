# What happens seldom: key files, mappings that say too little, batches that the
# API refuses, answers that cannot be applied.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('seldom', $sandbox);
my $key_file = PostgreSQL::Test::Utils::tempdir('keys') . '/key';

# Give the mapping other options.
sub map_with
{
	my ($options) = @_;

	return $node->safe_psql('postgres',
		"DROP USER MAPPING FOR public SERVER ignisign; CREATE USER MAPPING FOR public SERVER ignisign OPTIONS ($options)");
}

# Queue a request, and wait until its account is held back for this reason.
sub held_back
{
	my ($reason, $what) = @_;
	my $id = $node->safe_psql('postgres', sign_sql($what, 'ann@example.com'));

	ok(wait_for($node, "SELECT count(*) > 0 FROM ignisign.parked WHERE reason LIKE '%$reason%'"), $what);
	return $id;
}

# Write the key file.
sub write_key
{
	my ($text) = @_;

	unlink $key_file;
	append_to_file($key_file, $text);
	return;
}

# ---- Key files ----

map_with("api_key_file '$key_file'");
my @held = held_back('could not open the key file', 'there is no key file');
write_key("skv2_nonsense\n");
map_with("api_key_file '$key_file'");
push @held, held_back('invalid API key in the key file', 'the key file holds no key');
map_with("secret 's3cret', app_env 'DEVELOPMENT'");
push @held, held_back('no app_id or no app_env', 'a secret without its application');
map_with("app_env 'DEVELOPMENT'");
push @held, held_back('neither api_key nor api_key_file nor secret', 'a mapping without credentials');
write_key($sandbox->key . " \r\n");
map_with("api_key_file '$key_file'");
for my $id (@held)
{
	ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$id')"), 'with the key in its file it is sent');
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM ignisign.parked'), '0', 'and nothing is held back');
unlike(slurp_file($node->logfile), qr/nonsense|s3cret/, 'nothing of the key is in the log');

# ---- A batch that is refused ----

my $log = -s $node->logfile;

$sandbox->fault('status count=1 status=400');
ok( wait_for(sub {
			my @statuses = grep { ($_->{operation} // '') eq 'status' } $sandbox->journal;
			my ($refused) = grep { ($statuses[$_]{status} // 0) == 400 } 0 .. $#statuses;

			return defined $refused && @statuses >= $refused + 3;
		}), 'a refused batch is tried in halves');
$sandbox->fault('status count=7 status=400');
ok($node->wait_for_log(qr/the status of the request "[0-9a-f]+" is refused/, $log), 'down to a single request, which is told');
$sandbox->clear_faults;
$sandbox->sign($_) for split /\n/, $node->safe_psql('postgres', 'SELECT signature_request_id FROM ignisign.request');
for my $id (@held)
{
	ok(wait_for($node, "SELECT status = 'COMPLETED' FROM ignisign_status('$id')"), 'and all are heard of again');
}

# ---- A response that cannot be applied ----

$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.title = 'Unlucky' AND NEW.signature_request_id IS NOT NULL THEN
		RAISE 'not today';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON ignisign.request FOR EACH ROW EXECUTE FUNCTION refuse();
SQL
my $unlucky = $node->safe_psql('postgres', sign_sql('Unlucky', 'ann@example.com'));
my $lucky = $node->safe_psql('postgres', sign_sql('Lucky', 'ann@example.com'));

ok($node->wait_for_log(qr/the response to the call \d+ \(one-call-sign\) of request [-0-9a-f]+ could not be applied: not today/, $log), 'the log names the call whose response cannot be applied');
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$lucky')"), 'the others are applied');
$node->safe_psql('postgres', 'DROP TRIGGER refuse ON ignisign.request');
ok(wait_for($node, "SELECT signature_request_id IS NOT NULL FROM ignisign.request WHERE id = '$unlucky'"), 'it is found again');
is(scalar(grep { $_->{title} eq 'Unlucky' } $sandbox->requests), 1, 'and was sent once');

$node->stop;
done_testing();
