#!/usr/bin/perl
#
# Check Dockerfile and compose.yaml, since no test builds the image: what they say
# is known to Docker, what they name is there, and the commands are clean shell.
# Prints what is wrong.

use strict;
use warnings;

use YAML::XS;

my @wrong;

sub wrong { push @wrong, join '', @_ }

sub slurp
{
	my ($file) = @_;
	open my $fh, '<', $file or die "$file: $!\n";
	local $/;
	return scalar <$fh>;
}

# ---- Dockerfile ----

# The packages that debian/ makes, for the major of the image.
my %packages = map { $_ => 1 } slurp('debian/control.in') =~ /^Package: (\S+)$/mg;

my $text = slurp('Dockerfile');
$text =~ s/^\s*#.*\n//mg;
$text =~ s/\s*\\\n\s*/ /g;

my (%global, %args, %stages, @run, $from);
my %known = map { $_ => 1 }
  qw(ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL RUN SHELL STOPSIGNAL USER VOLUME WORKDIR);

foreach my $line (grep { /\S/ } split /\n/, $text)
{
	my ($instruction, $rest) = $line =~ /^([A-Z]+) +(.*\S)\s*$/
	  or wrong("Dockerfile: not an instruction: $line"), next;
	$known{$instruction} or wrong("Dockerfile: unknown instruction $instruction");
	$from || $instruction =~ /^(ARG|FROM)$/ or wrong("Dockerfile: $instruction before FROM");
	($instruction eq 'FROM' ? $global{$_} : $args{$_})
	  or wrong("Dockerfile: $instruction uses $_, which is no ARG there") for $rest =~ /\$\{(\w+)\}/g;

	if ($instruction eq 'ARG')
	{
		$rest =~ /^(\w+)(=\S+)?$/ or wrong("Dockerfile: ARG $rest"), next;
		$args{$1} = 1;
		$global{$1} = 1 if !$from;
	}
	elsif ($instruction =~ /^(ENV|LABEL)$/)
	{
		/^[\w.]+=\S+$/ or wrong("Dockerfile: $instruction $_") for split ' ', $rest;
	}
	elsif ($instruction eq 'FROM')
	{
		$rest =~ /^(\S+:\S+)( AS (\w+))?$/ && $1 !~ /:latest$/ or wrong("Dockerfile: FROM $rest: no tag");
		$stages{$3} = 1 if $3;
		# An ARG ends with its stage; those before the first are for FROM.
		$from = $rest;
		%args = ();
	}
	elsif ($instruction eq 'COPY')
	{
		my @names = split ' ', $rest;
		my $to = pop @names;
		if ($names[0] =~ /^--from=(.*)/)
		{
			$stages{$1} or wrong("Dockerfile: COPY from unknown stage $1");
		}
		else
		{
			-e or wrong("Dockerfile: COPY: no $_ here") for @names;
		}
		$to =~ m,^/, or wrong("Dockerfile: COPY to $to, which is not absolute");
	}
	elsif ($instruction eq 'RUN')
	{
		push @run, $rest;
		# The sources are copied to /build/src.
		-f or wrong("Dockerfile: RUN: no $_ here") for $rest =~ m,/build/src/(\S+),g;
		if ($rest =~ /apt-get install/)
		{
			$rest =~ /apt-get update && apt-get install -y --no-install-recommends /
			  && $rest =~ m,rm -rf .*/var/lib/apt/lists/\*,
			  or wrong("Dockerfile: RUN: apt-get without update, -y, --no-install-recommends or cleaning");
		}
		foreach my $name ($rest =~ m,/packages/([^*" ]+)_,g)
		{
			$name =~ s/\$\{PG_MAJOR\}/PGVERSION/;
			$packages{$name} or wrong("Dockerfile: RUN: no package $name");
		}
	}
	elsif ($instruction =~ /^(CMD|ENTRYPOINT)$/)
	{
		$rest =~ /^\["[^"]*"(, "[^"]*")*\]$/ or wrong("Dockerfile: $instruction: not a list of strings");
	}
}

# As sh runs them, with what ARG sets.
open my $sh, '|-', 'shellcheck --shell=sh -' or die "shellcheck: $!\n";
print $sh "export PG_MAJOR=17\n", map { "$_\n" } @run;
close $sh or wrong('Dockerfile: RUN: see above');

# ---- compose.yaml ----

my $compose = YAML::XS::LoadFile('compose.yaml');
my $services = $compose->{services};
my %option = map { $_ => 1 } slurp('sandbox/util/options.c') =~ /^\t\{"([-a-z0-9]+)",/mg;

/^(services|volumes)$/ or wrong("compose.yaml: unknown key $_") for keys %$compose;
foreach my $name (sort keys %$services)
{
	my $service = $services->{$name};
	/^(build|image|command|depends_on|entrypoint|environment|network_mode|ports|user|volumes)$/
	  or wrong("compose.yaml: $name: unknown key $_")
	  for keys %$service;
	-f "$_/Dockerfile" or wrong("compose.yaml: $name: nothing to build in $_") for $service->{build} // '.';
	grep { $_->{build} && $_->{image} eq $service->{image} } values %$services
	  or wrong("compose.yaml: $name: nobody builds $service->{image}");
	foreach my $other (@{ $service->{depends_on} // [] }, ($service->{network_mode} // '') =~ /^service:(.*)/)
	{
		$services->{$other} or wrong("compose.yaml: $name: no service $other");
	}
	# Others must not reach a database whose password everybody can read here.
	/^127\.0\.0\.1:\d+:\d+$/ or wrong("compose.yaml: $name: port $_") for @{ $service->{ports} // [] };
	foreach my $volume (@{ $service->{volumes} // [] })
	{
		$volume =~ m,^(\w+):/, && exists $compose->{volumes}->{$1}
		  or wrong("compose.yaml: $name: volume $volume");
	}
	if (my ($program, @arguments) = @{ $service->{entrypoint} // [] })
	{
		$packages{$program} or wrong("compose.yaml: $name: no program $program");
		!/^--(.*)/ || $option{$1} or wrong("compose.yaml: $name: $program has no $_") for @arguments;
		/^[-.\w]+$/ or wrong("compose.yaml: $name: argument $_") for @arguments;
	}
}
$services->{db}->{environment}->{POSTGRES_PASSWORD} or wrong('compose.yaml: the image wants a POSTGRES_PASSWORD');

print "$_\n" for @wrong;
exit(@wrong > 0);
