<?php
// session.php PORT - PHP's sessions in the cache: lock, write, read, destroy.
ini_set('session.save_handler', 'memcached');
ini_set('session.save_path', "127.0.0.1:{$argv[1]}");
ini_set('session.use_cookies', '0');
ini_set('session.cache_limiter', '');
session_id('e2esession');
session_start() or die("FAIL start\n");
$_SESSION = ['user' => 42, 'cart' => range(1, 100)];
session_write_close() or die("FAIL write\n");
$_SESSION = [];
session_start() or die("FAIL start again\n");
if (($_SESSION['user'] ?? 0) !== 42 || count($_SESSION['cart']) !== 100)
	die("FAIL read\n");
session_destroy() or die("FAIL destroy\n");
session_id('e2esession');
session_start() or die("FAIL start after destroy\n");
if ($_SESSION !== [])
	die("FAIL not destroyed\n");
session_write_close();
echo "ok\n";
