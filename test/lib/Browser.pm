# A headless Chromium for the tests of pages, told what to do over a pipe in its
# DevTools protocol.  Only Perl's core modules.
#
#	my $browser = Browser->start or plan skip_all => 'no Chromium';
#	$browser->window(375, 700);
#	$browser->open($url);
#	$browser->click('button.main');
#	is($browser->run('document.title'), ...);

package Browser;

use strict;
use warnings FATAL => 'all';

use Fcntl      qw(F_DUPFD);
use File::Temp ();
use IO::Select;
use JSON::PP     ();
use MIME::Base64 qw(decode_base64);
use POSIX        ();
use Time::HiRes  qw(sleep time);

use constant PATIENCE => $ENV{PG_TEST_TIMEOUT_DEFAULT} // 180;

# How long a result is waited for that may never come, in seconds.
use constant LEAVING => 1;

# The program, or undef.
sub program
{
	for my $name (qw(chromium google-chrome))
	{
		for my $dir (split /:/, $ENV{PATH})
		{
			return "$dir/$name" if -x "$dir/$name";
		}
	}
	return undef;
}

# Start one with a profile of its own; undef: there is none.  It reads commands
# from descriptor 3 and writes answers to 4, each with a NUL at its end.  Its own
# sandbox needs rights that tests do not have.
sub start
{
	my ($class) = @_;
	my $program = program() // return undef;
	my $self = bless { dir => File::Temp->newdir, owner => $$, id => 0, unread => '', events => [] }, $class;

	pipe my $commands, $self->{to} or die "pipe: $!";
	pipe $self->{from}, my $answers or die "pipe: $!";
	$self->{pid} = fork // die "fork: $!";
	if ($self->{pid} == 0)
	{
		# Out of the way first: either may have the number that the other needs.
		my ($in, $out) = map { fcntl $_, F_DUPFD, 10 } $commands, $answers;
		POSIX::dup2($in, 3);
		POSIX::dup2($out, 4);
		open STDOUT, '>', "$self->{dir}/log";
		open STDERR, '>&', \*STDOUT;
		$ENV{HOME} = "$self->{dir}";
		exec { $program } $program, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
		  '--no-first-run', '--disable-background-networking', '--disable-component-update', '--hide-scrollbars',
		  "--user-data-dir=$self->{dir}/profile", '--remote-debugging-pipe', 'about:blank'
		  or POSIX::_exit(127);
	}
	close $commands;
	close $answers;

	my $target = $self->tell('Target.createTarget', { url => 'about:blank' })->{targetId};
	$self->{session} = $self->tell('Target.attachToTarget', { targetId => $target, flatten => JSON::PP::true })->{sessionId};
	$self->tell('Page.enable');
	$self->tell('Page.setLifecycleEventsEnabled', { enabled => JSON::PP::true });
	$self->tell('Log.enable');
	$self->tell('Runtime.enable');
	return $self;
}

