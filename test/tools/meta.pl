#!/usr/bin/perl
#
# Check META.json against PGXN's meta spec, version 1.0.0, and the files that it
# names against what is there.

use strict;
use warnings;

use File::Basename;
use JSON::PP;

my @wrong;

# What kinds of values there are; each returns whether a value is one.
my $text = sub { defined $_[0] && !ref $_[0] && length $_[0] };
my $version = sub { $text->($_[0]) && $_[0] =~ /^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}([-+a-zA-Z][-+.0-9a-zA-Z]*)?$/ };
my $range = sub {
	$text->($_[0])
	  && !grep { !/^\s*([<>]=?|[=!]=)?\s*(\S+)\s*$/ || !($2 eq '0' || $version->($2)) } split /,/, $_[0];
};
my $term = sub { $text->($_[0]) && length $_[0] > 1 && $_[0] !~ m,[\s[:cntrl:]/\\], };
my $tag = sub { $text->($_[0]) && length $_[0] < 256 && $_[0] !~ m,[[:cntrl:]/\\], };
my $url = sub { $text->($_[0]) && $_[0] =~ m,^[a-z][-+.a-z0-9]*://[^/?#]+,i };
my $email = sub { $text->($_[0]) && $_[0] =~ /@/ };
my $license = sub {
	$text->($_[0])
	  && $_[0] =~ /^(agpl_3|apache_1_1|apache_2_0|artistic_[12]|bsd|freebsd|gfdl_1_[23]|gpl_[123]|lgpl_(2_1|3_0)|mit|mozilla_1_[01]|open_source|openssl|perl_5|postgresql|qpl_1_0|restricted|ssleay|sun|unknown|unrestricted|zlib)$/;
};
my $file = sub { $text->($_[0]) && -f dirname($ARGV[0]) . "/$_[0]" };

# One, or a list.
sub some_of
{
	my $kind = shift;
	return sub {
		my @values = ref $_[0] eq 'ARRAY' ? @{ $_[0] } : ($_[0]);
		return @values && !grep { !$kind->($_) } @values;
	};
}

# An object with the keys of one kind, the values of another.
sub map_of
{
	my ($key, $value) = @_;
	return sub {
		return ref $_[0] eq 'HASH' && !grep { !$key->($_) || !$value->($_[0]->{$_}) } keys %{ $_[0] };
	};
}

# An object with these keys, those with a star required, and x_ for one's own.
sub object
{
	my %kinds = @_;
	return sub {
		my ($value, $at) = @_;
		return 0 if ref $value ne 'HASH';
		foreach my $key (sort keys %$value)
		{
			my $kind = $kinds{$key} || $kinds{"*$key"} || $key =~ /^x_/i && next;
			push @wrong, ($at // '') . "$key" if !$kind || !$kind->($value->{$key}, ($at // '') . "$key.");
		}
		push @wrong, "no $_" for grep { s/^\*// && !exists $value->{$_} } keys %kinds;
		return 1;
	};
}

sub one_of
{
	my $words = join '|', @_;
	return sub { $text->($_[0]) && $_[0] =~ /^($words)$/ };
}

my $meta = object(
	'*name' => $term,
	'*version' => $version,
	'*abstract' => $text,
	'*maintainer' => some_of($text),
	'*license' => sub { some_of($license)->($_[0]) || map_of($text, $url)->($_[0]) },
	'*provides' => map_of(
		$term,
		object('*file' => $file, '*version' => $version, 'abstract' => $text, 'docfile' => $file)),
	'*meta-spec' => object('*version' => one_of('1\.0\.0'), 'url' => $url),
	'description' => $text,
	'generated_by' => $text,
	'tags' => some_of($tag),
	'no_index' => object('file' => some_of($text), 'directory' => some_of($text)),
	'prereqs' => map_of(
		one_of(qw(configure build test runtime develop)),
		map_of(one_of(qw(requires recommends suggests conflicts)), map_of($term, $range))),
	'release_status' => one_of(qw(stable testing unstable)),
	'resources' => object(
		'homepage' => $url,
		'license' => some_of($url),
		'bugtracker' => object('web' => $url, 'mailto' => $email),
		'repository' => object('web' => $url, 'url' => $url, 'type' => $text)));

open my $fh, '<', $ARGV[0] or die "$ARGV[0]: $!\n";
my $json = decode_json(do { local $/; <$fh> });
$meta->($json) or push @wrong, 'no object';
print "$ARGV[0]: $_\n" for @wrong;
exit(@wrong > 0);
