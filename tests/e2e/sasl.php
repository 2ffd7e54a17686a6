<?php
// sasl.php PORT USER PASSWORD - php-memcached logs in by SASL; sessions too.
[, $port, $user, $password] = $argv;
$m = new Memcached();
$m->setOption(Memcached::OPT_BINARY_PROTOCOL, true);
$m->setSaslAuthData($user, $password);
$m->addServer('127.0.0.1', (int)$port);
$m->set('sasl:k', ['a' => 1]) or die("FAIL set {$m->getResultMessage()}\n");
$m->get('sasl:k') === ['a' => 1] or die("FAIL get\n");
$m->increment('sasl:n', 1, 5) === 5 or die("FAIL increment\n");

$bad = new Memcached();
$bad->setOption(Memcached::OPT_BINARY_PROTOCOL, true);
$bad->setSaslAuthData($user, $password . 'x');
$bad->addServer('127.0.0.1', (int)$port);
$bad->get('sasl:k') === false or die("FAIL let in\n");

ini_set('session.save_handler', 'memcached');
ini_set('session.save_path', "127.0.0.1:$port");
ini_set('session.use_cookies', '0');
ini_set('session.cache_limiter', '');
ini_set('memcached.sess_binary_protocol', '1');
ini_set('memcached.sess_locking', '1');
ini_set('memcached.sess_sasl_username', $user);
ini_set('memcached.sess_sasl_password', $password);
session_id('saslsession');
session_start() or die("FAIL start\n");
$_SESSION = ['user' => 42];
session_write_close() or die("FAIL write\n");
$_SESSION = [];
session_start() or die("FAIL start again\n");
($_SESSION['user'] ?? 0) === 42 or die("FAIL read\n");
session_destroy() or die("FAIL destroy\n");
echo "ok\n";
