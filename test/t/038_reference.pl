# docs/reference.md has all that there is, and nothing else: functions with their
# arguments, tables with their columns, settings, options, errors.  And all of it
# has a comment, for \df+ and \d+.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my $node = new_node('reference', undef);
my $text = slurp_file("$top/docs/reference.md");
my $source = join '', map { slurp_file($_) } glob("$top/src/*.[ch] $top/src/*/*.[ch]");

sub lines { return split /\n/, $node->safe_psql('postgres', $_[0]) }

# The part of the reference under a heading, up to the next of its kind.
sub section
{
	my ($heading) = @_;

	$text =~ /^(#+) \Q$heading\E\n(.*?)(?=^#{1,2} |\z)/ms or die "no heading $heading";
	return $2;
}

# What a column of the tables in a text names in `...`.
sub named
{
	my ($where, $column) = @_;

	return map { /`([^`]+)`/g } map { (split /(?<!\\)\|/)[$column] } $where =~ /^(\|.*)$/mg;
}

sub is_same
{
	my ($got, $expected, $what) = @_;

	return is_deeply([ sort @$got ], [ sort @$expected ], $what);
}

# ---- Comments ----

my $members = q{
	SELECT d.classid, d.objid FROM pg_depend d
	WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ignisign')};

is_deeply([ lines("SELECT pg_describe_object(classid, objid, 0) FROM ($members) m "
	. 'WHERE obj_description(objid, (SELECT relname FROM pg_class WHERE oid = classid)) IS NULL') ],
	[], 'each function, table, view, type and the like has a comment');
is_deeply([ lines("SELECT a.attrelid::regclass || '.' || a.attname FROM ($members) m JOIN pg_class c ON c.oid = objid "
	. "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
	. "WHERE classid = 'pg_class'::regclass AND c.relkind <> 'S' AND col_description(a.attrelid, a.attnum) IS NULL") ],
	[], 'each column has one');

# ---- Functions ----

my %short = ('timestamp with time zone' => 'timestamptz', 'ignisign.new_signer[] | jsonb' => '');

# A signature as the reference has it, "f(a, b text, c integer) -> bigint", as
# "f(a text, b text, c integer) -> bigint"; with " | " between types, one of each.
sub signatures
{
	my ($name, $list, $result) = @_;
	my @variants = ([]);
	my $type;

	for my $argument (reverse split /,\s*/, $list)
	{
		my ($of, $types) = $argument =~ /^(\w+)(?: (.+))?$/ ? ($1, $2) : ('', $argument);

		# The type of several is after the last of them.  ignisign_webhook(jsonb) has no name.
		($of, $types) = ('', $of) if $of eq 'jsonb';
		$type = $types // $type;
		@variants = map { my $rest = $_; map { [ "$of $_" =~ s/^ //r, @$rest ] } split / \| /, $type } @variants;
	}
	$result =~ s/^(one row|rows)$/SETOF record/;
	return map { "$name(" . join(', ', @$_) . ") -> $result" } @variants;
}

my @described;
while ($text =~ /^(?:`|### )((?:ignisign\.)?ignisign_\w+)\((.*)\) → ([^`\n]+)`?$/mg)
{
	push @described, signatures($1, $2, $3);
}
# In the tables of calls each has one more argument and the same result.
my ($calls, $internal) = (section('The rest of the API'), section('Functions for internal use'));
while ($calls =~ /^\| `(ignisign_\w+)\(([^`]*)\)` \|/mg)
{
	push @described, signatures($1, join(', ', grep { $_ ne '' } $2, 'server name'), 'bigint');
}
while ($internal =~ /^\| `([\w.]+)\(([^`]*)\) → ([^`]*)` \|/mg)
{
	push @described, signatures($1, $2, $3);
}

my @there = lines(q{
	SELECT CASE n.nspname WHEN 'ignisign' THEN 'ignisign.' ELSE '' END || p.proname || '(' ||
		coalesce((SELECT string_agg(concat_ws(' ', nullif(p.proargnames[i], ''), format_type(p.proargtypes[i - 1], NULL)), ', ' ORDER BY i)
				  FROM generate_series(1, p.pronargs) i), '') || ') -> ' || pg_get_function_result(p.oid)
	FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	JOIN (} . $members . q{) m ON m.objid = p.oid AND m.classid = 'pg_proc'::regclass});
s/timestamp with time zone/timestamptz/g for @there;
is_same([ @described, 'ignisign_sign_trigger() -> trigger' ], \@there, 'functions, with their arguments and results');
like($text, qr/^`ignisign_sign_trigger\(/m, 'among them the trigger');

# What the documents call is there, too.
my %known = map { /^(?:ignisign\.)?(\w+)/ ? ($1 => 1) : () } @there;
for my $file (map { glob("$top/$_") } qw(*.md docs/*.md))
{
	my %called = map { $_ => 1 } slurp_file($file) =~ /\b(ignisign_\w+)\(/g;
	# CONTRIBUTING.md makes one.
	delete $called{ignisign_healthcheck};
	is_deeply([ grep { !$known{$_} } sort keys %called ], [], $file =~ s/^\Q$top\E\///r . ' calls what is there');
}

# ---- Tables ----

my @tables = lines("SELECT c.oid::regclass::text FROM ($members) m JOIN pg_class c ON c.oid = m.objid "
	. "WHERE classid = 'pg_class'::regclass AND relkind IN ('r', 'p', 'v') "
	. "UNION ALL SELECT objid::regtype::text FROM ($members) m JOIN pg_type t ON t.oid = objid JOIN pg_class c ON c.oid = t.typrelid "
	. "WHERE classid = 'pg_type'::regclass AND c.relkind = 'c'");
is_same([ $text =~ /^### (ignisign\.\w+)$/mg ], \@tables, 'tables and types');
for my $table (@tables)
{
	$text =~ /^### \Q$table\E\n(.*?)(?=^#)/ms or next;
	is_deeply([ map { my @cell = split / *\| */; $cell[1] =~ tr/`//dr . " $cell[2]" } $1 =~ /^(\| `.*)$/mg ],
		[ map { s/timestamp with time zone/timestamptz/r } lines("SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute "
			. "WHERE attrelid = '$table'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum") ],
		"$table: columns");
}

