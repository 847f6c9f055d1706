# Databases in any encoding and locale: UTF-8 on the wire, or a clear error; and
# nothing that the API says keeps a request from going on.

use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/../lib";

use Encode ();
use HTTP::Tiny;
use IgnisignTest;
use IO::Socket::INET;
use JSON::PP;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('encodings', $sandbox, lc_messages => "'C'");
my $hex = unpack 'H*', pdf('contract');

# psql speaks UTF-8 whatever the database is in.
$ENV{PGCLIENTENCODING} = 'UTF8';

sub query
{
	my ($database, $sql) = @_;
	my ($status, $out, $err) = $node->psql($database, Encode::encode('UTF-8', $sql));

	return Encode::decode('UTF-8', $status == 0 ? $out : $err);
}

sub make_database
{
	my ($name, $options) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $name TEMPLATE template0 $options");
	$node->safe_psql($name, 'CREATE EXTENSION ignisign');
	connect_node($node, $sandbox, $name);
	return;
}

sub sign
{
	my ($database, $title, $first_name, $file_name) = @_;

	return query($database, "SELECT ignisign_sign(title => '$title', document => '\\x$hex'::bytea, file_name => '$file_name',"
		  . " signers => ARRAY[ignisign_signer('$database\@example.com', '$first_name', 'Lee')])");
}

