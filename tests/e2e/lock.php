<?php
// lock.php PORT TIMES [USER PASSWORD] - counts in a session that others count
// in, too: binary protocol, a lock for each turn, and SASL.
[, $port, $times] = $argv;
ini_set('session.save_handler', 'memcached');
ini_set('session.save_path', "127.0.0.1:$port");
ini_set('session.use_cookies', '0');
ini_set('session.cache_limiter', '');
ini_set('memcached.sess_binary_protocol', '1');
ini_set('memcached.sess_locking', '1');
ini_set('memcached.sess_lock_wait_min', '5');
ini_set('memcached.sess_lock_wait_max', '20');
ini_set('memcached.sess_lock_retries', '2000');
if (isset($argv[4])) {
	ini_set('memcached.sess_sasl_username', $argv[3]);
	ini_set('memcached.sess_sasl_password', $argv[4]);
}
for ($i = 0; $i < $times; $i++) {
	session_id('counted');
	session_start() or die("FAIL start\n");
	$_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
	session_write_close() or die("FAIL write\n");
}
session_id('counted');
session_start(['read_and_close' => true]) or die("FAIL read\n");
echo "ok {$_SESSION['n']}\n";
