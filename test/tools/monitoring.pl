# Check what is in monitoring/ as far as that needs neither a server nor Prometheus
# nor Grafana: the queries, the dashboard, and that both, the alerts and
# docs/monitoring.md speak of the same metrics.  Prints what is wrong.
#
#	perl test/tools/monitoring.pl

use strict;
use warnings FATAL => 'all';

use CPAN::Meta::YAML;
use JSON::PP ();

my $wrong = 0;

sub wrong
{
	print "@_\n";
	$wrong = 1;
	return;
}

sub slurp
{
	my ($path) = @_;

	open my $file, '<:encoding(UTF-8)', $path or die "$path: $!";
	local $/ = undef;
	return <$file>;
}

# ---- Queries: names and types of metrics ----

my %type;

# Of one query; each column of it has a name, a use, and a description.
sub check_query
{
	my ($name, $query) = @_;
	my %label;

	wrong("$name: no query") unless ($query->{query} // '') =~ /\bSELECT\b/;
	for my $metric (@{ $query->{metrics} })
	{
		my ($column, @others) = keys %$metric;
		my ($usage, $text) = @{ $metric->{$column} }{qw(usage description)};
		my $full = "${name}_$column";

		wrong("$full: two names in one entry") if @others;
		wrong("$full: no description") unless length($text // '');
		wrong("$full: the query has no such column") unless $query->{query} =~ /\b$column\b/;
		if ($usage eq 'LABEL')
		{
			$label{$column} = 1;
			next;
		}
		wrong("$full: unknown usage $usage") unless $usage =~ /^(?:GAUGE|COUNTER|HISTOGRAM)$/;
		wrong("$full: only counters, and all of them, end in _total") if ($usage eq 'COUNTER') != ($column =~ /_total$/);
		wrong("$full: not a base unit") if $column =~ /_(?:ms|milliseconds|minutes|hours|kb|mb)(?:_|$)/;
		wrong("$full: is there twice") if exists $type{$full};
		$type{$full} = lc $usage;
	}
	wrong("$name: no label datname") unless $label{datname};
	wrong("$name: postgres_exporter itself sets the label server") if $label{server};
	return;
}

my $queries = CPAN::Meta::YAML->read_string(slurp('monitoring/queries.yaml'))->[0];

check_query($_, $queries->{$_}) for sort keys %$queries;

# ---- Expressions ----

my %used;

# The metrics in an expression are those that the queries make.
sub check_expression
{
	my ($expression, $where) = @_;

	for my $metric ($expression =~ /\b(ignisign_\w+)/g)
	{
		my $base = $metric =~ s/_(?:bucket|sum|count)$//r;

		$base = $metric if ($type{$base} // '') ne 'histogram';
		wrong("$where: there is no metric $metric") unless exists $type{$base};
		wrong("$where: a histogram is its _bucket, _sum, _count: $metric") if $base eq $metric && ($type{$base} // '') eq 'histogram';
		$used{$base} = 1;
	}
	# A counter means something only by its differences.
	for my $metric ($expression =~ /\b(ignisign_\w+_total\b(?:\{[^}]*\})?(?!\{|\[|\w).?)/g)
	{
		wrong("$where: a counter without rate() or increase(): $metric") unless $metric =~ /\[$/;
	}
	return;
}

# ---- Dashboard ----

my $dashboard = JSON::PP::decode_json(do { open my $f, '<', 'monitoring/grafana-dashboard.json' or die $!; local $/ = undef; <$f> });
my $source = '${datasource}';
my %panel_id;
my @cells;

sub check_source
{
	my ($object, $where) = @_;
	my $datasource = $object->{datasource};

	wrong("$where: does not ask the data source that was chosen")
	  unless ref $datasource eq 'HASH' && $datasource->{type} eq 'prometheus' && $datasource->{uid} eq $source;
	return;
}

# A panel is in a place of its own, within 24 columns.
sub check_place
{
	my ($panel, $where) = @_;
	my ($x, $y, $w, $h) = @{ $panel->{gridPos} }{qw(x y w h)};

	return wrong("$where: no place") if grep { !defined } $x, $y, $w, $h;
	wrong("$where: outside of the grid") if $x < 0 || $w < 1 || $h < 1 || $x + $w > 24;
	for my $row ($y .. $y + $h - 1)
	{
		for my $column ($x .. $x + $w - 1)
		{
			wrong("$where: lies on $cells[$row][$column]") if defined $cells[$row][$column];
			$cells[$row][$column] = $where;
		}
	}
	return;
}

sub check_panel
{
	my ($panel) = @_;
	my $where = 'panel ' . ($panel->{id} // '?') . ' (' . ($panel->{title} // '?') . ')';
	my %ref_id;

	wrong("$where: no id of its own") if ($panel->{id} // '') !~ /^[1-9]\d*$/ || $panel_id{ $panel->{id} // '' }++;
	wrong("$where: no title") unless length($panel->{title} // '');
	check_place($panel, $where);
	return if $panel->{type} eq 'row';
	wrong("$where: unknown type $panel->{type}") unless $panel->{type} =~ /^(?:stat|table|timeseries|heatmap)$/;
	wrong("$where: no description") unless length($panel->{description} // '');
	wrong("$where: no unit") unless $panel->{type} =~ /^(?:table|heatmap)$/ || length($panel->{fieldConfig}{defaults}{unit} // '');
	check_source($panel, $where);
	wrong("$where: nothing is asked") unless @{ $panel->{targets} // [] };
	for my $target (@{ $panel->{targets} // [] })
	{
		check_source($target, $where);
		wrong("$where: no refId of its own") if ($target->{refId} // '') !~ /^[A-Z]$/ || $ref_id{ $target->{refId} // '' }++;
		wrong("$where: no expression") unless length($target->{expr} // '');
		wrong("$where: neither range nor instant") unless $target->{range} || $target->{instant};
		check_expression($target->{expr} // '', $where);
		check_variables($target->{expr} // '', $where);
	}
	return;
}

my %variable = map { $_->{name} => $_ } @{ $dashboard->{templating}{list} };
my %used_variable;

sub check_variables
{
	my ($text, $where) = @_;

	for my $name ($text =~ /\$\{?(\w+)/g)
	{
		next if $name =~ /^__/;
		wrong("$where: there is no variable $name") unless $variable{$name};
		$used_variable{$name} = 1;
	}
	return;
}

wrong('dashboard: no title') unless length($dashboard->{title} // '');
wrong('dashboard: no uid') unless ($dashboard->{uid} // '') =~ /^[\w-]{1,40}$/;
wrong('dashboard: an id is of one Grafana only') if defined $dashboard->{id};
wrong('dashboard: no schemaVersion') unless ($dashboard->{schemaVersion} // '') =~ /^\d+$/ && $dashboard->{schemaVersion} >= 36;
wrong('dashboard: no time') unless $dashboard->{time}{from} && $dashboard->{time}{to};
wrong('dashboard: no variable for the data source')
  unless ($variable{datasource}{type} // '') eq 'datasource' && $variable{datasource}{query} eq 'prometheus';
for my $variable (@{ $dashboard->{templating}{list} })
{
	next if $variable->{type} eq 'datasource';
	wrong("variable $variable->{name}: not a query") unless $variable->{type} eq 'query';
	check_source($variable, "variable $variable->{name}");
	check_expression($variable->{query}{query}, "variable $variable->{name}");
	check_variables($variable->{query}{query}, "variable $variable->{name}");
}
check_panel($_) for @{ $dashboard->{panels} };
wrong("dashboard: the variable $_ is not used") for grep { $_ ne 'datasource' && !$used_variable{$_} } sort keys %variable;
wrong("dashboard: $_ is in no panel") for grep { !$used{$_} } sort keys %type;

# ---- Alerts, and what is written about all this ----

my $alerts = slurp('monitoring/alerts.yml');
my $tests = slurp('test/monitoring/alerts_test.yml');
my $manual = slurp('docs/monitoring.md');
my %section = map { lc($_) => 1 } $manual =~ /^### (\w+)$/mg;

for my $rule (split /^(?=      - alert:)/m, $alerts)
{
	my ($name) = $rule =~ /^      - alert: (\w+)$/m or next;
	my ($expression) = $rule =~ /^        expr: (.*?)^        (?=for|labels)/ms;

	wrong("alert $name: no expression") unless defined $expression;
	check_expression($expression // '', "alert $name");
	wrong("alert $name: no severity") unless $rule =~ /^          severity: (?:critical|warning|info)$/m;
	wrong("alert $name: no $_") for grep { $rule !~ /^          $_: \S/m } qw(summary description);
	wrong("alert $name: no runbook in docs/monitoring.md")
	  unless $rule =~ m{^          runbook: docs/monitoring\.md#(\w+)$}m && $1 eq lc $name && $section{$1};
	wrong("alert $name: is not shown to fire and not to fire")
	  unless $tests =~ /alertname: $name\n\s+exp_alerts:\n/ && $tests =~ /alertname: $name\n\s+exp_alerts: \[\]/;
	delete $section{ lc $name };
}
wrong("docs/monitoring.md: there is no alert $_") for sort keys %section;

my %described = map { $_ => 1 } $manual =~ /^\| `(ignisign_\w+)`/mg;
wrong("docs/monitoring.md: $_ is not described") for grep { !$described{$_} } sort keys %type;
wrong("docs/monitoring.md: there is no metric $_") for grep { !$type{$_} } sort keys %described;

exit $wrong;
