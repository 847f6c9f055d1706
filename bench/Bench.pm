# What the programs of the bench share.

package Bench;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);

our @EXPORT_OK = qw(sql);

# Run statements in a database; returns what they answer.
sub sql
{
	my ($statement, $database) = @_;

	open(my $psql, '-|', 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $database // 'postgres', '-c', $statement)
	  or die "psql: $!";
	my $answer = do { local $/; <$psql> } // '';
	close $psql or die "failed: $statement\n";
	chomp $answer;
	return $answer;
}

1;