# Read the next message, waiting for it for some seconds at most.
sub next_message
{
	my ($self, $patience) = @_;
	my $end = time + ($patience // PATIENCE);

	while (index($self->{unread}, "\0") < 0)
	{
		my $left = $end - time;

		IO::Select->new($self->{from})->can_read($left > 0 ? $left : 0) or die 'the browser says nothing';
		sysread $self->{from}, $self->{unread}, 65536, length $self->{unread} or die 'the browser has ended';
	}
	my $message = substr $self->{unread}, 0, index($self->{unread}, "\0") + 1, '';

	chop $message;
	return JSON::PP::decode_json($message);
}

# Give a command without waiting for its result.
sub hint
{
	my ($self, $method, $parameters) = @_;
	my %command = (id => ++$self->{id}, method => $method, params => $parameters // {});

	$command{sessionId} = $self->{session} if $self->{session};
	syswrite $self->{to}, JSON::PP::encode_json(\%command) . "\0" or die "write: $!";
}

# Give a command; returns its result.  Events that come meanwhile are kept.
sub tell
{
	my ($self, $method, $parameters) = @_;

	$self->hint($method, $parameters);
	while (1)
	{
		my $message = $self->next_message;

		push @{ $self->{events} }, $message if $message->{method};
		next unless ($message->{id} // 0) == $self->{id};
		die "$method: $message->{error}{message}" if $message->{error};
		return $message->{result};
	}
}

# Whatever was said of errors since the last time, by scripts and by policies, but
# not by the server.
sub complaints
{
	my ($self) = @_;
	my @said;

	$self->run('1');
	for my $event (@{ $self->{events} })
	{
		push @said, $event->{params}{entry}{text}
		  if $event->{method} eq 'Log.entryAdded' && $event->{params}{entry}{text} !~ /server responded with a status of 4/;
		push @said, $event->{params}{exceptionDetails}{text} if $event->{method} eq 'Runtime.exceptionThrown';
	}
	$self->{events} = [];
	return @said;
}

# Show pages at this size, in CSS pixels, as a phone does; dark: for those who prefer that.
sub window
{
	my ($self, $width, $height, %option) = @_;

	$self->tell('Emulation.setDeviceMetricsOverride',
		{ width => 0 + $width, height => 0 + $height, deviceScaleFactor => 1, mobile => $width < 600 ? JSON::PP::true : JSON::PP::false });
	$self->tell('Emulation.setEmulatedMedia',
		{ features => [ { name => 'prefers-color-scheme', value => $option{dark} ? 'dark' : 'light' } ] });
	$self->tell('Emulation.setScriptExecutionDisabled', { value => $option{no_script} ? JSON::PP::true : JSON::PP::false });
}

# Go to an address, and wait until all of the page is there.
sub open
{
	my ($self, $url) = @_;
	my $answer = $self->tell('Page.navigate', { url => $url });

	die "$url: $answer->{errorText}" if $answer->{errorText};
	until (grep { ($_->{params}{name} // '') eq 'load' && $_->{params}{loaderId} eq $answer->{loaderId} } @{ $self->{events} })
	{
		my $message = $self->next_message;

		push @{ $self->{events} }, $message if $message->{method};
	}
}

# The value of an expression in the page.
sub run
{
	my ($self, $expression) = @_;
	my $answer = $self->tell('Runtime.evaluate', { expression => $expression, returnByValue => JSON::PP::true });

	die "$expression: $answer->{exceptionDetails}{exception}{description}" if $answer->{exceptionDetails};
	return $answer->{result}{value};
}

# Wait until an expression is true; false: it did not become so.
sub wait_for
{
	my ($self, $expression) = @_;

	for (my $end = time + PATIENCE; time < $end; sleep 0.05)
	{
		# While a page is left there may be none.
		return 1 if eval { $self->run($expression) };
	}
	return 0;
}

# Give a command that may have the page left, which then has no result at times.
sub tell_of_leaving
{
	my ($self, $method, $parameters) = @_;

	$self->hint($method, $parameters);
	for (my $end = time + LEAVING; time < $end;)
	{
		my $message = eval { $self->next_message($end - time) } // last;

		push @{ $self->{events} }, $message if $message->{method};
		last if ($message->{id} // 0) == $self->{id};
	}
}

# Click on the middle of the first element, as a mouse does.
sub click
{
	my ($self, $selector) = @_;
	my $place = $self->run("(e => { e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
		  . " return {x: r.x + r.width / 2, y: r.y + r.height / 2} })(document.querySelector('$selector'))");

	$self->tell_of_leaving('Input.dispatchMouseEvent', { type => $_, %$place, button => 'left', clickCount => 1 })
	  for qw(mousePressed mouseReleased);
}

# Click on a place, whatever is there: a frame of another site that is left by that
# gives no result.
sub click_at
{
	my ($self, $x, $y) = @_;

	$self->hint('Input.dispatchMouseEvent', { type => $_, x => $x, y => $y, button => 'left', clickCount => 1 })
	  for qw(mousePressed mouseReleased);
}

# Press a key; what it would write, if anything.
sub press
{
	my ($self, $key, $code, $text) = @_;
	my %key = (key => $key, code => $key, windowsVirtualKeyCode => $code);

	$self->tell_of_leaving('Input.dispatchKeyEvent', { %key, type => 'keyDown', $text ? (text => $text) : () });
	$self->tell_of_leaving('Input.dispatchKeyEvent', { %key, type => 'keyUp' });
}

# Type into what has the focus.
sub type { $_[0]->tell('Input.insertText', { text => $_[1] }) }

# Write a picture of the page, as PNG, to a file.
sub picture
{
	my ($self, $file, %option) = @_;

	CORE::open my $out, '>:raw', $file or die "$file: $!";
	print $out decode_base64($self->tell('Page.captureScreenshot',
		{ captureBeyondViewport => $option{whole} ? JSON::PP::true : JSON::PP::false })->{data});
	close $out;
}

sub DESTROY
{
	my ($self) = @_;

	local ($?, $@);
	return unless $self->{pid} && $self->{owner} == $$;
	# Told so it ends after what it has started, which writes to the profile.
	delete $self->{session};
	eval { $self->hint('Browser.close') };
	for (my $end = time + 10; time < $end; sleep 0.02)
	{
		return if waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid};
	}
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
}

1;
