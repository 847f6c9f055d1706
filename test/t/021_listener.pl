# The listener: webhooks without any front.  Who has no token learns nothing, who
# is slow or floods harms nobody else, and what is answered with 200 is stored.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::IP;
use IO::Socket::SSL;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $sandbox = start_sandbox(proof_delay => 0, webhook_retries => 1000, webhook_retry_delay => 100);
my $port = free_port();

# Polls come too seldom to help.
my $node = new_node('listener', $sandbox, 'ignisign.refresh_interval' => "'1h'",
	log_statement => 'all', log_connections => 'on', max_worker_processes => 20);
my $address = "127.0.0.1:$port";
my $token_like = 'ab' x 32;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub refused
{
	my ($query) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', $query, stdout => \$out, stderr => \$err);
	return $err;
}

# Change settings of the whole server, and wait until the listener has heard.
sub configure
{
	my (%setting) = @_;

	sql(defined $setting{$_} ? "ALTER SYSTEM SET ignisign.$_ = '$setting{$_}'" : "ALTER SYSTEM RESET ignisign.$_") for sort keys %setting;
	sql('SELECT pg_reload_conf()');
	return;
}

sub listens
{
	my ($where, $name) = @_;

	return ok(wait_for($node, "SELECT listener = 'listening on $where' FROM ignisign_stats() LIMIT 1"), $name);
}

# Send bytes as they are over a connection of their own; returns all that comes
# back until the other end closes.
sub raw
{
	my ($bytes, %option) = @_;
	my $socket = $option{socket} // IO::Socket::INET->new(PeerAddr => $option{address} // $address) // die "connect: $!";

	print $socket $bytes;
	$socket->flush;
	return slurp($socket);
}

sub slurp
{
	my ($socket) = @_;
	my $answer = '';
	my $select = IO::Select->new($socket);

	while ($select->can_read(60))
	{
		my $n = sysread $socket, $answer, 4096, length $answer;

		return $answer unless $n;
	}
	die "no end; so far: $answer";
}

sub request
{
	my ($path, $body, %header) = @_;
	my $method = delete $header{method} // 'POST';

	%header = (Host => 'x', 'Content-Type' => 'application/json', 'Content-Length' => length($body), %header);
	return "$method $path HTTP/1.1\r\n"
	  . join('', map { "$_: $header{$_}\r\n" } grep { defined $header{$_} } sort keys %header)
	  . "\r\n$body";
}

sub status { return $_[0] =~ m{^HTTP/1\.[01] (\d+)} ? $1 : "none: $_[0]" }

sub post
{
	my (@request) = @_;

	return status(raw(request(@request)));
}

my $serial = 0;

sub message
{
	my (%field) = @_;

	$serial++;
	return encode_json({ appId => 'appId_5a4db0c5-0000-4000-8000-000000000001', appEnv => 'DEVELOPMENT', topic => 'SIGNER',
			action => 'CREATED', msgNature => 'INFO', content => { signerId => 'x' }, verificationToken => "t$serial", %field });
}

sub listener_pid
{
	return $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'ignisign listener' AND datname = '" . ($_[0] // 'postgres') . "'");
}

sub log_since { return substr(slurp_file($node->logfile), $_[0]) }

# ---- Settings ----

