/*
 * options.h - the table of options: one row each, everything about it.
 *
 * From OPTIONS and SUBOPTIONS come the reading of argv, the defaults, the
 * help text, the warnings and the check of the manual page.  To add an option
 * is to add a row, a field in config.h and a paragraph in man/slabd.1.
 *
 *   O(letter, name, argument, how, field, least, most, usual, note, help)
 *
 *     letter    0: of -o; '-': it has none    name  NULL: it has none
 *     argument  its name in the help; NULL: it takes none; "[...]": may
 *     how       which reader takes it: reader_HOW() in reader.h or config.c
 *     field     of struct config (unused: it has none)
 *     least, most   of numbers; the unit is the field's
 *     usual     the default, as one would write it; NULL: zero, off.  The help
 *               shows it, unless the text of the help names the default
 *     note      accepted without effect: why.  NULL: it works
 *     help      what it does; NULL: not shown: scripts look in the help for
 *               what was built in (memcached's tests, for ext_path)
 *
 *   G(title)    begins a group of the help text
 *
 * Owns:    nothing.
 * Threads: constants.
 * Fails:   never.
 * Cost:    start-up only.
 */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

/* clang-format off */
#define OPTIONS(G, O)                                                         \
G("network")                                                                  \
O('p', "port", "<num>", port, port, 0, 65535, "11211", NULL,                  \
  "TCP port; 0: no TCP, -1: any free one")                                    \
O('U', "udp-port", "<num>", udp, udp_port, 0, 65535, "0", NULL,                \
  "UDP port; 0: off, -1: any free one")                                       \
O('s', "unix-socket", "<file>", unix, unix_socket, 0, 0, NULL, NULL,          \
  "unix socket; instead of TCP unless -l or -p is given, too")                \
O('a', "unix-mask", "<mask>", mode, unix_mask, 0, 0777, "700", NULL,          \
  "access mode of the unix socket, octal")                                    \
O('l', "listen", "<addr>", listen, listen, 0, 0, NULL, NULL,                  \
  "addresses to listen on (default: loopback only; *: all)")                  \
O('b', "listen-backlog", "<num>", number, listen_backlog, 1, 2147483647.0,    \
  "1024", NULL, "connections that may wait to be accepted")                   \
O('c', "conn-limit", "<num>", number, conn_limit, 1, 10000000, "1024", NULL,  \
  "simultaneous connections")                                                 \
O('B', "protocol", "<name>", protocol, protocol, 0, 0, NULL, NULL,            \
  "auto, ascii or binary (default: auto)")                                    \
O('R', "max-reqs-per-event", "<num>", number, reqs_per_event, 1, 1000000000,  \
  "20", NULL, "requests per turn of a connection; 20 = what a read brings")   \
O('t', "threads", "<num>", threads, threads, 1, 256, "4", NULL,               \
  "worker threads")                                                           \
O('N', "napi-ids", "<num>", number, napi_ids, 1, 65535, NULL,                 \
  "a connection goes to the least loaded worker, not by NIC queue",           \
  "workers by NIC queue")                                                     \
G("memory")                                                                   \
O('m', "memory-limit", "<num>", megabytes, memory_limit, 1048576.0,           \
  4398046511104.0, "64", NULL, "item memory, megabytes or with k, m, g, t")   \
O('M', "disable-evictions", NULL, on, no_evictions, 0, 0, NULL, NULL,         \
  "when memory is full, answer an error instead of evicting")                 \
O('I', "max-item-size", "<num>", item_size, item_max, 1024, 1073741824.0,     \
  "1m", NULL, "largest item, 1k to 1024m, at most half of -m")                \
O('f', "slab-growth-factor", "<num>", growth, growth_factor, 1, 1000, "1.25", \
  NULL, "from one chunk size to the next (default: slabd's own steps)")       \
O('n', "slab-min-size", "<bytes>", number, chunk_min, 1, 524288, "48", NULL,  \
  "least space for key and value")                                            \
O('L', "enable-largepages", NULL, on, large_pages, 0, 0, NULL, NULL,          \
  "fixed -m (huge pages are asked for in any case)")                          \
