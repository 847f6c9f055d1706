#!/usr/bin/perl
# Checks that includes between the folders of a tree run one way, and that no two files
# include each other in a circle.  Prints TAP.
#
#	includes.pl TREE LAYER...
#
# The layers go from the highest folder to the lowest.  A file may include headers of its
# own folder and of the folders below it; headers at the top of the tree belong to
# everybody.  "a+b" is one layer of two folders that do not include each other.

use strict;
use warnings FATAL => 'all';

my ($tree, @layers) = @ARGV;
my %rank;
my $n = 0;
my $failed = 0;

for my $layer (reverse @layers)
{
	$rank{$_} = $n for split /\+/, $layer;
	$n++;
}

my (%includes, @wrong);
for my $file (glob("$tree/*.[ch] $tree/*/*.[ch]"))
{
	my $name = $file =~ s{^\Q$tree\E/}{}r;
	my ($folder) = $name =~ m{^([^/]+)/};

	push @wrong, "$name: the folder has no layer" if defined $folder && !defined $rank{$folder};
	open my $in, '<', $file or die "$file: $!\n";
	while (my $line = <$in>)
	{
		my ($header) = $line =~ /^#include "([^"]+)"/ or next;

		next if !-e "$tree/$header";
		push @{ $includes{$name} }, $header;
		my ($below) = $header =~ m{^([^/]+)/} or next;
		next if !defined $folder || $below eq $folder;
		next if defined $rank{$folder} && defined $rank{$below} && $rank{$below} < $rank{$folder};
		push @wrong, "$name includes $header, which is not below it";
	}
	close $in;
}

# Look for a circle of headers, depth first.
my (%state, @path, @circles);

sub visit
{
	my ($file) = @_;

	return if ($state{$file} // '') eq 'done';
	if (($state{$file} // '') eq 'open')
	{
		push @circles, join(' -> ', @path, $file);
		return;
	}
	$state{$file} = 'open';
	push @path, $file;
	visit($_) for @{ $includes{$file} // [] };
	pop @path;
	$state{$file} = 'done';
	return;
}

visit($_) for sort keys %includes;

sub report
{
	my ($number, $name, @problems) = @_;

	print @problems ? 'not ok' : 'ok', " $number - $name\n";
	print "# $_\n" for @problems;
	$failed = 1 if @problems;
	return;
}

report(1, "$tree: includes run from a folder to those below it", @wrong);
report(2, "$tree: no circle of includes", @circles);
print "1..2\n";
exit $failed;