for my $value ('8443', 'localhost:8443', '127.0.0.1:0', '127.0.0.1:65536', '127.0.0.1:', '::1:8443', '[::1]', '127.0.0.1:84x')
{
	like(refused("ALTER SYSTEM SET ignisign.webhook_listen = '$value'"), qr/invalid value for parameter/, "no address: $value");
}
is(sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'ignisign listener'"), '0', 'off by default');
sql("CREATE ROLE hooks LOGIN; CREATE ROLE other LOGIN; SELECT ignisign_grant('hooks'), ignisign_grant('other')");
like(refused('SET ROLE hooks; SELECT ignisign_listen()'), qr/nobody listens/, 'an endpoint can be made before anybody listens');
is(sql('SELECT ignisign_unlisten()'), '0', 'nobody removes the endpoints of others');
is(sql('SET ROLE hooks; SELECT ignisign_unlisten()'), '1', 'but their own');
like(refused("SELECT ignisign_unlisten(path => '/ignisign/x')"), qr/not one that ignisign_listen/, 'or says what is wrong');
configure(webhook_listen => $address, webhook_timeout => '2s');
listens($address, 'it listens after a reload');
my $path = sql('SET ROLE hooks; SELECT ignisign_listen()');
like($path, qr{^/ignisign/[0-9a-f]{64}$}, 'an endpoint has a path');
unlike(slurp_file($node->logfile), qr/come unencrypted/, 'on this machine it need not be encrypted');

# ---- What is answered to whom ----

my $before = -s $node->logfile;
is(post($path, message()), 200, 'a message is taken');
is(sql("SELECT owner, server, source FROM ignisign.webhook"), 'hooks|ignisign|message', 'for who made the endpoint');
my $same = message();
is(post($path, $same) . post($path, $same), '200200', 'twice the same');
is(sql('SELECT count(*) FROM ignisign.webhook'), '2', 'is one row');

for my $request (
	request('/', '', method => 'GET'), request('/', message()), request('/ignisign/', message()), request("/ignisign/$token_like", message()),
	request("/ignisign/$token_like", '', method => 'GET'), request("$path/", message()), request(uc $path, message()),
	request("$path\%00", message()), request('/ignisign/' . 'ab' x 31, message()), request("/ignisign/$token_like", 'x' x 5_000_000),
	request("/$path", message()), request('http://x/', message()))
{
	my $answer = raw($request);

	is(status($answer), 404, 'not found: ' . (split /\r/, $request)[0]);
	is($answer =~ /\r\n\r\n(.*)/s ? $1 : 'no end', '', 'and no word more');
}
is(post($path, '', method => 'GET'), 405, 'another method');
is(post($path, message(), method => 'PUT'), 405, 'another one');
is(post($path, message(), 'Content-Type' => undef), 415, 'no type');
is(post($path, message(), 'Content-Type' => 'text/plain'), 415, 'another type');
is(post($path, message(), 'Content-Type' => 'application/jsonp'), 415, 'one that looks alike');
is(post($path, message(), 'Content-Type' => 'Application/JSON; charset=utf-8'), 200, 'a type with a parameter');
is(post($path, ''), 400, 'nothing');
is(post($path, $_->[0]), 400, "bad: $_->[1]")
  for [ '{"a":', 'JSON' ], [ '[]', 'no object' ], [ '{}', 'no message' ], [ '"x"', 'a scalar' ],
  [ message(topic => 7), 'a topic that is a number' ], [ message(content => { a => "\0" }), 'a zero in the JSON' ],
  [ message(content => { a => 'A' }) =~ s/"A"/"\0"/r, 'a zero byte' ], [ message() . "\0", 'a zero byte at the end' ],
  [ message(content => { a => 'A' }) =~ s/A/\xff\xfe/r, 'no UTF-8' ], [ '[' x 200_000, 'too deep' ],
  [ '{"a":' x 100_000 . '1' . '}' x 100_000, 'too deep an object' ], [ message(verificationToken => 'x' x 600), 'too long a token' ];

# Of members of one name the last one counts, in what is checked and in what is stored.
is(post($path, message(verificationToken => 'twice') =~ s/^\{/{"topic":"FIRST","content":1,"verificationToken":7,/r), 200, 'members twice');
is(sql("SELECT topic, content FROM ignisign.webhook WHERE token_sha256 = sha256('twice')"),
	sql("SELECT m ->> 'topic', m -> 'content' FROM (SELECT '" . message() =~ s/^\{/{"topic":"FIRST","content":1,/r . "'::jsonb) AS t (m)"), 'the last one counts');
is(status(raw("POST $path HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: " . length($same) . "\r\n\r\n$same")), 200, 'HTTP/1.0');
isnt(status(raw(request($path, $same, 'X-Large' => 'x' x 100_000))), 200, 'enormous headers');
isnt(status(raw(request($path, $same, 'Content-Length' => '-5'))), 200, 'a negative length');
isnt(status(raw("\0\1\2\3\r\n\r\n")), 200, 'no HTTP at all');
isnt(status(raw("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . "\r\n\r\n")), 200, 'TLS where there is none');
my @pipelined = raw(request($path, message()) . request($path, message())) =~ m{HTTP/1\.1 (\d+)}g;
is("@pipelined", '200', 'one request for each connection');

# Too much, whatever it pretends to be.
is(post($path, 'x' x 1_100_000), 413, 'too large');
is(status(raw("POST $path HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n")), 413, 'by its length, before it is sent');
sub chunked
{
	my ($body) = @_;

	return "POST $path HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
	  . join('', map { sprintf("%x\r\n%s\r\n", length $_, $_) } unpack '(a50000)*', $body) . "0\r\n\r\n";
}
is(status(raw(chunked(message()))), 200, 'in chunks');
is(status(raw(chunked('x' x 1_500_000))), 413, 'in chunks, too large');
{
	local $SIG{PIPE} = 'IGNORE';
	isnt(status(raw(chunked('x' x 20_000_000))), 200, 'in chunks without end');
}
my $pid = listener_pid();
is(post($path, message()), 200, 'it is still there');
is(listener_pid(), $pid, 'and has not been restarted');

# ---- Slow clients, many clients, floods ----

my @slow = map { IO::Socket::INET->new(PeerAddr => $address) // die "connect: $!" } 1 .. 3;
$slow[0]->print("POST $path HT");
$slow[1]->print("POST $path HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{");
$_->flush for @slow;
is(post($path, message()), 200, 'others are served at once');
my $end = time + 60;
while (time < $end && (my @open = grep { $_->opened } @slow))
{
	# One that says something all the time is not faster for that.
	local $SIG{PIPE} = 'IGNORE';
	$slow[1]->syswrite(' ') if $slow[1]->opened;
	for my $socket (IO::Select->new(@open)->can_read(0.1))
	{
		close $socket unless sysread $socket, my $bytes, 100;
	}
}
is(scalar(grep { $_->opened } @slow), 0, 'slow clients are cut off');

# Those who say nothing have all the time in the world, but not all connections.
configure(webhook_timeout => '600s');
my @idle = map { IO::Socket::INET->new(PeerAddr => $address) // die "connect: $!" } 1 .. 600;
is(post($path, message()), 200, 'hundreds of idle connections keep nobody out');
$_->close for @idle;

configure(webhook_rate => 5, webhook_timeout => '10s');
ok(wait_for(sub { return post("/ignisign/$token_like", message()) == 429 }), 'too many guesses are not even looked up');
is(post($path, message()), 200, 'and do not keep out who knows');
my %count;
my $flood;
wait_for(sub {
	$flood = raw(request($path, message()));
	$count{ status($flood) }++;
	return $count{429};
});
like($flood, qr/\r\nRetry-After: 1\r\n/, 'too many are told to come back');
is(join(' ', grep { $_ != 200 && $_ != 429 } keys %count), '', 'and nothing else');
ok(wait_for(sub { post($path, message()) == 200 }), 'and can');
configure(webhook_rate => 10000);

# ---- Rights ----

sql("REVOKE USAGE ON FOREIGN SERVER ignisign FROM hooks");
is(post($path, message()), 404, 'without USAGE on the server');
sql("GRANT USAGE ON FOREIGN SERVER ignisign TO hooks");
is(post($path, message()), 200, 'and with it again');
my $second = sql("SET ROLE other; SELECT ignisign_listen()");
is(post($second, message()), 200, 'an endpoint of another role');
ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.webhook WHERE state = 'unverified' AND owner = 'other'"), 'whose message is asked for');
sql("DROP OWNED BY other; DROP ROLE other");
is(post($second, message()), 404, 'whose role has been dropped');
my $third = sql('SET ROLE hooks; SELECT ignisign_listen()');
is(post($third, message()), 200, 'a second endpoint');
is(sql("SET ROLE hooks; SELECT ignisign_unlisten(path => 'http://$address$third')"), '1', 'is removed by its URL');
is(post($third, message()) . ' ' . post($path, message()), '404 200', 'alone');
sql("BEGIN; ALTER TABLE ignisign.webhook RENAME TO elsewhere; COMMIT");
is(post($path, message()), 503, 'trouble of ours is not the message\'s');
sql("ALTER TABLE ignisign.elsewhere RENAME TO webhook");
is(post($path, message()), 200, 'and passes');
ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.webhook WHERE state = 'unverified'"), 'all of them are asked for');

# ---- From the sandbox, with retries, without a poll ----

my $call = sql("SET ROLE hooks; SELECT ignisign_create_webhook('http://$address' || '$path')");
like(sql("SELECT ignisign_result($call, '30 s')"), qr/\/ignisign\/\*{64}"/, 'the endpoint is registered');

sub sent
{
	my ($title) = @_;
	my $id = sql('SET ROLE hooks; ' . sign_sql($title, 'ann@example.com'));

	wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$id')");
	return ($id, sql("SELECT signature_request_id FROM ignisign.request WHERE id = '$id'"));
}

my ($id, $remote) = sent('Told');
$sandbox->sign($remote);
is(sql("SELECT ignisign_wait('$id', 'PROOF', '60 s')"), 't', 'signed, completed and proven');
is(sql("SELECT count(*) FROM ignisign.attempt WHERE operation = 'status'"), '0', 'without a poll');
ok(wait_for($node, "SELECT string_agg(DISTINCT topic, ' ' ORDER BY topic) = 'SIGNATURE SIGNATURE_PROOF SIGNATURE_REQUEST'"
		  . " FROM ignisign.webhook WHERE request = '$id' AND state = 'applied'"),
	'by what was delivered');

# While the server is down, deliveries fail; then they come.
($id, $remote) = sent('Down');
$node->stop('immediate');
$sandbox->sign($remote);
sleep 0.5;
$node->start;
is(sql("SELECT ignisign_wait('$id', 'COMPLETED', '60 s')"), 't', 'what was missed in a crash is delivered again');
is(sql("SELECT count(*) > 0 FROM ignisign.webhook WHERE request = '$id' AND state = 'applied'"), 't', 'and applied');

# Another listener of the same cluster, with TLS, in a database of its own.

my $dir = PostgreSQL::Test::Utils::tempdir('listener');

sub make_certificate
{
	my ($name) = @_;

	return system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$name"
		  . " -addext subjectAltName=IP:127.0.0.1 -keyout $dir/key.pem -out $dir/cert.pem 2>/dev/null") == 0
	  && chmod(0600, "$dir/key.pem");
}

# The subject of the certificate that is shown.
sub certificate
{
	my ($where) = @_;
	my $socket = IO::Socket::SSL->new(PeerAddr => $where, SSL_verify_mode => SSL_VERIFY_NONE) or return "none: $SSL_ERROR";

	return $socket->peer_certificate('commonName');
}

ok(make_certificate('first'), 'there is a certificate');
my $tls_sandbox = start_sandbox(proof_delay => 0, webhook_retries => 1000, webhook_retry_delay => 100, webhook_ca => "$dir/cert.pem");
my $tls_address = '127.0.0.1:' . free_port();
$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql('second', 'CREATE EXTENSION ignisign');
connect_node($node, $tls_sandbox, 'second');
my $listener_of = sub { return $node->safe_psql($_[0], 'SELECT listener FROM ignisign_stats() LIMIT 1') };
ok(wait_for(sub { $listener_of->('second') =~ /^cannot listen on \Q$address\E: Address already in use/ }), 'two databases cannot have the same address');
chmod 0644, "$dir/key.pem";
$node->safe_psql('postgres', "ALTER DATABASE second SET ignisign.webhook_tls_key_file = '$dir/key.pem'");
$node->safe_psql('postgres', "ALTER DATABASE second SET ignisign.webhook_listen = '$tls_address'");
ok(wait_for(sub { $listener_of->('second') =~ /only one is set/ }), 'a key needs a certificate');
$node->safe_psql('postgres', "ALTER DATABASE second SET ignisign.webhook_tls_cert_file = '$dir/cert.pem'");
ok(wait_for(sub { $listener_of->('second') =~ /has group or world access/ }), 'everybody could read the key');
chmod 0600, "$dir/key.pem";
sql('SELECT pg_reload_conf()');
ok(wait_for(sub { $listener_of->('second') eq "listening on $tls_address" }), 'now it listens');
is(certificate($tls_address), 'first', 'with the certificate');
my $tls_path = $node->safe_psql('second', 'SELECT ignisign_listen()');
my $tls = IO::Socket::SSL->new(PeerAddr => $tls_address, SSL_ca_file => "$dir/cert.pem") // die "TLS: $SSL_ERROR";
is(status(raw(request($tls_path, message()), socket => $tls)), 200, 'a message over TLS');
isnt(status(raw(request($tls_path, message()), address => $tls_address)), 200, 'none without it');
is(IO::Socket::SSL->new(PeerAddr => $tls_address, SSL_version => 'TLSv1_1', SSL_cipher_list => 'DEFAULT:@SECLEVEL=0', SSL_verify_mode => SSL_VERIFY_NONE), undef, 'nor with an old version');
$call = $node->safe_psql('second', "SELECT ignisign_create_webhook('https://$tls_address$tls_path')");
$node->safe_psql('second', "SELECT ignisign_result($call, '30 s')");
$id = $node->safe_psql('second', sign_sql('TLS', 'ann@example.com'));
is($node->safe_psql('second', "SELECT ignisign_wait('$id', 'SENT', '30 s')"), 't', 'a request of the second database');
$tls_sandbox->sign($_->{id}) for $tls_sandbox->requests;
is($node->safe_psql('second', "SELECT ignisign_wait('$id', 'COMPLETED', '60 s')"), 't', 'is told of over TLS, verified');

# Another certificate; one that is not valid; the old one goes on.
ok(make_certificate('second'), 'there is another certificate');
sql('SELECT pg_reload_conf()');
ok(wait_for(sub { certificate($tls_address) eq 'second' }), 'a reload takes it');
append_to_file("$dir/broken", 'x');
rename "$dir/cert.pem", "$dir/kept";
rename "$dir/broken", "$dir/cert.pem";
my $offset = -s $node->logfile;
sql('SELECT pg_reload_conf()');
ok($node->wait_for_log(qr/goes on with its old certificate/, $offset), 'one that is not valid is told');
is(certificate($tls_address), 'second', 'and changes nothing');

# ---- In nobody's way ----

my $silent = IO::Socket::INET->new(PeerAddr => $tls_address) // die;
$node->safe_psql('postgres', 'ALTER DATABASE second RENAME TO renamed');
ok(wait_for(sub { $listener_of->('renamed') =~ /^cannot listen/ }), 'after ALTER DATABASE RENAME it is back');
rename "$dir/kept", "$dir/cert.pem";
sql('SELECT pg_reload_conf()');
ok(wait_for(sub { $listener_of->('renamed') eq "listening on $tls_address" }), 'and listens');
$node->safe_psql('postgres', "ALTER DATABASE renamed SET ignisign.webhook_listen = ''");
ok(wait_for(sub { listener_pid('renamed') eq '' }), 'ALTER DATABASE ends it');
$node->safe_psql('postgres', 'ALTER DATABASE renamed RESET ALL');
ok(wait_for(sub { $listener_of->('renamed') =~ /in use/ }), 'or lets it try what all have');
configure(webhook_listen => undef);
ok(wait_for($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'ignisign listener'"), 'off: no listener is there');
ok(wait_for(sub { return !defined IO::Socket::INET->new(PeerAddr => $address) }), 'and nobody listens');
sql("ALTER DATABASE renamed SET ignisign.webhook_listen = '$tls_address'");
ok(wait_for(sub { $listener_of->('renamed') eq "listening on $tls_address" }), 'one listens again');
sql('DROP DATABASE renamed');
is(IO::Socket::INET->new(PeerAddr => $tls_address), undef, 'DROP DATABASE takes it along');

# The port is taken, then free.
my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1) // die "listen: $!";
$offset = -s $node->logfile;
configure(webhook_listen => $address);
ok($node->wait_for_log(qr/could not listen for webhooks on \Q$address\E: Address already in use/, $offset), 'a port that is in use is told');
$pid = listener_pid();
close $taken;
listens($address, 'when it is free it is taken');
is(listener_pid(), $pid, 'by the same process');
is(() = log_since($offset) =~ /could not listen/g, 1, 'it was told once');

# Terminated while it has a request in its hands; the client is told nothing.
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE ignisign.endpoint');
my $waiting = IO::Socket::INET->new(PeerAddr => $address) // die;
$waiting->print(request($path, message()));
$waiting->flush;
ok(wait_for($node, "SELECT wait_event_type = 'Lock' AND state = 'active' FROM pg_stat_activity WHERE backend_type = 'ignisign listener'"), 'it waits for a lock');
sql("SELECT pg_terminate_backend($pid)");
is(slurp($waiting), '', 'terminated, it breaks off');
$locker->query_safe('COMMIT');
$locker->quit;
listens($address, 'and comes back');
isnt(listener_pid(), $pid, 'as another one');
is(post($path, message()), 200, 'that takes messages');

# A lock that is held for long is trouble of ours, not a standstill.
$locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE ignisign.webhook');
is(post($path, message()), 503, 'a lock is not waited for without end');
$locker->query_safe('COMMIT');
$locker->quit;

# The worker is terminated: the listener goes and comes with it.
$pid = listener_pid();
sql("SELECT pg_terminate_backend(worker_pid) FROM ignisign_stats() LIMIT 1");
ok(wait_for(sub { my $now = listener_pid(); return $now ne '' && $now ne $pid }), 'a new worker has a new listener');
listens($address, 'that listens');

# Another address.
my $moved = '127.0.0.1:' . free_port();
configure(webhook_listen => $moved);
listens($moved, 'another address');
is(status(raw(request($path, message()), address => $moved)), 200, 'is another place');
$offset = -s $node->logfile;
my $everywhere = '*:' . ($moved =~ /:(\d+)/)[0];
configure(webhook_listen => $everywhere);
ok($node->wait_for_log(qr/webhooks on \Q$everywhere\E come unencrypted/, $offset), 'everywhere without TLS is worth a warning');
is(status(raw(request($path, message()), address => $moved)), 200, 'and possible');
SKIP:
{
	my ($port6) = $moved =~ /:(\d+)/;
	my $over_6 = sub { return IO::Socket::IP->new(PeerHost => '::1', PeerPort => $port6) // die "connect: $@" };

	skip 'there is no IPv6', 5 unless IO::Socket::IP->new(LocalHost => '::1', Listen => 1);
	is(status(raw(request($path, message()), socket => $over_6->())), 200, 'everywhere is IPv6, too');
	$offset = -s $node->logfile;
	configure(webhook_listen => "[::1]:$port6");
	listens("[::1]:$port6", 'an address of IPv6');
	is(status(raw(request($path, message()), socket => $over_6->())), 200, 'takes messages');
	ok(!defined IO::Socket::INET->new(PeerAddr => $moved), 'and is not one of IPv4');
	unlike(log_since($offset), qr/come unencrypted/, 'it is this machine, as well');
}

# Idle, it sleeps, also with a connection open.
configure(webhook_listen => $address, webhook_timeout => '600s');
listens($address, 'the first address again');
$silent = IO::Socket::INET->new(PeerAddr => $address) // die;
ok( wait_for(
		sub {
			my $pid = listener_pid() || return 0;
			my @sleeps = map {
				sql('SELECT pg_sleep(2)') if $_;
				slurp_file("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m;
			} 0, 1;

			return $sleeps[0] == $sleeps[1];
		}),
	'an idle listener is not woken');
is(sql("SELECT state, query FROM pg_stat_activity WHERE backend_type = 'ignisign listener'"), "idle|webhooks on $address", 'and says that it is idle');

# ---- The token is nowhere ----

my @tokens = map { m{/ignisign/(.*)} } $path, $second, $third, $tls_path;
my $log = slurp_file($node->logfile);
is(scalar(grep { index($log, $_) >= 0 } @tokens), 0, 'no token is in the log');
for my $table (split /\n/, sql("SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'ignisign'::regnamespace AND c.relkind = 'r'"))
{
	is(sql("SELECT count(*) FROM $table t WHERE t::text ~ '" . join('|', @tokens[ 0 .. 2 ]) . "'"), '0', "none is in $table");
}
unlike($log, qr/PANIC|server process .* was terminated by signal/, 'nothing crashed');

$node->stop;
done_testing();