O('k', "lock-memory", NULL, on, lock_memory, 0, 0, NULL, NULL,                \
  "never swap; fixed -m")                                                     \
O('e', "memory-file", "<file>", text, memory_file, 0, 0, NULL, NULL,          \
  "the items are in there; after SIGUSR1 the next start has them; fixed -m")  \
O('C', "disable-cas", NULL, on, no_cas, 0, 0, NULL, NULL, "no cas numbers")   \
G("what clients may do")                                                      \
O('A', "enable-shutdown", NULL, on, enable_shutdown, 0, 0, NULL, NULL,        \
  "allow the shutdown command")                                               \
O('F', "disable-flush-all", NULL, on, disable_flush_all, 0, 0, NULL, NULL,    \
  "refuse flush_all")                                                         \
O('X', "disable-dumping", NULL, on, disable_dumping, 0, 0, NULL, NULL,        \
  "refuse cachedump, metadump, mgdump, stats detail")                         \
O('W', "disable-watch", NULL, on, disable_watch, 0, 0, NULL, NULL,            \
  "refuse watch")                                                             \
O('S', "enable-sasl", NULL, on, sasl, 0, 0, NULL, NULL,                       \
  "clients log in by SASL, PLAIN or SCRAM-SHA-256")                           \
O('Y', "auth-file", "<file>", text, auth_file, 0, 0, NULL, NULL,              \
  "clients log in; the users are in this file (slabd-passwd)")                \
O('Z', "enable-ssl", NULL, on, ssl, 0, 0, NULL, NULL,                         \
  "TLS on TCP, see -o ssl_...; notls:, btls:, mtls: before an address of -l") \
G("process")                                                                  \
O('d', "daemon", NULL, on, daemonize, 0, 0, NULL, NULL,                       \
  "detach; errors of the start are still shown")                              \
O('P', "pidfile", "<file>", text, pid_file, 0, 0, NULL, NULL,                 \
  "write the process id there; with -d, removed at the end")                  \
O('u', "user", "<user>", text, user, 0, 0, NULL, NULL,                        \
  "run as this user, when started by root")                                   \
O('r', "enable-coredumps", NULL, on, core_dumps, 0, 0, NULL, NULL,            \
  "raise the limit of core files")                                            \
O('v', "verbose", "[num]", verbose, verbosity, 0, 9, NULL, NULL,              \
  "log more to stderr; -vv, -vvv: still more")                                \
O('D', NULL, "<char>", delimiter, prefix_delimiter, 0, 0, NULL, NULL,         \
  "delimiter of key prefixes (default: :); turns stats detail on")            \
O('-', "config", "<file>", config, unused, 0, 0, NULL, NULL,                  \
  "read options from there first, as Debian's /etc/memcached.conf")           \
O('h', "help", NULL, help, unused, 0, 0, NULL, NULL,                          \
  "print this and exit")                                                      \
O('i', "license", NULL, license, unused, 0, 0, NULL, NULL,                    \
  "print the licence and exit")                                               \
O('V', "version", NULL, version, unused, 0, 0, NULL, NULL,                    \
  "print the version and exit")                                               \
O('-', "healthcheck", NULL, on, healthcheck, 0, 0, NULL, NULL,                \
  "ask the server of these options whether it lives, and exit")               \
O('-', "completion", NULL, completion, unused, 0, 0, NULL, NULL,              \
  "print what bash needs to complete options, and exit")                      \
O('-', "list-options", NULL, list, unused, 0, 0, NULL, NULL, NULL)            \
O('o', "extended", "<list>", extended, unused, 0, 0, NULL, NULL,              \
  "further options, separated by commas:")

#define NO_FLASH "slabd keeps everything in memory"
#define OWN_RECORDS "slabd sends records of 16 KB, as TLS has them"
#define OWN_PAGES "slabd moves pages between classes by what they earn there"
#define OWN_SWEEP "slabd's sweep of the expired sets its own pace"
#define OWN_CHUNKS "slabd chains large values over chunks of its own choice"
#define OWN_BUFFERS "replies take bounded memory in slabd, idle clients none"
#define NO_BUFFER "slabd's workers write to the watchers' own buffers"
#define NO_PROXY "slabd is no proxy"

