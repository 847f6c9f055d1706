# Tell how many bytes a request takes: its rows and indexes, its write-ahead log from
# the call that asks to the proof that is stored, its part of a dump.  "./dev bench
# size" prepares a private server, and runs this in a copy of the sources:
#
#	perl bench/size.pl [--scale S]
#
# Bytes do not depend on how fast or busy the machine is, except that polls are
# counted as they happen to come.  What is printed are the tables of docs/scale.md.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use Bench qw(sql);
use Getopt::Long;
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep);

$| = 1;
srand 1;
my $scale = 1;
GetOptions('scale=f' => \$scale) or exit 2;

my $key = 'skv2_development_5a4db0c5-0000-4000-8000-000000000001_sandboxsecret';
my $dir = $ENV{TMPDIR} // '/tmp';
my @tables = qw(request signer document proof attempt event webhook call);
my $sandbox;

sub free_port
{
	for (1 .. 50)
	{
		my $port = 20000 + int(rand(12000));

		return $port if IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1);
	}
	die 'no free port found';
}

sub wait_for
{
	my ($query, $database) = @_;

	sleep 0.2 until sql($query, $database) eq 't';
	return;
}

# Start a sandbox whose signers sign at once; returns its URL.
sub start_sandbox
{
	my $port = free_port();

	$sandbox = fork // die "fork: $!";
	if ($sandbox == 0)
	{
		open STDOUT, '>', "$dir/sandbox.log";
		open STDERR, '>&', \*STDOUT;
		exec "$FindBin::RealBin/../sandbox/ignisign-sandbox", '--port', $port, '--sign-after', 0, '--proof-delay', 0,
		  '--ready-file', "$dir/sandbox.ready"
		  or POSIX::_exit(127);
	}
	sleep 0.1 until -s "$dir/sandbox.ready";
	return "http://127.0.0.1:$port";
}
END { my $status = $?; kill 'TERM', $sandbox if $sandbox; $? = $status }

# A PDF of that size, which cannot be made smaller.
sub pdf
{
	my ($size) = @_;
	my $pdf = "%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
	  . "2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n"
	  . "3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>\nendobj\n";
	my $length = $size - length($pdf) - 120;
	my $stream = join '', map { chr(int rand 256) } 1 .. $length;
	my $object = "4 0 obj\n<< /Length $length >>\nstream\n$stream\nendstream\nendobj\n";

	return "$pdf${object}trailer\n<< /Size 5 /Root 1 0 R >>\n%%EOF\n";
}

