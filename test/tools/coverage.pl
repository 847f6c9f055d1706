# Print which share of the lines of a folder's C files was run, by file and in
# total; as TAP it fails below a number of percent.
#
#	coverage.pl src 90
#
# The programs were built with --coverage, the extension and each unit test
# with counters of their own; a line was run if it was in any of them.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(basename dirname);
use File::Find     qw(find);
use JSON::PP       ();

my ($folder, $least) = @ARGV;
my (%lines, @counters);

find(sub { push @counters, $File::Find::name if /\.gcda$/ }, '.');
for my $counters (sort @counters)
{
	my $dir = dirname($counters);
	my $file = basename($counters);
	my $output = `cd '$dir' && gcov --json-format --stdout '$file' 2>/dev/null`;

	for my $object (split /\n/, $output)
	{
		for my $source (@{ JSON::PP::decode_json($object)->{files} })
		{
			$source->{file} =~ m{(?:^|/)\Q$folder\E/([^/]+\.c)$} or next;
			$lines{$1}{ $_->{line_number} } += $_->{count}
			  for @{ $source->{lines} };
		}
	}
}

my ($all, $all_run) = (0, 0);

for my $file (sort keys %lines)
{
	my @not_run = sort { $a <=> $b } grep { !$lines{$file}{$_} } keys %{ $lines{$file} };
	my $count = keys %{ $lines{$file} };

	$all += $count;
	$all_run += $count - @not_run;
	printf "# %-16s %5.1f %% of %4d%s\n", $file, 100 * ($count - @not_run) / $count, $count,
	  @not_run ? ', not ' . ranges(@not_run) : '';
}

my $percent = $all ? 100 * $all_run / $all : 0;

printf "# %-16s %5.1f %% of %4d\n", 'all', $percent, $all;
printf "%s 1 - %d %% of the lines of %s are run\n", $percent >= $least ? 'ok' : 'not ok', $least, $folder;
print "1..1\n";
exit($percent >= $least ? 0 : 1);

# Write sorted numbers as ranges.
sub ranges
{
	my @ranges;

	for my $number (@_)
	{
		if (@ranges && $ranges[-1][1] == $number - 1)
		{
			$ranges[-1][1] = $number;
		}
		else
		{
			push @ranges, [ $number, $number ];
		}
	}
	return join ' ', map { $_->[0] == $_->[1] ? $_->[0] : "$_->[0]-$_->[1]" } @ranges;
}
