<?php
// client.php PORT [binary] - php-memcached's calls; says "ok N" or what failed.
$port = (int)$argv[1];
$binary = ($argv[2] ?? '') === 'binary';
$done = 0;

function same($what, $want, $got)
{
	global $done;
	if ($want !== $got) {
		echo "FAIL $what: wanted ", var_export($want, true), ", got ",
		    var_export($got, true), "\n";
		exit(1);
	}
	$done++;
}

$m = new Memcached();
$m->setOption(Memcached::OPT_BINARY_PROTOCOL, $binary);
$m->setOption(Memcached::OPT_RECV_TIMEOUT, 10000000);
$m->addServer('127.0.0.1', $port);
same('flush', true, $m->flush());

foreach (['text', 1, 1.5, true, [1, 'a' => [2]], str_repeat('x', 100000),
    random_bytes(5000), '', null] as $i => $v) {
	same("set $i", true, $m->set("k$i", $v));
	same("get $i", $v, $m->get("k$i"));
	same("result $i", Memcached::RES_SUCCESS, $m->getResultCode());
}
same('miss', false, $m->get('none'));
same('miss code', Memcached::RES_NOTFOUND, $m->getResultCode());

same('add', true, $m->add('a', 'one'));
same('add again', false, $m->add('a', 'two'));
same('add code', Memcached::RES_NOTSTORED, $m->getResultCode() ===
    Memcached::RES_DATA_EXISTS ? Memcached::RES_NOTSTORED :
    $m->getResultCode());
same('replace', true, $m->replace('a', 'three'));
same('replace none', false, $m->replace('none', 'x'));

$m->setOption(Memcached::OPT_COMPRESSION, false);
same('set raw', true, $m->set('r', 'b'));
same('append', true, $m->append('r', 'c'));
same('prepend', true, $m->prepend('r', 'a'));
same('joined', 'abc', $m->get('r'));
$m->setOption(Memcached::OPT_COMPRESSION, true);

same('set n', true, $m->set('n', 10));
same('increment', 15, $m->increment('n', 5));
same('decrement', 0, $m->decrement('n', 50));
same('increment none', false, $m->increment('none', 1));
if ($binary)
	same('increment initial', 7, $m->increment('fresh', 1, 7, 100));

$many = [];
for ($i = 0; $i < 300; $i++)
	$many["m$i"] = "value $i";
same('setMulti', true, $m->setMulti($many, 600));
same('getMulti', $many, $m->getMulti(array_keys($many),
    Memcached::GET_PRESERVE_ORDER));
same('deleteMulti', true, $m->deleteMulti(['m0', 'm1'])['m0']);
same('deleted', false, $m->get('m0'));

$e = $m->get('m5', null, Memcached::GET_EXTENDED);
same('extended', 'value 5', $e['value']);
same('cas', true, $m->cas($e['cas'], 'm5', 'changed'));
same('cas again', false, $m->cas($e['cas'], 'm5', 'lost'));
same('cas code', Memcached::RES_DATA_EXISTS, $m->getResultCode());
same('cas kept', 'changed', $m->get('m5'));

same('touch', true, $m->touch('m6', 100));
same('touch none', false, $m->touch('none', 100));
same('delete', true, $m->delete('m6'));
same('delete again', false, $m->delete('m6'));

same('getDelayed', true, $m->getDelayed(['m7', 'm8'], true));
same('fetchAll', 2, count($m->fetchAll()));

same('key of 250', true, $m->set(str_repeat('k', $binary ? 249 : 249), 1));
same('too large', false, $m->set('big', random_bytes(3 << 20)));
same('after it', true, $m->set('after', 'fine'));
same('after it', 'fine', $m->get('after'));

$s = $m->getStats();
same('stats', 67108864, (int)$s["127.0.0.1:$port"]['limit_maxbytes']);
same('version', 1, preg_match('/^1\.6\.\d+/',
    $m->getVersion()["127.0.0.1:$port"]));
if (!$binary) {
	// lists with stats cachedump, which shows what reached the cold queue
	same('getAllKeys', true, is_array($m->getAllKeys()));
	$f = new Memcached();
	$f->setOption(Memcached::OPT_NO_BLOCK, true);
	$f->setOption(Memcached::OPT_TCP_NODELAY, true);
	$f->setOption(Memcached::OPT_BUFFER_WRITES, true);
	$f->addServer('127.0.0.1', $port);
	for ($i = 0; $i < 500; $i++)
		$f->set("f$i", $i);
	same('buffered', 499, $f->get('f499'));
}
same('prefix', true, $m->setOption(Memcached::OPT_PREFIX_KEY, 'app:') &&
    $m->set('p', 1) && $m->get('p') === 1);
$m->setOption(Memcached::OPT_PREFIX_KEY, '');
same('prefixed', 1, $m->get('app:p'));
same('quit', true, $m->quit());
echo "ok $done\n";
