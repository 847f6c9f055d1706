# What the TAP tests share: a sandbox, a server connected to it, and waiting
# for a condition instead of for a time.
#
#	my $sandbox = start_sandbox();
#	my $node = new_node('main', $sandbox);
#	my $id = $node->safe_psql('postgres', "SELECT ignisign_sign(...)");
#	wait_for($node, "SELECT status = 'IN_PROGRESS' FROM ignisign_status('$id')");
#
# Whatever a test started is stopped when it ends, also when it dies.

package IgnisignTest;

use strict;
use warnings FATAL => 'all';

use Cwd            ();
use Exporter       qw(import);
use File::Basename qw(dirname);
use IO::Socket::INET;
use IO::Socket::UNIX;
use IPC::Run ();
use Time::HiRes qw(sleep time);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT =
  qw(start_sandbox new_node connect_node wait_for free_port pdf sign_sql
  listen_for_messages example run_example connect_example
  partition_node);

# Refreshing, reconciling and retrying as fast as tests like it.
my %fast = (
	'ignisign.refresh_interval' => '100ms',
	'ignisign.reconcile_delay'  => '500ms',
	'ignisign.retry_delay'      => '50ms',
	'log_line_prefix'           => "'%m [%p] %q%b %d '");

# In a mode of "./dev test" everything is slower, as its default timeout says.
my $patience = $PostgreSQL::Test::Utils::timeout_default / 180;

$patience = 1 if $patience < 1;

# The servers that new_node made, with the process that did.
my @nodes;

# What holds the ports of free_port.
my @reserved;

# Find a TCP port on which nobody listens, below those that the kernel hands
# out to clients.  Until this process ends, no other test of this machine gets
# the port, even while what listens there is stopped: an abstract address says
# that the port is taken.
sub free_port
{
	for my $try (1 .. 200)
	{
		my $port = 20000 + int(rand(12000));
		my $reserved = IO::Socket::UNIX->new(
			Local  => "\0ignisign-test-port-$port",
			Listen => 1) or next;
		my $socket = IO::Socket::INET->new(
			LocalAddr => '127.0.0.1',
			LocalPort => $port,
			Listen    => 1,
			ReuseAddr => 1) or next;

		close $socket;
		push @reserved, $reserved;
		return $port;
	}
	die 'no free port found';
}

# Start a sandbox; its command-line options are given with underscores, as in
# sign_after => 0, tls => undef (no argument), fault => [ ... ] (repeated).
sub start_sandbox
{
	return IgnisignTest::Sandbox->new(@_);
}

# Start a server that preloads ignisign, has the extension in the database
# postgres and is connected to the sandbox, which may be undef.  Further
# arguments are settings; undef leaves one at its default.  With IGNISIGN_PARTITIONED
# in the environment, tables of the extension are partitioned.
sub new_node
{
	my ($name, $sandbox, %guc) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my %conf = (%fast, shared_preload_libraries => "'ignisign'", %guc);

	push @nodes, [ $$, $node ];
	$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
	$node->append_conf(
		'postgresql.conf',
		join('',
			map { "$_ = $conf{$_}\n" }
			  grep { defined $conf{$_} } sort keys %conf));
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION ignisign');
	partition_node($node) if $ENV{IGNISIGN_PARTITIONED};
	connect_node($node, $sandbox) if defined $sandbox;
	return $node;
}

# Connect a database to the sandbox, for every role.
sub connect_node
{
	my ($node, $sandbox, $database) = @_;

	return $node->safe_psql(
		$database // 'postgres',
		sprintf(
			"SELECT ignisign_connect('%s', base_url => '%s', for_role => 'public')",
			$sandbox->key, $sandbox->url));
}

# Wait until a condition holds: wait_for(sub { ... }) or
# wait_for($node, $query [, $database]), where the query answers t.  The last
# argument may be { timeout => seconds, what => 'for the message' }.
sub wait_for
{
	my $option = ref $_[-1] eq 'HASH' ? pop : {};
	my ($subject, $query, $database) = @_;
	my $timeout = defined $option->{timeout} ? $option->{timeout} * $patience
	  : $PostgreSQL::Test::Utils::timeout_default;
	my $what = $option->{what} // $query // 'condition';
	my $end = time + $timeout;
	my $last = '';

	do
	{
		if (ref $subject eq 'CODE')
		{
			return 1 if $subject->();
		}
		else
		{
			my ($out, $err) = ('', '');

			# Where the server is away, psql may end before it has read the query.
			eval {
				$subject->psql(
					$database // 'postgres', $query,
					stdout => \$out,
					stderr => \$err);
				1;
			} or $@ =~ /Broken pipe/ or die $@;
			return 1 if $out eq 't';
			$last = "; last answer: '$out' $err";
		}
		sleep 0.05;
	} while (time < $end);

	Test::More::diag("waited $timeout s in vain: $what$last");
	return 0;
}

# Listen for webhook messages of the API.
sub listen_for_messages
{
	return IgnisignTest::Listener->new;
}

# Name a file of an example.
sub example
{
	my ($file) = @_;

	return Cwd::abs_path(dirname(__FILE__) . '/../../examples') . "/$file";
}

