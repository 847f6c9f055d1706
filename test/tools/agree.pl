#!/usr/bin/perl
#
# Check that all files tell the same: which version of ignisign this is, and which
# PostgreSQL is the oldest.  Prints those that do not.

use strict;
use warnings;

sub slurp
{
	my ($file) = @_;
	open my $fh, '<', $file or die "$file: $!\n";
	local $/;
	return scalar <$fh>;
}

# Each place must have what its first place has.  The extension's own version has
# no third number.
my $failed = 0;

sub agree
{
	my @places = @_;
	my $expected;
	while (my ($file, $pattern) = splice @places, 0, 2)
	{
		my ($found) = slurp($file) =~ $pattern;
		$found //= 'nothing';
		$expected //= $found;
		next if $found eq $expected || "$found.0" eq $expected;
		print "$file tells $found, not $expected\n";
		$failed = 1;
	}
}

agree(
	'src/guc.h' => qr/^#define IG_VERSION\s+"([\d.]+)"$/m,
	'ignisign.control' => qr/^default_version = '([\d.]+)'$/m,
	'META.json' => qr/^   "version": "([\d.]+)"/m,
	'META.json' => qr/^         "version": "([\d.]+)"/m,
	'META.json' => qr/"file": "sql\/ignisign(?:--[\d.]+)*--([\d.]+)\.sql"/,
	'debian/changelog' => qr/^ignisign \(([\d.]+)-/,
	'CHANGELOG.md' => qr/^## ([\d.]+)/m,
	'Dockerfile' => qr/^LABEL org\.opencontainers\.image\.version="([\d.]+)"$/m,
	'sandbox/util/options.c' => qr/^#define VERSION "([\d.]+)"$/m);

agree(
	'debian/pgversions' => qr/^(\d+)\+$/,
	'scripts/packages.sh' => qr/^min_major=(\d+)$/m,
	'src/compat.h' => qr/^#if PG_VERSION_NUM < (\d\d)0000$/m,
	'META.json' => qr/"PostgreSQL": "(\d+)\.0\.0"/,
	'README.md' => qr/needs PostgreSQL (\d+) or newer/);

# What is kept of it is what pg_buildext makes on Debian 12.
my $control = slurp('debian/control.in') =~ s/PGVERSION/15/gr;
if ($control ne slurp('debian/control'))
{
	print "debian/control is not debian/control.in for PostgreSQL 15\n";
	$failed = 1;
}
exit($failed);
