#!/usr/bin/perl
# client.pl PORT - Cache::Memcached::Fast's calls; TAP-like lines, then "ok N".
use strict;
use warnings;
use Cache::Memcached::Fast;
use version;

my $done = 0;

sub same {
	my ($what, $want, $got) = @_;
	$want = '(undef)' unless defined $want;
	$got = '(undef)' unless defined $got;
	die "FAIL $what: wanted $want, got $got\n" unless $want eq $got;
	$done++;
}

my $m = Cache::Memcached::Fast->new({
	servers => ["127.0.0.1:$ARGV[0]"],
	namespace => 'cmf:', connect_timeout => 10, io_timeout => 10,
	max_size => 4 << 20, utf8 => 1, nowait => 0,
});

same('flush', 1, $m->flush_all ? 1 : 0);
same('set', 1, $m->set('k', 'value'));
same('get', 'value', $m->get('k'));
same('miss', undef, $m->get('none'));
same('empty', 1, $m->set('e', ''));
same('empty', '', $m->get('e'));
same('every byte', 1, $m->set('b', join '', map { chr } 0 .. 255));
same('add', 1, $m->add('a', 1));
same('add again', '', $m->add('a', 2));
same('replace', 1, $m->replace('a', 3));
same('replace none', '', $m->replace('none', 3));
same('append', 1, $m->append('k', '>'));
same('prepend', 1, $m->prepend('k', '<'));
same('joined', '<value>', $m->get('k'));
same('structure', 1, $m->set('s', { list => [1, 2, 3] }));
same('structure', 3, scalar @{ $m->get('s')->{list} });

# Its own tests choose what to test by this; a word in it is fatal.
same('version', 1, $_ >= version->parse('1.6.18') ? 1 : 0)
    for map { version->parse($_) } values %{ $m->server_versions };

same('n', 1, $m->set('n', 10));
same('incr', 15, $m->incr('n', 5));
same('decr', 0, $m->decr('n', 50) + 0);
same('incr none', '', $m->incr('none', 1));

my $pair = $m->gets('n');
same('gets', 2, scalar @$pair);
same('cas', 1, $m->cas('n', $pair->[0], 77));
same('cas again', '', $m->cas('n', $pair->[0], 78));
same('cas kept', 77, $m->get('n'));

my $set = $m->set_multi(map { ["m$_", "v$_"] } 0 .. 299);
same('set_multi', 300, scalar grep { $_ } values %$set);
my $got = $m->get_multi(map { "m$_" } 0 .. 299, 1000);
same('get_multi', 300, scalar keys %$got);
same('get_multi', 'v299', $got->{m299});
my $del = $m->delete_multi('m0', 'm1');
same('delete_multi', 2, scalar grep { $_ } values %$del);
same('touch', 1, $m->touch('m2', 100));
same('touch none', '', $m->touch('none', 100));
same('delete', 1, $m->delete('m2'));
same('delete again', '', $m->delete('m2'));
same('gat', 'v3', $m->gat(100, 'm3'));

my $big = 'x' x 900_000;
same('big', 1, $m->set('big', $big));
same('big', length $big, length $m->get('big'));
# The server's refusal must not put the replies out of step.
same('too large', '', $m->set('huge', 'x' x (3 << 20)) || '');
same('after it', 1, $m->set('after', 'fine'));
same('after it', 'fine', $m->get('after'));

# In void context with nowait the client sends noreply.
my $fast = Cache::Memcached::Fast->new({
	servers => ["127.0.0.1:$ARGV[0]"], nowait => 1, io_timeout => 10 });
$fast->set("w$_", $_) for 0 .. 999;
$fast->nowait_push;
same('noreply', 999, $fast->get('w999'));

my ($v) = values %{ $m->server_versions };
same('version', 1, $v =~ /^1\.6\.\d+/ ? 1 : 0);
$m->disconnect_all;
print "ok $done\n";