# Run a program of an example, or a file of SQL, as the role of that name; what
# else is given are settings of its environment.  Returns its exit status, output
# and errors.
sub run_example
{
	my ($node, $role, $command, %env) = @_;
	my @command = ref $command ? @$command : $command;
	my ($out, $err) = ('', '');

	@command = ('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', @command[ 1 .. $#command ], '-f', $command[0])
	  if $command[0] =~ /\.sql$/;
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGUSER => $role, PGDATABASE => 'postgres', %env);
	IPC::Run::run(\@command, '<', '/dev/null', '>', \$out, '2>', \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return ($? >> 8, $out, $err);
}

# Connect as the examples do: their role is "app".
sub connect_example
{
	my ($node, $sandbox) = @_;
	my ($status, $out, $err) = run_example($node, $node->safe_psql('postgres', 'SELECT current_user'),
		[ example('psql/connect.sql'), '-v', 'role=app' ],
		IGNISIGN_API_KEY  => $sandbox->key,
		IGNISIGN_BASE_URL => $sandbox->url);

	die "connect.sql: $err" if $status != 0;
	return $out;
}

# Partition tables of the extension, as the example does.
sub partition_node
{
	my ($node) = @_;
	my ($status, $out, $err) =
	  run_example($node, $node->safe_psql('postgres', 'SELECT current_user'), example('partitioning/partition.sql'));

	die "partition.sql: $err" if $status != 0;
	return;
}

# Make a small PDF that differs from others by its text.
sub pdf
{
	my ($text) = @_;
	my $stream = "BT /F1 12 Tf 72 720 Td ($text) Tj ET";
	my @objects = (
		'<< /Type /Catalog /Pages 2 0 R >>',
		'<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
		'<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R'
		  . ' /Resources << /Font << /F1 5 0 R >> >> >>',
		'<< /Length ' . length($stream) . " >>\nstream\n$stream\nendstream",
		'<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>');
	my $pdf = "%PDF-1.4\n";
	my $xref = "0000000000 65535 f \n";
	my $n = 0;

	for my $object (@objects)
	{
		$xref .= sprintf("%010d 00000 n \n", length $pdf);
		$pdf .= ++$n . " 0 obj\n$object\nendobj\n";
	}
	$n++;
	return
		$pdf
	  . "xref\n0 $n\n$xref"
	  . "trailer\n<< /Size $n /Root 1 0 R >>\nstartxref\n"
	  . length($pdf)
	  . "\n%%EOF\n";
}

# Write the call that sends one PDF to the signers with these e-mails.
sub sign_sql
{
	my ($title, @emails) = @_;
	my $hex = unpack 'H*', pdf($title);
	my $signers = join ', ',
	  map { "ignisign_signer('$_', 'Ann', 'Lee')" } @emails;

	return "SELECT ignisign_sign(title => '$title', document => '\\x$hex',"
	  . " file_name => 'a.pdf', signers => ARRAY[$signers])";
}

# Only servers that end in order write down which lines they ran.
END
{
	my $status = $?;

	if (($ENV{IGNISIGN_MODE} // '') eq 'coverage')
	{
		$_->[1]->stop('fast', fail_ok => 1) for grep { $_->[0] == $$ } @nodes;
	}
	$? = $status;
}

package IgnisignTest::Listener;

use strict;
use warnings FATAL => 'all';

sub new
{
	my ($class) = @_;
	my $socket = IO::Socket::INET->new(
		Listen    => 20,
		LocalAddr => '127.0.0.1',
		LocalPort => IgnisignTest::free_port()) or die "listen: $!";

	return bless { socket => $socket }, $class;
}

sub url { return 'http://127.0.0.1:' . $_[0]{socket}->sockport . '/' }

# Take messages, answering each, until one fits; returns its text.
sub take
{
	my ($self, $wanted) = @_;
	my $body = '';

	local $SIG{ALRM} = sub { die 'no message came' };
	alarm $PostgreSQL::Test::Utils::timeout_default;
	while ($body !~ $wanted)
	{
		my $connection = $self->{socket}->accept or die "accept: $!";
		my $length = 0;

		while (defined(my $line = <$connection>))
		{
			$length = $1 if $line =~ /^Content-Length: (\d+)/i;
			last if $line eq "\r\n";
		}
		read $connection, $body, $length;
		print $connection
		  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
		close $connection;
	}
	alarm 0;
	return $body;
}

package IgnisignTest::Sandbox;

use strict;
use warnings FATAL => 'all';

use HTTP::Tiny;
use JSON::PP ();
use POSIX    ();

my @running;

# Find the binary: named by the environment, built here, or installed.
sub program
{
	my $top = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../..');

	for my $path ($ENV{IGNISIGN_SANDBOX}, "$top/sandbox/ignisign-sandbox",
		map { "$_/ignisign-sandbox" } split /:/, $ENV{PATH})
	{
		return $path if defined $path && -x $path;
	}
	die 'ignisign-sandbox was not found; run make';
}

sub new
{
	my ($class, %option) = @_;
	my $self = bless {
		port => delete $option{port} // IgnisignTest::free_port(),
		scheme => exists $option{tls} ? 'https' : 'http',
		key    => $option{api_key}
		  // 'skv2_development_5a4db0c5-0000-4000-8000-000000000001_sandboxsecret',
		option => {%option},
		owner => $$,
		dir   => PostgreSQL::Test::Utils::tempdir('sandbox')
	}, $class;

	# Beside the logs of the test's servers, where it is kept if the test fails.
	$self->{log} = sprintf '%s/%s_sandbox_%d.log', $PostgreSQL::Test::Utils::log_path,
	  File::Basename::basename($0, '.pl'), $self->{port};
	push @running, $self;
	return $self->start;
}

# Start the program, at first or again after stop or kill, on the same port.
sub start
{
	my ($self) = @_;
	my $ready = "$self->{dir}/ready";
	my @command = (program(), '--port', $self->{port}, '--ready-file', $ready);

	for my $name (sort keys %{ $self->{option} })
	{
		my $value = $self->{option}{$name};
		my $flag = '--' . $name =~ tr/_/-/r;

		push @command, $flag unless defined $value;
		push @command, map { ($flag, $_) } ref $value ? @$value : $value
		  if defined $value;
	}
	unlink $ready;
	$self->{pid} = fork // die "fork: $!";
	if ($self->{pid} == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $self->{log};
		open STDERR, '>&', \*STDOUT;
		exec { $command[0] } @command
		  or POSIX::_exit(127);
	}

	IgnisignTest::wait_for(
		sub {
			if (waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid})
			{
				delete $self->{pid};
				die "the sandbox did not start:\n" . $self->log;
			}
			return -s $ready;
		},
		{ timeout => 30, what => 'sandbox' }
	) or die "the sandbox is not ready:\n" . $self->log;
	return $self;
}

sub port { return $_[0]{port} }
sub key  { return $_[0]{key} }
sub dir  { return $_[0]{dir} }
sub pid  { return $_[0]{pid} }
sub url  { return "$_[0]{scheme}://127.0.0.1:$_[0]{port}" }
sub log  { return PostgreSQL::Test::Utils::slurp_file($_[0]{log}) }

# Make a control call and return what it answers, decoded.
sub control
{
	my ($self, $method, $path, $body) = @_;
	my $http = HTTP::Tiny->new(
		timeout    => 60,
		verify_SSL => 0,
		no_proxy   => ['127.0.0.1']);
	my %content = defined $body
	  ? (
		headers => { 'Content-Type' => 'application/json' },
		content => JSON::PP::encode_json($body))
	  : ();
	my $answer =
	  $http->request($method, $self->url . "/_sandbox/$path", \%content);

	die "$method /_sandbox/$path: $answer->{status} $answer->{content}"
	  unless $answer->{success};
	return undef unless length($answer->{content} // '');
	return JSON::PP::decode_json($answer->{content});
}

# Break calls to come: fault('one-call-sign count=1 close=after').
sub fault
{
	my ($self, $spec) = @_;

	return $self->control('POST', 'faults',
		ref $spec ? $spec : { spec => $spec });
}

sub clear_faults { return $_[0]->control('DELETE', 'faults') }
sub clear_journal { return $_[0]->control('DELETE', 'journal') }
sub reset  { return $_[0]->control('POST', 'reset') }
sub counts { return $_[0]->control('GET',  'counts') }

# List what was called, oldest first, or only one operation.
sub journal
{
	my ($self, $operation) = @_;
	my $path = 'journal?limit=1000000';

	$path .= "&operation=$operation" if defined $operation;
	return _list($self->control('GET', $path), 'journal', 'entries', 'calls');
}

# List the signature requests that the sandbox holds.
sub requests
{
	my ($self) = @_;

	return _list($self->control('GET', 'requests?limit=1000000'),
		'requests', 'signatureRequests');
}

# Let one signer sign, or all.
sub sign
{
	my ($self, $request, $email) = @_;

	return $self->control('POST', "requests/$request/sign",
		defined $email ? { email => $email } : {});
}

# Do anything else that the sandbox knows for a request: expire, fail, ...
sub act
{
	my ($self, $request, $action, $body) = @_;

	return $self->control('POST', "requests/$request/$action", $body // {});
}

sub stop { return $_[0]->_end('TERM') }
sub kill { return $_[0]->_end('KILL') }

sub _end
{
	my ($self, $signal) = @_;
	my $pid = delete $self->{pid} // return;

	CORE::kill($signal, $pid);
	waitpid($pid, 0);
	return;
}

# Take the list out of an answer, which is the list or an object around it.
sub _list
{
	my ($answer, @names) = @_;

	return @$answer if ref $answer eq 'ARRAY';
	for my $name (@names)
	{
		return @{ $answer->{$name} } if exists $answer->{$name};
	}
	die 'no list in the answer of the sandbox';
}

END
{
	my $status = $?;

	for my $sandbox (@running)
	{
		$sandbox->stop if $sandbox->{owner} == $$;
	}
	$? = $status;
}

1;