# Send so many requests with one document and one signer each, in a database of their
# own; returns what each took.
sub measure
{
	my ($url, $n, $size, $webhooks) = @_;
	my $database = 'size';
	my %bytes = (n => $n, size => $size);

	sql("CREATE DATABASE $database");
	if ($webhooks)
	{
		my $port = free_port();

		sql("ALTER DATABASE $database SET ignisign.webhook_listen = '127.0.0.1:$port'");
		sql("CREATE EXTENSION ignisign; SELECT ignisign_connect('$key', base_url => '$url')", $database);
		sql("SELECT ignisign_create_webhook('http://127.0.0.1:$port' || ignisign_listen())", $database);
		wait_for('SELECT count(*) = 0 FROM ignisign.call', $database);
	}
	else
	{
		sql("CREATE EXTENSION ignisign; SELECT ignisign_connect('$key', base_url => '$url')", $database);
	}

	open(my $file, '>', "$dir/size.sql") or die "$dir/size.sql: $!";
	for my $i (1 .. $n)
	{
		printf $file "SELECT ignisign_sign(title => 'Contract %d', document => '\\x%s', file_name => 'contract.pdf',"
		  . " signers => ARRAY[ignisign_signer('ann%d\@example.com', 'Ann', 'Lee')]);\n", $i, unpack('H*', pdf($size)), $i;
	}
	close $file;

	# Each page is logged whole once.
	sql('CHECKPOINT');
	my $begin = sql('SELECT pg_current_wal_insert_lsn()');
	system('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $database, '-o', '/dev/null', '-f', "$dir/size.sql") == 0 or die 'psql';
	wait_for("SELECT count(*) = $n FROM ignisign.proof", $database);
	wait_for("SELECT NOT EXISTS (SELECT FROM ignisign.call) AND NOT EXISTS (SELECT FROM ignisign.request WHERE closed_at IS NULL)"
		  . " AND NOT EXISTS (SELECT FROM ignisign.webhook WHERE state = 'unverified')", $database);
	$bytes{wal} = sql("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$begin')") / $n;

	$bytes{document} = sql('SELECT avg(size) FROM ignisign.document', $database);
	$bytes{proof} = sql('SELECT avg(size) FROM ignisign.proof', $database);
	$bytes{dump} = length(`pg_dump -Fc -d $database`) / $n;
	sql("VACUUM FULL ignisign.$_", $database) for @tables;
	$bytes{stored} = 0;
	for my $table (@tables)
	{
		my ($rows, $heap, $index) =
		  split /\|/, sql("SELECT count(*), pg_table_size('ignisign.$table'), pg_indexes_size('ignisign.$table') FROM ignisign.$table", $database);

		$bytes{tables}{$table} = [ map { $_ / $n } $rows, $heap, $index ];
		$bytes{stored} += ($heap + $index) / $n;
	}
	sql("SELECT ignisign_purge('documents', '0')", $database);
	sql('VACUUM FULL ignisign.document', $database);
	$bytes{purged} = $bytes{stored} - $bytes{tables}{document}[1] + sql("SELECT pg_table_size('ignisign.document')", $database) / $n;
	sql("DROP DATABASE $database WITH (FORCE)");
	return \%bytes;
}

sub kb { return sprintf '%.1f kB', $_[0] / 1000 }

sub readable
{
	my ($bytes) = @_;

	for my $unit (qw(kB MB GB))
	{
		$bytes /= 1000;
		return sprintf($bytes < 10 ? '%.1f %s' : '%.0f %s', $bytes, $unit) if $bytes < 1000;
	}
	return sprintf $bytes < 10_000 ? '%.1f TB' : '%.0f TB', $bytes / 1000;
}

sql("ALTER SYSTEM SET $_") for 'autovacuum = off', "checkpoint_timeout = '1h'", "ignisign.refresh_interval = '1s'";
sql('SELECT pg_reload_conf()');
my $url = start_sandbox();
my @measured;

push @measured, measure($url, int($_->[0] * $scale) || 1, $_->[1]) for [ 400, 5_000 ], [ 200, 50_000 ], [ 50, 500_000 ];
my $webhooks = measure($url, int(200 * $scale) || 1, 5_000, 1);

print "| document | proof | stored | stored, documents purged | WAL | dump (`pg_dump -Fc`) |\n| --- | --- | --- | --- | --- | --- |\n";
printf "| %s |\n", join ' | ', map { kb($_) } @{$_}{qw(document proof stored purged wal dump)} for @measured;
printf "\nWith webhooks instead of polls: %s stored, %s WAL for a document of %s.\n", map { kb($_) } @{$webhooks}{qw(stored wal document)};

print "\n| table | rows | bytes | indexes |\n| --- | --- | --- | --- |\n";
for my $table (@tables)
{
	my $row = $table eq 'webhook' ? $webhooks->{tables}{$table} : $measured[0]{tables}{$table};

	printf "| `%s` | %.2f | %.0f | %.0f |\n", $table, @$row if $row->[0] > 0;
}

# What is stored and logged grows with the documents; the rest is the same.
my ($small, $large) = @measured[ 0, -1 ];
my $both = sub { return $_[0]{document} + $_[0]{proof} };
my $stored_factor = ($large->{purged} - $small->{purged}) / ($large->{proof} - $small->{proof});
my $stored_base = $small->{purged} - $stored_factor * $small->{proof};
my $wal_factor = ($large->{wal} - $small->{wal}) / ($both->($large) - $both->($small));
my $wal_base = $small->{wal} - $wal_factor * $both->($small);

printf "\nA request with a document of D and a proof of P bytes takes %.2f P + %s for good, %.2f D more until documents are purged,"
  . " and %.2f (D + P) + %s of WAL.\n", $stored_factor, kb($stored_base), $stored_factor, $wal_factor, kb($wal_base);

print "\n| requests a day | proofs a day | stored a year | documents, 30 days | WAL a day | WAL a second | backup: base after a year, a week's WAL |\n",
  "| --- | --- | --- | --- | --- | --- | --- |\n";
for my $n (1_000, 10_000, 100_000, 1_000_000)
{
	my ($document, $proof) = (200_000, 200_000 + $small->{proof} - $small->{document});
	my $year = 365 * $n * ($stored_factor * $proof + $stored_base);
	my $documents = 30 * $n * $stored_factor * $document;
	my $wal = $n * ($wal_factor * ($document + $proof) + $wal_base);

	printf "| %s | %s |\n", scalar reverse(join(',', unpack '(A3)*', reverse $n)),
	  join ' | ', map { readable($_) } $n * $proof, $year, $documents, $wal, $wal / 86400, $year + $documents + 7 * $wal;
}