#define SUBOPTIONS(G, O)                                                      \
G("connections")                                                              \
O(0, "maxconns_fast", NULL, on, maxconns_fast, 0, 0, "on", NULL,              \
  "at the limit of -c refuse with a message")                                 \
O(0, "no_maxconns_fast", NULL, off, maxconns_fast, 0, 0, NULL, NULL,          \
  "at the limit let them wait")                                               \
O(0, "idle_timeout", "<sec>", number, idle_timeout, 0, 2147483647.0, NULL,    \
  NULL, "close clients idle for so long (default: 0, never)")                 \
O(0, "read_buf_mem_limit", "<mb>", megabytes, read_buf_mem_limit, 0,          \
  1099511627776.0, NULL, OWN_BUFFERS, "memory for input")                     \
O(0, "resp_obj_mem_limit", "<mb>", none, unused, 0, 0, NULL, OWN_BUFFERS,     \
  "memory for replies")                                                       \
O(0, "sock_cookie_id", "<num>", none, unused, 0, 0, NULL,                     \
  "a firewall mark of FreeBSD", "socket cookie")                              \
G("memory")                                                                   \
O(0, "hashpower", "<num>", number, hashpower, 12, 31, NULL, NULL,             \
  "make the index for 2^num items at once (default: 0, small)")               \
O(0, "no_hashexpand", NULL, none, unused, 0, 0, NULL,                         \
  "the index grows in small steps that nobody notices", "fixed index")        \
O(0, "hash_algorithm", "<name>", hash, hash_algorithm, 0, 0, "xxh3",          \
  "keys are always hashed with XXH3 under a random seed",                     \
  "jenkins, murmur3, xxh3")                                                   \
O(0, "slab_sizes", "<a-b-c>", slab_sizes, slab_sizes, 1, 1073741824.0, NULL,  \
  NULL, "the chunk sizes, in bytes")                                          \
O(0, "slab_chunk_max", "<kb>", kilobytes, slab_chunk_max, 1024,               \
  1073741824.0, "512", OWN_CHUNKS, "largest chunk")                           \
O(0, "no_chunked_items", NULL, none, unused, 0, 0, NULL, OWN_CHUNKS,          \
  "no chains of chunks")                                                      \
O(0, "slab_reassign", NULL, on, slab_reassign, 0, 0, "on", OWN_PAGES,         \
  "pages may change class")                                                   \
O(0, "no_slab_reassign", NULL, off, slab_reassign, 0, 0, NULL, OWN_PAGES,     \
  "pages stay in their class")                                                \
O(0, "slab_automove", "[0-2]", automove, slab_automove, 0, 2, "1", OWN_PAGES, \
  "how eagerly pages change class")                                           \
O(0, "no_slab_automove", NULL, off, slab_automove, 0, 0, NULL,                \
  OWN_PAGES, "only by command")                                               \
O(0, "slab_automove_ratio", "<num>", factor, slab_automove_ratio, 0, 1,       \
  "0.8", OWN_PAGES, "age ratio of the mover")                                 \
O(0, "slab_automove_window", "<num>", number, slab_automove_window, 1,        \
  1000000000, "10", OWN_PAGES, "window of the mover")                         \
O(0, "slab_automove_freeratio", "<num>", factor, slab_automove_freeratio, 0,  \
  1, "0.01", OWN_PAGES, "share kept free")                                    \
O(0, "tail_repair_time", "<sec>", number, tail_repair_time, 10,               \
  2147483647.0, NULL, "no item of slabd stays referenced by mistake",         \
  "free leaked items")                                                        \
G("which items stay")                                                         \
O(0, "lru_maintainer", NULL, on, lru_maintainer, 0, 0, "on", NULL,            \
  "queues for new, hot and cold items")                                       \
O(0, "no_lru_maintainer", NULL, off, lru_maintainer, 0, 0, NULL, NULL,        \
  "one queue")                                                                \
