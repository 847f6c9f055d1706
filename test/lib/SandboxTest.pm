# What the tests of the sandbox share: a sandbox of their own, and calls as a
# client of the API makes them.  Only Perl's core modules.
#
#	my $sandbox = SandboxTest->start('--sign-after', 0);
#	my $answer = $sandbox->call('GET', '/v4/healthcheck');
#	is($answer->{status}, 200);
#	is($answer->{json}{...}, ...);

package SandboxTest;

use strict;
use warnings FATAL => 'all';

use Cwd            qw(abs_path);
use File::Basename qw(dirname);
use File::Temp     ();
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP    ();
use MIME::Base64 qw(encode_base64);
use POSIX       ();
use Time::HiRes qw(sleep time);

our $key = 'skv2_development_5a4db0c5-0000-4000-8000-000000000001_sandboxsecret';
our $app = '/v4/applications/appId_5a4db0c5-0000-4000-8000-000000000001/envs/DEVELOPMENT';

sub program
{
	return $ENV{IGNISIGN_SANDBOX} // abs_path(dirname(__FILE__) . '/../../sandbox/ignisign-sandbox');
}

# Run the program to its end; returns its exit status and what it printed.
sub run
{
	my (@arguments) = @_;
	my $command = join ' ', map { "'$_'" } program(), @arguments;
	my $output = `$command 2>&1`;

	return ($? >> 8, $output);
}

# Start a sandbox on a free port below those that tests with a server use.
sub start
{
	my ($class, @arguments) = @_;
	my $self = bless { dir => File::Temp->newdir, owner => $$, scheme => 'http' }, $class;

	if (grep { $_ eq '--tls' } @arguments)
	{
		$self->{scheme} = 'https';
		push @arguments, '--tls-dir', "$self->{dir}";
	}
	for my $try (1 .. 20)
	{
		$self->{port} = 10000 + int(rand(10000));
		return $self if $self->start_on_port(@arguments);
	}
	die 'the sandbox did not start';
}

sub start_on_port
{
	my ($self, @arguments) = @_;
	my $ready = "$self->{dir}/ready";

	unlink $ready;
	$self->{pid} = fork // die "fork: $!";
	if ($self->{pid} == 0)
	{
		open STDOUT, '>', "$self->{dir}/log";
		open STDERR, '>&', \*STDOUT;
		exec { program() } program(), '--port', $self->{port}, '--ready-file', $ready, @arguments
		  or POSIX::_exit(127);
	}
	for (my $end = time + 30; time < $end; sleep 0.02)
	{
		return 1 if -s $ready;
		last if waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid};
	}
	delete $self->{pid};
	return 0;
}

sub url { return "$_[0]{scheme}://127.0.0.1:$_[0]{port}" }

# Make a call; options: json (a body), body with type, key, headers.
sub call
{
	my ($self, $method, $path, %option) = @_;
	my $http = $self->{http} //= HTTP::Tiny->new(
		timeout      => 20,
		max_redirect => 0,
		keep_alive   => 0,
		no_proxy     => ['127.0.0.1'],
		verify_SSL   => 0);
	my %headers = (Authorization => 'Bearer ' . ($option{key} // $key), %{ $option{headers} // {} });
	my %request = (headers => \%headers);

	delete $headers{Authorization} if exists $option{key} && !defined $option{key};
	if (exists $option{json})
	{
		$headers{'Content-Type'} //= 'application/json';
		$request{content} = JSON::PP->new->canonical->utf8->encode($option{json});
	}
	elsif (exists $option{body})
	{
		$headers{'Content-Type'} //= $option{type} // 'application/json';
		$request{content} = $option{body};
	}
	my $answer = $http->request($method, $self->url . $path, \%request);

	$answer->{json} = eval { JSON::PP::decode_json($answer->{content}) };
	return $answer;
}

sub control
{
	my ($self, $method, $path, $json) = @_;

	return $self->call($method, "/_sandbox/$path", defined $json ? (json => $json) : ())->{json};
}

# A body of one-call-sign, with changes: undef removes a field.
sub sign_body
{
	my (%change) = @_;
	my %body = (
		title           => 'Lease',
		signatureMethod => 'SIMPLE_STD',
		signers         => [ { email => 'ann@example.com', firstName => 'Ann', lastName => 'Lee' } ],
		documents       => [
			{   originalName => 'a.pdf',
				mimeType     => 'application/pdf',
				base64       => encode_base64("%PDF-1.4\n", '')
			}
		],
		%change);

	delete $body{$_} for grep { !defined $body{$_} } keys %body;
	return \%body;
}

# Make a request; returns its id.
sub sign
{
	my ($self, %change) = @_;
	my $answer = $self->call('POST', '/v4/signature-requests/one-call-sign', json => sign_body(%change));

	die "one-call-sign: $answer->{status} $answer->{content}" unless $answer->{status} == 200;
	return $answer->{json}{signatureRequestId};
}

sub context
{
	my ($self, $id) = @_;

	return $self->call('GET', "/v4/signature-requests/$id/context")->{json};
}

# Wait for a condition, for half a minute at most.
sub wait_for
{
	my ($condition) = @_;

	for (my $end = time + 30; time < $end; sleep 0.02)
	{
		return 1 if $condition->();
	}
	return 0;
}

# Stop; returns the exit status.
sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} // return;

	kill 'TERM', $pid;
	waitpid $pid, 0;
	return $? >> 8;
}

sub DESTROY
{
	my ($self) = @_;

	local $?;
	$self->stop if $self->{owner} == $$;
}

1;
