# Times mean the same in any zone and style: of the server, of a database, of who
# signs, and on the wire.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use POSIX qw(strftime);
use Test::More;

my $sandbox = start_sandbox();

# The server far east of Greenwich, the database west of it, by half an hour.
my $node = new_node('zones', $sandbox,
	timezone => "'Pacific/Kiritimati'",
	log_timezone => "'Pacific/Kiritimati'",
	'ignisign.reconcile_delay' => '500ms');

$node->safe_psql('postgres', "ALTER DATABASE postgres SET TimeZone = 'America/St_Johns'; ALTER DATABASE postgres SET DateStyle = 'SQL, DMY'");
$node->restart;

sub value { return $node->safe_psql('postgres', $_[0]) }

# What expires is told in UTC, however it is written, and in summer and winter.

my $hex = unpack 'H*', pdf('zones');
my %at = (
	"'2098-07-01 12:00:00'" => '2098-07-01T14:30:00.000Z',
	"'2098-01-01 00:15:00'" => '2098-01-01T03:45:00.000Z',
	"'31/12/2097 23:59:59.5 Asia/Kathmandu'" => '2097-12-31T18:14:59.500Z',
	"timestamp '2098-07-01 12:00:00' AT TIME ZONE 'UTC'" => '2098-07-01T12:00:00.000Z');

for my $written (sort keys %at)
{
	my $id = value("SELECT ignisign_sign(title => 'Zones', document => '\\x$hex'::bytea, expires_at => $written, signers => ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')])");

	is(value("SELECT ignisign_wait('$id', 'SENT', '60 s')"), 't', "$written: sent");
	my $call = value("SELECT ignisign_request_context(signature_request_id) FROM ignisign.request WHERE id = '$id'");
	is(value("SELECT ignisign_result($call, '60 s') ->> 'expirationDate'"), $at{$written}, "$written: expires at that time");
}

# What is lost is looked for by time.

$sandbox->fault('one-call-sign count=1 close=after');
my $lost = value(sign_sql('Lost', 'ann@example.com'));
is(value("SELECT ignisign_wait('$lost', 'SENT', '60 s')"), 't', 'a lost answer: the request is found');
is(scalar(grep { $_->{title} eq 'Lost' } $sandbox->requests), 1, 'and was sent once');
is(value("SELECT string_agg(source, ' ') FROM ignisign.event WHERE request = '$lost' AND kind = 'sent'"), 'reconcile', 'by looking for it');

# A pause is asked for until a time in GMT.

$sandbox->fault('one-call-sign count=1 status=503 retry-after='
	  . (strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime(time + 4)) =~ tr/ /_/r));
my $late = value(sign_sql('Late', 'ann@example.com'));
is(value("SELECT ignisign_wait('$late', 'SENT', '60 s')"), 't', 'Retry-After with a date: it is sent');
is(value(<<~"SQL"), 't', 'after that time, and not hours later');
	SELECT max(started_at) - min(started_at) BETWEEN interval '2.5 seconds' AND interval '1 minute'
	FROM ignisign.attempt WHERE request = '$late' AND operation = 'one-call-sign'
	SQL

# What is told to others is a time with its zone.

value('CREATE TABLE told (at timestamptz)');
value("CREATE FUNCTION tell(request uuid, event jsonb) RETURNS void LANGUAGE sql AS \$\$ INSERT INTO told SELECT (event ->> 'at')::timestamptz \$\$");
value("SELECT ignisign_on('sent', 'tell(uuid, jsonb)')");
my $told = value(sign_sql('Told', 'ann@example.com'));
ok(wait_for($node, 'SELECT count(*) = 1 FROM told'), 'a callback is called');
is(value("SET TimeZone = 'UTC'; SELECT t.at = e.at FROM told t, ignisign.event e WHERE e.request = '$told' AND e.kind = 'sent'"), 't', 'with the time of its event');

$node->stop;
done_testing();