# ---- Settings ----

my %scale = (ms => 1, s => 1000, min => 60_000, h => 3_600_000, kB => 1, MB => 1024);

# A value as pg_settings has it: in the setting's unit.
sub in_unit { return $_[0] =~ /^(\d+)(ms|s|min|h|kB|MB)$/ ? $1 * $scale{$2} : $_[0] }

my %setting = map { my @c = split / *\| */; $c[1] =~ tr/`//d; ($c[1] => [ @c[2, 3] ]) }
  section('Settings') =~ /^(\| `ignisign\..*)$/mg;
my @settings = lines("SELECT concat_ws('|', name, boot_val, coalesce(min_val, ''), coalesce(max_val, ''), vartype) FROM pg_settings WHERE name LIKE 'ignisign.%'");
is_same([ keys %setting ], [ map { /^([^|]+)/ } @settings ], 'settings');
for my $line (@settings)
{
	my ($name, $default, $min, $max, $type) = split /\|/, $line;
	my ($told, $range) = @{ $setting{$name} // next };

	is(in_unit($told =~ /^`(.*)`$/ ? $1 : ''), $default, "$name: default");
	is_deeply([ map { in_unit($_) } $range =~ /`([^`]+)`/g ], [ $min, $max ], "$name: range") if $type eq 'integer';
}
for my $file (map { glob("$top/$_") } qw(*.md docs/*.md))
{
	# Columns and functions are written alike.
	my %other = map { ("ignisign.$_" => 1) } map { s/^ignisign\.//r } @tables, map { /^ignisign\.(\w+)/ ? $1 : () } @there;
	my %named = map { $_ => 1 } slurp_file($file) =~ /`?\b(ignisign\.[a-z_]+)\b(?!\()/g;
	is_deeply([ grep { !$setting{$_} && !$other{$_} } grep { !/\.(?:control|h|c|so|key|io|conf|md|webhook_)$/ } sort keys %named ],
		[], $file =~ s/^\Q$top\E\///r . ' names settings and tables that are there');
}

# ---- Options ----

my ($server, $mapping) = section('Servers and user mappings') =~ /^\| server option(.*?)^\| mapping option(.*?)\n\n/ms;
for my $case ([ SERVER => $server, 'CREATE SERVER other FOREIGN DATA WRAPPER ignisign' ],
	[ 'USER MAPPING' => $mapping, 'CREATE USER MAPPING FOR PUBLIC SERVER a_server' ])
{
	my ($what, $table, $command) = @$case;

	$node->psql('postgres', 'CREATE SERVER a_server FOREIGN DATA WRAPPER ignisign');
	$node->psql('postgres', "$command OPTIONS (none '1')", stderr => \my $error);
	my ($options) = $error =~ /Valid options in this context are: (.*)\.$/m;
	is_same([ named($table, 1) ], [ split /, /, $options ], "options of $what");
}
while ($source =~ /\{"(\w+)", ForeignServerRelationId, \w+, check_(?:number|rate), (\d+), (\d+)\}/g)
{
	like($server, qr/^\| `$1` \|[^|]*\| $2 to $3 \|/m, "$1: range");
}
my ($defaults) = slurp_file("$top/src/queue/credentials.c") =~ /DEFAULT_PROOF_TYPES\s+"(.*)"/;
like($server, qr/^\| `proof_types` \| `@{[ $defaults =~ s|,|, |gr ]}` \|/m, 'proof_types: default');

# ---- Errors ----

my %sqlstate;
open my $codes, '<', $node->config_data('--includedir-server') . '/utils/errcodes.h' or die $!;
while (<$codes>)
{
	$sqlstate{$1} = "$2$3$4$5$6" if /^#define (ERRCODE_\w+) MAKE_SQLSTATE\('(.)','(.)','(.)','(.)','(.)'\)/;
}
$sqlstate{$1} = "$2$3$4$5$6" while $source =~ /^#define (IG_ERRCODE_\w+)\s+MAKE_SQLSTATE\('(.)', '(.)', '(.)', '(.)', '(.)'\)/mg;

my %raised;
while ($source =~ /errcode\(((?:[^()]|\([^()]*\))*)\)/g)
{
	$raised{ $sqlstate{$_} // die "what is $_?" } = 1 for $1 =~ /(\w*ERRCODE_\w+)/g;
}
my $errors = section('Errors');
is_same([ $errors =~ /^\| `(\w{5})` \|/mg ], [ keys %raised ], 'SQLSTATEs');
while ($errors =~ /^\| `(\w{5})` \| `(\w+)` \| [^|]+ \| [^|]+ \|$/mg)
{
	is($sqlstate{"ERRCODE_\U$2"} // $sqlstate{"ERRCODE_E_R_I_E_\U$2"}, $1, "$2 is $1");
}
is(scalar(() = $errors =~ /^\| `IG\d{3}` \| [^|]+ \| [^|]+ \|$/mg), scalar(grep { /^IG/ } keys %raised), 'each of ours has cause and cure');

# ---- Words that functions take ----

my ($purge) = section('Deciding') =~ /^`ignisign_purge(.*?)^###/ms;
my ($kinds) = $source =~ /Valid values are (attempts, .*?) and (?=webhooks)/;
is_same([ named($purge, 1) ], [ split(/, /, $kinds), 'webhooks' ], 'what ignisign_purge() takes');

my ($types) = section('Looking') =~ /^#### Proof types\n\n(.*?)\n\n/ms;
$types =~ s/^\| `?type.*\n//m;
my ($valid) = slurp_file("$top/src/api/api.h") =~ /IG_API_PROOF_TYPES\s+((?:\\?\s*".*"\s*)+)/;
is_same([ named($types, 1) ], [ join('', $valid =~ /"([^"]*)"/g) =~ /\w*[A-Z]\w*/g ], 'proof types');

my ($events) = section('Being told') =~ /Events are the kinds of `ignisign.event`\n\((.*?)\)/ms;
my ($event_kinds) = slurp_file("$top/src/callback/callbacks.c") =~ /(\t"cancelled",.*?)\n\}/s;
is_same([ $events =~ /`([^`]+)`/g ], [ $event_kinds =~ /"([^"]+)"/g ], 'kinds of events');

# ---- ignisign_stats() and ignisign_status() ----

for my $case ([ 'ignisign_stats', slurp_file("$top/docs/operations.md") =~ /^## ignisign_stats\(\)\n(.*?)^## /ms ],
	[ 'ignisign_status', section('Looking') =~ /^`ignisign_status(.*?)^###/ms ],
	[ 'ignisign_session', section('Deciding') =~ /^`ignisign_session(.*?)^###/ms ])
{
	my ($function, $where) = @$case;
	my @columns = lines("SELECT unnest(proargnames[pronargs + 1:]) FROM pg_proc WHERE proname = '$function'");

	# "`latency_avg`, `_max`" names latency_max.
	while ($where =~ s/`([a-z]+)(_\w+)`, `_(\w+)`/`$1$2` `$1_$3`/) { }
	is_deeply([ grep { $where !~ /`$_`/ && !($_ eq 'id' || $_ eq 'server') } @columns ], [], "$function(): columns");
}

$node->stop;
done_testing();
