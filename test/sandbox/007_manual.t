# The manual page of the sandbox has the options of --help, and is installed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp qw(tempdir);
use SandboxTest;
use Test::More;

my $top = "$FindBin::Bin/../..";
my $page = "$top/sandbox/ignisign-sandbox.1";
my $text = slurp($page);
my ($status, $help) = SandboxTest::run('--help');

sub slurp
{
	my ($file) = @_;

	open my $in, '<', $file or die "$file: $!";
	local $/;
	return scalar <$in>;
}

is(`mandoc -Tlint $page 2>&1`, '', 'mandoc finds nothing wrong');

# "--port PORT" is ".It Fl -port Ar port".
my @options = map { s/^--//r =~ s/ (.*)/' ' . lc $1/er } $help =~ /^ {6}(--[\w-]+(?: [A-Z]+)?)/mg;
ok(@options >= 30, 'there are options');
is_deeply([ map { s/ Ar / /r } $text =~ /^\.It Fl -(.*)$/mg ], \@options, 'they are in the page, in their order, and no other');

# The defaults, option by option.
my %default = map { /^(\S+).*\(default:? ([^\s)]+)\)/s ? ($1 => $2) : () } split /^ {6}--/m, $help =~ s/\n {29}/ /gr;
for my $option (grep { $default{$_} =~ /^[\d.]+$/ && $_ ne 'tls-dir' } sort keys %default)
{
	my ($what) = $text =~ /^\.It Fl -\Q$option\E\b.*\n((?:(?!\.(?:It|El)).*\n)*)/m;
	like($what, qr/\b\Q$default{$option}\E by default/, "$option: $default{$option}");
}

# The words of a fault.
my ($words) = $help =~ /^A FAULT is (.*)\.  See/ms;
my ($faults) = $text =~ /^\.Sh FAULTS\n(.*?)^\.Sh/ms;
my %word = map { $_ => 1 } $words =~ /\b([a-z]+(?:-[a-z]+)*)=/g, qw(garbage empty endless);
is_deeply([ grep { $faults !~ /^\.Cm $_\b/m } sort keys %word ], [], 'words of faults');

# A shell and man find what "make install" and Debian's package have.
my $dir = tempdir(CLEANUP => 1);
for my $case (
	[ "-C $top install-sandbox",                        '/usr/local' ],
	[ "-C $top install-sandbox SANDBOX_PREFIX=/opt/pg", '/opt/pg' ],
	[ "-C $top/sandbox install prefix=/usr",            '/usr' ])
{
	my ($arguments, $prefix) = @$case;
	my $make = "env -u SANDBOX_PREFIX make -s DESTDIR=$dir";
	my $program = "$dir$prefix/bin/ignisign-sandbox";
	my $installed = "$dir$prefix/share/man/man1/ignisign-sandbox.1";

	is(system("$make $arguments >/dev/null 2>&1"), 0, "make $arguments");
	ok(-x $program, "the program is in $prefix");
	ok(-e $installed && slurp($installed) eq $text, 'with its page');
	is(system("$make " . $arguments =~ s/install/uninstall/r . ' >/dev/null 2>&1'), 0, 'it can be removed');
	ok(!-e $program && !-e $installed, 'and is gone');
}

done_testing();