# Of the requests with this title at the sandbox: their number, the first name,
# and the file name, as they came over the wire.
sub arrived
{
	my ($title) = @_;
	my @found = grep { $_->{title} eq $title } $sandbox->requests;
	my $context = @found ? api('GET', "/v4/signature-requests/$found[0]{id}/context") : {};

	return join '|', scalar(@found), map { $_ // '' } $context->{signers}[0]{firstName}, $context->{documents}[0]{fileName};
}

sub api
{
	my ($method, $path, $body) = @_;
	my $answer = HTTP::Tiny->new(no_proxy => ['127.0.0.1'])->request(
		$method,
		$sandbox->url . $path,
		{
			headers => { Authorization => 'Bearer ' . $sandbox->key, 'Content-Type' => 'application/json' },
			defined $body ? (content => encode_json($body)) : ()
		});

	die "$method $path: $answer->{status} $answer->{content}" unless $answer->{success};
	return decode_json($answer->{content});
}

sub is_sent
{
	my ($database, $id, $name) = @_;

	return ok(wait_for($node, "SELECT sent_at IS NOT NULL AND context_at IS NOT NULL FROM ignisign.request WHERE id = '$id'", $database), $name);
}

make_database('latin', "ENCODING 'LATIN1' LOCALE 'C'");
make_database('japanese', "ENCODING 'EUC_JP' LOCALE 'C'");
make_database('ascii', "ENCODING 'SQL_ASCII' LOCALE 'C'");
make_database('turkish', "ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'");

# ---- What goes out ----

my %titles = (
	latin    => [ 'Café à la crème', 'Zoë',  'déjà.pdf' ],
	japanese => [ '契約書',             '太郎',   '契約.pdf' ],
	ascii    => [ 'Größe',           'Jürgen', 'größe.pdf' ],
	turkish  => [ 'Sözleşme İI',      'Işıl',  'ıİ.pdf' ]);

for my $database (sort keys %titles)
{
	my ($title, @names) = @{ $titles{$database} };

	is_sent($database, sign($database, $title, @names), "$database: a request is sent");
	is(arrived($title), join('|', 1, @names), "$database: as UTF-8");
	is(query($database, "SELECT count(*) FROM ignisign.document WHERE document_id IS NULL"), '0', "$database: its document is known");
	is(query($database, "SELECT count(*) FROM ignisign.signer WHERE signer_id IS NULL"), '0', "$database: its signer is known");
}

# A request whose answer was lost is found again, and not sent twice.

for my $database (sort keys %titles)
{
	my ($title, @names) = @{ $titles{$database} };

	$sandbox->fault('one-call-sign count=1 close=after');
	is_sent($database, sign($database, "$title 2", @names), "$database: a lost answer");
	is(arrived("$title 2"), join('|', 1, @names), "$database: the request is there once");
}

# Staged, with more texts.

is_sent('latin', query('latin', <<"SQL"), 'latin: a staged request is sent');
SELECT ignisign_sign(title => 'Étapes', document => '\\x$hex'::bytea, description => 'déjà vu',
	statements => ARRAY['J''ai lu et approuvé'], signers => ARRAY[ignisign_signer('zoe\@example.com', 'Zoë', 'Lee')])
SQL
is(arrived('Étapes'), '1|Zoë|document.pdf', 'latin: as UTF-8');

# What is no text is refused when it is queued.

my $bad = "convert_from('\\x45e9', 'SQL_ASCII')";

for my $refused (
	[ "ignisign_sign(title => $bad, document => 'x'::bytea, signers => ARRAY[ignisign_signer('ann\@example.com')])", 'IG011', 'title' ],
	[ "ignisign_sign(title => 't', document => 'x'::bytea, signers => ARRAY[ignisign_signer('ann\@example.com', $bad)])", 'IG008', 'name' ],
	[ "ignisign_sign(title => 't', document => 'x'::bytea, description => $bad, signers => ARRAY[ignisign_signer('ann\@example.com')])", '22021', 'description' ],
	[ "ignisign_create_signer('ann\@example.com', $bad)", '22021', 'argument of a call' ])
{
	my ($call, $state, $what) = @$refused;

	like(query('ascii', "\\set VERBOSITY verbose\nSELECT $call"), qr/ERROR:  $state:/, "ascii: bytes that are no UTF-8 are refused as $what");
}

# Should it be there all the same, the call fails, and not the worker.

query('ascii', "BEGIN; SELECT ignisign_sign(title => 'spoilt', document => 'x'::bytea, signers => ARRAY[ignisign_signer('ann\@example.com')]);"
	  . " UPDATE ignisign.request SET title = $bad WHERE title = 'spoilt'; COMMIT");
ok(wait_for($node, "SELECT state = 'dead' AND last_error LIKE '%cannot be converted to UTF-8%' FROM ignisign.call", 'ascii'),
	'ascii: such a title in the table makes the call fail');
query('ascii', "BEGIN; UPDATE ignisign.call SET state = 'unknown', last_error = NULL; SELECT ignisign_application(); COMMIT");
ok(wait_for($node, "SELECT state = 'dead' AND last_error LIKE '%cannot be converted to UTF-8%' FROM ignisign.call WHERE operation = 'one-call-sign'", 'ascii'),
	'ascii: and does no harm where calls are looked for');

# ---- What comes in ----

# A request made elsewhere, with characters that LATIN1 lacks.

my $foreign = api('POST', '/v4/signature-requests/one-call-sign', {
	title           => '日本 é',
	signatureMethod => 'SIMPLE_STD',
	signers         => [ { email => 'ken@example.com', firstName => '健', lastName => 'Müller' } ],
	documents       => [ { originalName => '契é.pdf', mimeType => 'application/pdf', base64 => 'JVBERi0xLjQK' } ]
})->{signatureRequestId};

for my $database (qw(latin japanese ascii))
{
	my ($title, $first, $last, $file) = $database eq 'latin' ? ('?? é', '?', 'Müller', '?é.pdf')
	  : $database eq 'japanese' ? ('日本 é', '健', 'Müller', '契é.pdf') : ('日本 é', '健', 'Müller', '契é.pdf');
	my $id = query($database, "SELECT ignisign_import('$foreign')");

	ok(wait_for($node, "SELECT context_at IS NOT NULL FROM ignisign.request WHERE id = '$id'", $database), "$database: a request is imported");
	is( query($database, "SELECT title, first_name, last_name, file_name FROM ignisign.request r JOIN ignisign.signer s ON s.request = r.id"
			  . " JOIN ignisign.document d ON d.request = r.id WHERE r.id = '$id'"),
		"$title|$first|$last|$file", "$database: with what its encoding has");
	my $call = query($database, "SELECT ignisign_request_context('$foreign')");

	is(query($database, "SELECT ignisign_result($call, '30 s') ->> 'title'"), $title, "$database: an answer is kept so, too");
}

# Messages: what is refused for its characters could not be sent in another way.

for my $database (qw(latin japanese ascii))
{
	my $listen = '127.0.0.1:' . free_port();
	my $path = query($database, "SET client_min_messages = error; SELECT ignisign_listen('ignisign')");

	query($database, "ALTER DATABASE $database SET ignisign.webhook_listen = '$listen'; SELECT pg_reload_conf()");
	ok(wait_for($node, "SELECT listener = 'listening on $listen' FROM ignisign_stats() LIMIT 1", $database), "$database: listens");
	for my $how (qw(plain escaped))
	{
		my $body = '{"appId":"' . (api('GET', '/v4/signature-requests/' . $foreign . '/context')->{appId} // 'appId_x')
		  . qq(","appEnv":"DEVELOPMENT","topic":"é","action":"日","verificationToken":"$how","content":{"name":"é 日"}});

		$body =~ s/([^\x00-\x7f])/sprintf '\\u%04x', ord $1/ge if $how eq 'escaped';
		is( HTTP::Tiny->new(no_proxy => ['127.0.0.1'])->post("http://$listen$path",
				{ headers => { 'Content-Type' => 'application/json' }, content => Encode::encode('UTF-8', $body) })->{status},
			200, "$database: a message is taken, $how");
		is(query($database, "SELECT topic, action, content ->> 'name' FROM ignisign.webhook WHERE token_sha256 = sha256('$how')"),
			$database eq 'latin' ? 'é|?|é ?' : 'é|日|é 日', "$database: with what its encoding has, $how");
	}
	query($database, "ALTER DATABASE $database RESET ignisign.webhook_listen; SELECT pg_reload_conf()");
}

# Errors in any characters, escaped or not, or in none at all.

my $port = free_port();
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 5, ReuseAddr => 1) or die $!;
my $server = fork // die $!;

if ($server == 0)
{
	my @bodies = ('{"message":"é 日 \u00e9 \u65e5 \ud83d\ude00","code":"CODE_é"}', "broken \xff\xe9");

	while (my $client = $listener->accept)
	{
		my $head = '';

		while (defined(my $line = <$client>))
		{
			$head .= $line;
			last if $line eq "\r\n";
		}
		my $body = $head =~ /broken/ ? $bodies[1] : Encode::encode('UTF-8', $bodies[0]);
		my $status = $head =~ /fine/ ? 200 : 400;

		print $client "HTTP/1.1 $status Told\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
		close $client;
	}
	POSIX::_exit(0);
}
close $listener;
END { kill 'KILL', $server if $server; }

for my $database (qw(latin japanese ascii turkish))
{
	my ($e, $day, $face) = $database eq 'latin' ? ('é', '?', '?') : $database eq 'japanese' ? ('é', '日', '?') : ('é', '日', '😀');

	query($database, "SELECT ignisign_connect('" . $sandbox->key . "', server => 'foreign', base_url => 'http://127.0.0.1:$port', for_role => 'public')");
	my $call = query($database, "SELECT ignisign_call('GET', '/refused', server => 'foreign')");

	ok(wait_for($node, "SELECT state = 'dead' FROM ignisign.call WHERE id = $call", $database), "$database: a call is refused");
	is(query($database, "SELECT code, last_error FROM ignisign.call WHERE id = $call"),
		"CODE_$e|HTTP status 400: $e $day $e $day $face", "$database: with the reason in its encoding");
	$call = query($database, "SELECT ignisign_call('GET', '/broken', server => 'foreign')");
	ok(wait_for($node, "SELECT state = 'dead' FROM ignisign.call WHERE id = $call", $database), "$database: a refusal that is no text is one");
	$call = query($database, "SELECT ignisign_call('GET', '/fine', server => 'foreign')");
	is(query($database, "SELECT ignisign_result($call, '30 s') ->> 'message'"), "$e $day $e $day $face", "$database: escapes in JSON are characters");
}

# ---- Locales ----

# Upper case is the API's idea of it, not that of a language.

my $known = query('turkish', "SELECT ignisign_sign(title => 'lower', document => '\\x$hex'::bytea, signers => ARRAY[ignisign_signer('info\@example.com', 'I', 'I')])");

is_sent('turkish', $known, 'turkish: a signer in lower case');
my $id = query('turkish', "SELECT ignisign_sign(title => 'UPPER', document => '\\x$hex'::bytea, signers => ARRAY[ignisign_signer('INFO\@EXAMPLE.COM', 'I', 'I')])");

is_sent('turkish', $id, 'turkish: and in upper case');
is(query('turkish', "SELECT count(*) FROM ignisign.signer WHERE signer_id IS NULL"), '0', 'turkish: both are known');

$node->stop;
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/PANIC|ignisign worker.* (ERROR|FATAL):/, 'no worker failed');
done_testing();
