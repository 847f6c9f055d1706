# What is no secret is not overwritten, in the databases of everybody; what is one is, also
# where a tree of a statement is printed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $uuid = '5a4db0c5-0000-4000-8000-000000000001';
my $key = "skv2_development_${uuid}_k3yTh4tN0b0dyM4ySee";
my $node = new_node(
	'redaction', undef,
	'ignisign.enabled' => 'off',
	log_statement => 'all',
	debug_print_parse => 'on',
	debug_print_rewritten => 'on',
	debug_print_plan => 'on');

$node->safe_psql('postgres', 'CREATE DATABASE other');

# What the client and the log are told of a statement that fails.
sub told
{
	my ($sql) = @_;
	my $offset = -s $node->logfile;
	my ($status, $out, $err) = $node->psql('other', $sql);

	isnt($status, 0, 'a statement fails');
	return ($err, PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset));
}

for my $name ('risk_staging_area', 'sk_staging_area', 'sk_production_line_2024_assignments', 'task_development_plan',
	'desk_production_a1b2c3d4e5f6a7b8c9d0', 'skv2_items')
{
	my ($err, $log) = told("SELECT * FROM $name WHERE kind = 'secret' AND name = 'x'");

	like($err, qr/relation "$name" does not exist/, "the name $name is told");
	like($log, qr/STATEMENT:  SELECT \* FROM $name WHERE kind = 'secret' AND name = 'x'/, '... and logged with its statement');
}

for my $secret ($key, 'skv2_develpment_x_k3yTh4tN0b0dyM4ySee', 'sk_production_k3yTh4tN0b0dyM4ySee')
{
	my ($err, $log) = told("SELECT * FROM \"nothing $secret\"");

	like($err, qr/relation "nothing sk(v2)?_\*+" does not exist/, 'a secret is overwritten');
	unlike($log, qr/k3yTh4tN0b0dyM4ySee/, '... also in the log');
	like($log, qr/ERROR:  relation "nothing sk(v2)?_\*+" does not exist/, '... which has the rest');
}
my ($err, $log) = told("CREATE USER MAPPING FOR CURRENT_USER SERVER nowhere OPTIONS (secret 'hunter2')");
unlike($log, qr/hunter2/, 'the value of an option "secret" is not logged');

# Trees are left out of the log, whatever they are of.

my $offset = -s $node->logfile;
$node->safe_psql('other', "DO \$\$ BEGIN PERFORM 'one of my texts', '$key'; END \$\$; SELECT 'another of my texts'");
$log = PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset);
like($log, qr/LOG:  $_:\n.*DETAIL:  It is left out/, "the $_ is left out") for 'parse tree', 'rewritten parse tree', 'plan';
my $bytes = join '\\s+', unpack 'C*', 'of my texts';
unlike($log, qr/\{QUERY|\{PLANNEDSTMT|$bytes/, 'nothing is left of it');

$node->stop;
done_testing();