O(0, "hot_lru_pct", "<num>", number, hot_lru_pct, 1, 80, "20", NULL,          \
  "share of the queue of new items, percent")                                 \
O(0, "warm_lru_pct", "<num>", number, warm_lru_pct, 1, 80, "40", NULL,        \
  "share of the queue of items in use, percent")                              \
O(0, "hot_max_factor", "<num>", factor, hot_max_factor, 0, 1000000, "0.2",    \
  NULL, "new items leave at this part of the age of the coldest")             \
O(0, "warm_max_factor", "<num>", factor, warm_max_factor, 0, 1000000, "2.0",  \
  NULL, "likewise items in use")                                              \
O(0, "temporary_ttl", "<sec>", temporary_ttl, temporary_ttl, 0,               \
  2147483647.0, "61", NULL,                                                   \
  "items so short-lived have a queue of their own (default: no such queue)")  \
O(0, "lru_crawler", NULL, on, lru_crawler, 0, 0, "on", NULL,                  \
  "the sweep of the expired may be commanded")                                \
O(0, "no_lru_crawler", NULL, off, lru_crawler, 0, 0, NULL, NULL,              \
  "the lru_crawler command is refused")                                       \
O(0, "lru_crawler_sleep", "<us>", number, lru_crawler_sleep, 0, 1000000,      \
  "100", OWN_SWEEP, "pause of the crawler")                                   \
O(0, "lru_crawler_tocrawl", "<num>", number, lru_crawler_tocrawl, 0,          \
  4294967295.0, "0", OWN_SWEEP, "items per run")                              \
G("cluster")                                                                  \
O(0, "cluster", "<host:port,...>", text, cluster, 0, 0, NULL, NULL,           \
  "the nodes that config get cluster tells")                                  \
O(0, "cluster_version", "<num>", number, cluster_version, 1, 4294967295.0,    \
  "1", NULL, "the version of that list: higher than the last one's")          \
G("encryption, with -Z")                                                      \
O(0, "ssl_chain_cert", "<file>", text, ssl_chain_cert, 0, 0, NULL, NULL,      \
  "certificate, and those between it and the root, PEM")                      \
O(0, "ssl_key", "<file>", text, ssl_key, 0, 0, NULL, NULL,                    \
  "its key, if that is not in the same file")                                 \
O(0, "ssl_keyformat", "<num>", number, ssl_keyformat, 1, 2, "1", NULL,        \
  "1: PEM, 2: DER")                                                           \
O(0, "ssl_verify_mode", "<num>", number, ssl_verify_mode, 0, 3, "0", NULL,    \
  "client certificates, 0: none, 1: if there is one, 2 or 3: a must")         \
O(0, "ssl_ca_cert", "<file>", text, ssl_ca_cert, 0, 0, NULL, NULL,            \
  "who signs good client certificates, PEM")                                  \
O(0, "ssl_ciphers", "<list>", text, ssl_ciphers, 0, 0, NULL, NULL,            \
  "ciphers up to TLS 1.2, as openssl ciphers lists them")                     \
O(0, "ssl_min_version", "<num>", number, ssl_min_version, 0, 3, "2", NULL,    \
  "least version, 0: TLS 1.0 to 3: TLS 1.3")                                  \
O(0, "ssl_session_cache", NULL, on, ssl_session_cache, 0, 0, NULL, NULL,      \
  "keep sessions to be resumed (tickets are given in any case)")              \
O(0, "ssl_kernel_tls", NULL, on, ssl_kernel_tls, 0, 0, NULL, NULL,            \
  "let the kernel encrypt, where it can")                                     \
O(0, "ssl_wbuf_size", "<kb>", kilobytes, ssl_wbuf_size, 1024, 1073741824.0,   \
  "16", OWN_RECORDS, "output buffer")                                         \
G("statistics and logs")                                                      \
O(0, "metrics", "<addr:port>", text, metrics, 0, 0, NULL, NULL,               \
  "serve /metrics (Prometheus) and /healthz by HTTP")                         \
