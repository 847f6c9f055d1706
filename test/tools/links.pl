# Look whether the links in the Markdown files lead somewhere: to files, and to
# headings in them as GitHub names these; whether files that are named in the text
# are there; and whether README leads to every document.
#
#	perl test/tools/links.pl [FOLDER]
#
# Prints what is wrong, and fails then.

use strict;
use warnings FATAL => 'all';

use Cwd            qw(abs_path);
use File::Basename qw(dirname);
use File::Spec;

my $top = abs_path($ARGV[0] // dirname(__FILE__) . '/../..');
my @files = grep { -f } map { glob("$top/$_") } qw(*.md docs/*.md */README.md */*/README.md .github/*.md .github/*/*.md);
my (%anchors, %reached, @wrong);

sub slurp
{
	my ($file) = @_;

	open my $in, '<:encoding(UTF-8)', $file or die "$file: $!";
	local $/;
	return scalar <$in>;
}

# Text without blocks of code and remarks.
sub prose
{
	my ($text) = @_;

	$text =~ s/^( *)```.*?^\1```$//msg;
	$text =~ s/^<!--.*?-->$//msg;
	return $text;
}

# The anchors of a file: of each heading what is left of it in small letters,
# with a number where there are several.
sub anchors
{
	my ($file) = @_;
	my %count;

	$anchors{$file} //= do {
		my %there;
		for my $heading (prose(slurp($file)) =~ /^#{1,6} +(.*?) *$/mg)
		{
			my $anchor = lc($heading =~ s/\[([^\]]*)\]\([^)]*\)/$1/gr);

			$anchor =~ s/[^\w\- ]//g;
			$anchor =~ tr/ /-/;
			my $n = $count{$anchor}++;
			$there{ $n ? "$anchor-$n" : $anchor } = 1;
		}
		\%there;
	};
	return $anchors{$file};
}

for my $file (@files)
{
	my $name = File::Spec->abs2rel($file, $top);
	my $text = slurp($file);

	# A link's text may be code.
	for my $link (prose($text) =~ /\[(?:[^\[\]`]|`[^`\n]*`)*\]\(([^)\s]+)\)/g)
	{
		next if $link =~ /^(?:https?|mailto):/;
		my ($path, $anchor) = $link =~ /^([^#]*)(?:#(.*))?$/;
		my $target = $path eq '' ? $file : File::Spec->rel2abs($path, dirname($file));

		if (!-e $target)
		{
			push @wrong, "$name: $link: there is no such file";
			next;
		}
		$target = abs_path($target);
		$reached{$target} = 1 if $name eq 'README.md';
		push @wrong, "$name: $link: there is no such heading"
		  if defined $anchor && ($target !~ /\.md$/ || !anchors($target)->{$anchor});
	}

	# Files of ours that the text names, from the top or from its own folder; src/test/ is
	# the server's.
	for my $path (prose($text) =~ m{`((?:docs|test|src|sql|sandbox|examples|bench|\.github|\.githooks|\.ci)/[\w./-]*\w)`}g)
	{
		push @wrong, "$name: `$path`: there is no such file"
		  if !-e "$top/$path" && !-e dirname($file) . "/$path" && $path !~ m{^src/test/|/ignisign-sandbox$|/found$|/response_fuzz$};
	}
}
push @wrong, "README.md: there is no link to $_"
  for grep { m{^docs/} } map { File::Spec->abs2rel($_, $top) } grep { !$reached{$_} } @files;

print "$_\n" for @wrong;
exit(@wrong ? 1 : 0);
