# Look whether test/README.md has exactly one line for each test file, and only lines
# of files that exist.
#
#	perl test/tools/listed.pl
#
# Prints what is wrong, and fails then.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);

chdir dirname(__FILE__) . '/..' or die "chdir: $!";

my %file = map { $_ => 1 } grep { !m{^\.\./sql/ignisign--} }
  map { glob } qw(t/*.pl chaos/*.pl sandbox/*.t isolation/specs/*.spec unit/*_test.c fuzz/*_fuzz.c ../sql/*.sql);
my (%line, @wrong);

open my $in, '<', 'README.md' or die "README.md: $!";
while (<$in>)
{
	$line{$1}++ if /^\| `([^`]+)` \| \S/;
}
close $in;
push @wrong, map { "no line for $_" } grep { !$line{$_} } sort keys %file;
push @wrong, map { "a line for $_, which is no test file" } grep { !$file{$_} } sort keys %line;
push @wrong, map { "$line{$_} lines for $_" } grep { $line{$_} > 1 } sort keys %line;

print "test/README.md: $_\n" for @wrong;
exit(@wrong ? 1 : 0);