O(0, "syslog", NULL, on, syslog, 0, 0, NULL, NULL,                            \
  "log to syslog, as with -d")                                                \
O(0, "track_sizes", NULL, on, track_sizes, 0, 0, NULL, NULL,                  \
  "allow stats sizes")                                                        \
O(0, "watcher_logbuf_size", "<kb>", kilobytes, watcher_logbuf, 1024,          \
  1073741824.0, "256", NULL, "what a watcher may fall behind")                \
O(0, "worker_logbuf_size", "<kb>", kilobytes, worker_logbuf, 1024,            \
  1073741824.0, "64", NO_BUFFER, "log lines that a worker may hold")          \
G("the process")                                                              \
O(0, "drop_privileges", NULL, confine, confine, 0, 0, NULL, NULL,             \
  "refuse to serve without the filter of system calls")                       \
O(0, "no_drop_privileges", NULL, off, confine, 0, 0, NULL, NULL,              \
  "no filter of system calls (default: one, where the kernel can)")           \
O(0, "relaxed_privileges", NULL, on, debug, 0, 0, NULL, NULL,                 \
  "for tests, as in memcached-debug: the command debugtime")                  \
G("of other times and places")                                                \
O(0, "modern", NULL, none, unused, 0, 0, NULL,                                \
  "what it turned on has long been the default", "newer defaults")            \
O(0, "no_modern", NULL, no_modern, unused, 0, 0, NULL, NULL,                  \
  "the defaults of memcached 1.4")                                            \
O(0, "inline_ascii_resp", NULL, none, unused, 0, 0, NULL,                     \
  "numbers are written when they are asked for", "ready-made heads")          \
O(0, "no_inline_ascii_resp", NULL, none, unused, 0, 0, NULL,                  \
  "it is the default", "no ready-made heads")                                 \
G("those of proxy and flash (proxy_*, ext_*): accepted, no effect")           \
O(0, "proxy_config", "<file>", none, unused, 0, 0, NULL, NO_PROXY, NULL)      \
O(0, "proxy_arg", "<text>", none, unused, 0, 0, NULL, NO_PROXY, NULL)         \
O(0, "proxy_uring", NULL, none, unused, 0, 0, NULL, NO_PROXY, NULL)           \
O(0, "proxy_memprofile", NULL, none, unused, 0, 0, NULL, NO_PROXY, NULL)      \
O(0, "ext_path", "<file:size>", none, unused, 0, 0, NULL, NO_FLASH, NULL)     \
O(0, "ext_page_size", "<mb>", none, unused, 0, 0, NULL, NO_FLASH, NULL)       \
O(0, "ext_wbuf_size", "<mb>", none, unused, 0, 0, NULL, NO_FLASH, NULL)       \
O(0, "ext_threads", "<num>", none, unused, 0, 0, NULL, NO_FLASH, NULL)        \
O(0, "ext_io_depth", "<num>", none, unused, 0, 0, NULL, NO_FLASH, NULL)       \
O(0, "ext_item_size", "<num>", none, unused, 0, 0, NULL, NO_FLASH, NULL)      \
O(0, "ext_item_age", "<sec>", none, unused, 0, 0, NULL, NO_FLASH, NULL)       \
O(0, "ext_low_ttl", "<sec>", none, unused, 0, 0, NULL, NO_FLASH, NULL)        \
O(0, "ext_recache_rate", "<num>", none, unused, 0, 0, NULL, NO_FLASH, NULL)   \
O(0, "ext_compact_under", "<num>", none, unused, 0, 0, NULL, NO_FLASH, NULL)  \
O(0, "ext_drop_under", "<num>", none, unused, 0, 0, NULL, NO_FLASH, NULL)     \
O(0, "ext_max_sleep", "<us>", none, unused, 0, 0, NULL, NO_FLASH, NULL)       \
O(0, "ext_max_frag", "<num>", none, unused, 0, 0, NULL, NO_FLASH, NULL)       \
O(0, "ext_drop_unread", NULL, none, unused, 0, 0, NULL, NO_FLASH, NULL)
/* clang-format on */

#endif
