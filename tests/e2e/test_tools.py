"""Tools that operators have, unmodified, and the fields that they read."""
import glob
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

import harness

# Debian's package of the server brings it; make check fetches that package
# without installing it, for it would start the server.
TOOL = next((p for p in (
    "/usr/share/memcached/scripts/memcached-tool",
    str(harness.ROOT / "build/tools/usr/share/memcached/scripts"
        "/memcached-tool")) if os.path.exists(p)), None)
MUNIN = "/usr/share/munin/plugins/memcached_"
COLLECTD = shutil.which("collectd", path="/usr/sbin:/usr/bin")
COLLECTD_PLUGINS = "/usr/lib/collectd"


def has_perl(module):
    return subprocess.run(["/usr/bin/perl", "-M" + module, "-e", "1"],
                          stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


class Tools(harness.Case):
    """A server with some items, and traffic that moves its counters."""
    ARGS = ["-o", "track_sizes"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.server.connect() as c:
            c.send(b"flush_all\r\nmn\r\n")
            c.until(b"MN\r\n")
            for i in range(300):
                c.send(b"set user:%d 7 0 %d\r\n%s\r\n" % (i, i, b"x" * i))
                c.until(b"STORED\r\n")
            c.send(b"set odd%key 0 900 3\r\nodd\r\nset n 0 0 1\r\n1\r\n"
                   b"get user:1 none\r\nincr n 1\r\ndecr n 1\r\nincr none 1"
                   b"\r\ndecr none 1\r\ndelete none\r\ntouch n 0\r\ntouch "
                   b"none 0\r\ncas none 0 0 1 1\r\n1\r\nmn\r\n")
            c.until(b"MN\r\n")

    def run_tool(self, *args, env=None, status=0, stdin=None):
        p = subprocess.run(
            args, input=stdin, env=dict(os.environ, **(env or {})),
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        text = p.stdout.decode("utf-8", "replace")
        self.assertEqual(p.returncode, status,
                         text + p.stderr.decode("utf-8", "replace"))
        return text


@unittest.skipUnless(TOOL, "memcached-tool")
class MemcachedTool(Tools):
    def tool(self, mode, *args):
        return self.run_tool("/usr/bin/perl", TOOL, "127.0.0.1:%d" %
                             self.server.port, mode, *args)

    def table(self, mode):
        lines = self.tool(mode).splitlines()[1:]
        return dict(line.split(None, 1) for line in lines)

    def test_display(self):
        lines = self.tool("display").splitlines()
        self.assertIn("Item_Size", lines[0])
        rows = [line.split() for line in lines[1:]]
        self.assertGreater(len(rows), 3)
        for row in rows:
            self.assertEqual(len(row), 9, row)
            self.assertRegex(row[1], r"^[\d.]+[BK]$")
            self.assertRegex(row[2], r"^\d+s$")
        self.assertEqual(sum(int(row[4]) for row in rows), 302)

    def test_stats(self):
        t = self.table("stats")
        self.assertEqual(t["curr_items"], "302")
        self.assertEqual(t["incr_misses"], "1")
        self.assertGreater(len(t), 80)

    def test_settings(self):
        t = self.table("settings")
        self.assertEqual(t["maxconns"], "1024")
        self.assertEqual(t["track_sizes"], "yes")
        self.assertGreater(len(t), 50)

    def test_sizes(self):
        t = self.table("sizes")
        self.assertEqual(sum(int(n) for n in t.values()), 302)
        for size in t:
            self.assertEqual(int(size) % 32, 0)

    def test_dump(self):
        """What it prints, fed to an empty server, makes the same cache."""
        text = self.tool("dump")
        adds = re.findall(r"^add (\S+) (\d+) (\d+) (\d+)\r$", text, re.M)
        self.assertEqual(len(adds), 302)
        self.assertIn("odd%key", [a[0] for a in adds])
        copy = self.start()
        with copy.connect() as c:
            c.send(text.encode() + b"mn\r\n")
            self.assertEqual(c.until(b"MN\r\n"),
                             b"STORED\r\n" * 302 + b"MN\r\n")
            for i in (0, 1, 299):
                c.send(b"get user:%d\r\n" % i)
                self.assertEqual(c.until(b"END\r\n"),
                                 b"VALUE user:%d 7 %d\r\n%s\r\nEND\r\n" % (
                                     i, i, b"x" * i))
            c.send(b"mg odd%key t v\r\n")
            ttl = int(c.line().split()[2][1:])
            self.assertTrue(800 < ttl <= 902, ttl)
            c.line()

    def test_keys(self):
        text = self.tool("keys", "10")
        self.assertGreaterEqual(len(re.findall(r"^key=", text, re.M)), 9)


@unittest.skipUnless(shutil.which("memcstat"), "libmemcached-tools")
class Libmemcached(Tools):
    def tool(self, name, *args, status=0):
        return self.run_tool(name, "--servers=127.0.0.1:%d" %
                             self.server.port, *args, status=status)

    def test_memcstat(self):
        text = self.tool("memcstat")
        self.assertRegex(text, r"(?m)^\s*curr_items: 302$")
        self.assertGreater(len(text.splitlines()), 80)
        for group in ("items", "slabs", "settings", "sizes"):
            self.assertGreater(len(self.tool(
                "memcstat", "--args=" + group).splitlines()), 2, group)

    def test_memcdump(self):
        keys = self.tool("memcdump").split()
        self.assertEqual(len(keys), 302)
        self.assertEqual(len(set(keys)), 302)
        self.assertIn("user:17", keys)

    def test_memcping(self):
        self.tool("memcping")
        self.run_tool("memcping", "--servers=127.0.0.1:%d" %
                      harness.free_port(), status=1)

    def test_the_others(self):
        with tempfile.TemporaryDirectory() as d:
            path = pathlib.Path(d) / "memccp.key"
            path.write_text("some text\n")
            self.tool("memccp", str(path))
        self.assertEqual(self.tool("memccat", "memccp.key"), "some text\n\n")
        self.tool("memcexist", "memccp.key")
        self.tool("memcexist", "nobody", status=1)
        self.tool("memctouch", "--expire=100", "memccp.key")
        self.tool("memcrm", "memccp.key")
        self.tool("memcexist", "memccp.key", status=1)

    def test_memcflush(self):
        s = self.start()
        with s.connect() as c:
            c.send(b"set a 0 0 1\r\na\r\n")
            c.line()
            self.run_tool("memcflush", "--servers=127.0.0.1:%d" % s.port)
            self.assertEqual(c.ask(b"get a\r\n"), b"END\r\n")


@unittest.skipUnless(os.path.exists(MUNIN) and has_perl("Cache::Memcached"),
                     "munin-plugins-extra, libcache-memcached-perl")
class Munin(Tools):
    FIELDS = {
        "rates": ["cache_hits", "cache_misses", "cmd_get", "cmd_set",
                  "total_connections", "total_items"],
        "bytes": ["bytes_read", "bytes_written"],
        "counters": ["bytes_allocated", "curr_connections", "curr_items"],
    }

    def plugin(self, name, *args):
        with tempfile.TemporaryDirectory() as d:
            link = os.path.join(d, "memcached_" + name)
            os.symlink(MUNIN, link)
            return self.run_tool("/usr/bin/perl", link, *args, env={
                "host": "127.0.0.1", "port": str(self.server.port)})

    def test_values(self):
        for name, fields in self.FIELDS.items():
            values = dict(re.findall(r"^memcache_(\w+)\.value (\d+)$",
                                     self.plugin(name), re.M))
            for f in fields:
                self.assertIn(f, values, name)
            if name == "counters":
                self.assertEqual(values["curr_items"], "302")

    def test_config(self):
        for name in self.FIELDS:
            self.assertIn("graph_title", self.plugin(name, "config"))


@unittest.skipUnless(COLLECTD and os.path.exists(
    COLLECTD_PLUGINS + "/memcached.so"), "collectd-core")
class Collectd(Tools):
    CONFIG = """
        Hostname "here"
        BaseDir "%(dir)s"
        PIDFile "%(dir)s/pid"
        PluginDir "%(plugins)s"
        TypesDB "/usr/share/collectd/types.db"
        Interval 0.2
        LoadPlugin csv
        <Plugin csv>
            DataDir "%(dir)s/csv"
        </Plugin>
        LoadPlugin memcached
        <Plugin memcached>
            <Instance "slabd">
                Address "127.0.0.1"
                Port "%(port)d"
            </Instance>
        </Plugin>
        """
    FIELDS = [
        "connections-opened", "df-cache", "memcached_command-get",
        "memcached_command-set", "memcached_command-flush",
        "memcached_command-touch", "memcached_connections-current",
        "memcached_items-current", "memcached_octets",
        "memcached_ops-decr_hits", "memcached_ops-decr_misses",
        "memcached_ops-delete_hits", "memcached_ops-evictions",
        "memcached_ops-hits", "memcached_ops-incr_hits",
        "memcached_ops-incr_misses", "memcached_ops-misses",
        "percent-hitratio", "ps_count", "ps_cputime",
        "total_events-listen_disabled", "uptime",
    ]

    def test_values(self):
        with tempfile.TemporaryDirectory() as d:
            conf = os.path.join(d, "conf")
            with open(conf, "w", encoding="ascii") as f:
                f.write(self.CONFIG % {
                    "dir": d, "plugins": COLLECTD_PLUGINS,
                    "port": self.server.port})
            p = subprocess.Popen([COLLECTD, "-f", "-C", conf],
                                 stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)
            try:
                def lines(field):
                    # The day is part of the name.
                    for name in glob.glob("%s/csv/here/memcached-slabd/%s-2*"
                                          % (d, field)):
                        with open(name, encoding="ascii") as g:
                            return g.read().splitlines()[1:]
                    return []
                for f in self.FIELDS:
                    harness.until(lambda f=f: lines(f), f)
                value = lines("memcached_items-current")[0].split(",")[1]
                self.assertEqual(float(value), 302)
            finally:
                p.terminate()
                text = p.communicate(timeout=60)[0].decode()
            self.assertEqual(p.returncode, 0, text)


@unittest.skipUnless(shutil.which("php"), "php-cli, php-memcached")
class Php(Tools):
    SCRIPT = r"""
        $m = new Memcached();
        $m->setOption(Memcached::OPT_BINARY_PROTOCOL, (bool)$argv[2]);
        $m->addServer('127.0.0.1', (int)$argv[1]);
        foreach ([null, 'items', 'slabs', 'settings'] as $group) {
            $s = $group === null ? $m->getStats() : $m->getStats($group);
            echo $group ?? 'general', ' ', count(current($s)), "\n";
        }
        echo 'items ', current($m->getStats())['curr_items'], "\n";
        echo 'version ', current($m->getVersion()), "\n";
        if (!$argv[2]) {
            $keys = $m->getAllKeys();
            sort($keys);
            echo 'keys ', count($keys), ' ', $keys[0], "\n";
        }
        """

    def php(self, binary):
        return dict(line.split(" ", 1) for line in self.run_tool(
            "php", "-r", self.SCRIPT, "--", str(self.server.port),
            binary).splitlines())

    def check(self, said):
        self.assertGreater(int(said["general"]), 80)
        self.assertGreater(int(said["slabs"]), 40)
        self.assertGreater(int(said["settings"]), 50)
        self.assertEqual(said["items"], "302")
        self.assertRegex(said["version"], r"^1\.6\.\d+$")

    def test_text(self):
        said = self.php("")
        self.check(said)
        self.assertEqual(said["keys"], "302 n")

    def test_binary(self):
        self.check(self.php("1"))


@unittest.skipUnless(shutil.which("nc"), "netcat-openbsd")
class Netcat(Tools):
    def nc(self, text):
        p = subprocess.run(
            ["nc", "-w", "10", "127.0.0.1", str(self.server.port)],
            input=text, stdout=subprocess.PIPE, timeout=60)
        return p.stdout

    def test_by_hand(self):
        self.assertEqual(
            self.nc(b"set hand 0 0 5\nhello\r\nget hand\ndelete hand\n"
                    b"get hand\nversions\nquit\n"),
            b"STORED\r\nVALUE hand 0 5\r\nhello\r\nEND\r\nDELETED\r\n"
            b"END\r\nERROR\r\n")

    def test_stats(self):
        text = self.nc(b"stats\nquit\n")
        self.assertTrue(text.startswith(b"STAT pid "), text)
        self.assertTrue(text.endswith(b"END\r\n"), text)

    def test_dump(self):
        text = self.nc(b"lru_crawler metadump all\nquit\n")
        self.assertEqual(text.count(b"key="), 302)
        self.assertTrue(text.endswith(b"END\r\n"), text)


@unittest.skipUnless(shutil.which("telnet"), "telnet")
class Telnet(Tools):
    def test_by_hand(self):
        with subprocess.Popen(
                ["telnet", "127.0.0.1", str(self.server.port)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, bufsize=0) as p:
            try:
                text = b""
                while b"Escape" not in text or not text.endswith(b"\n"):
                    got = os.read(p.stdout.fileno(), 4096)
                    self.assertTrue(got, text)
                    text += got
                p.stdin.write(b"mn\nquit\n")
                text += p.stdout.read()
            finally:
                p.stdin.close()
                p.wait(60)
        self.assertIn(b"\nMN\n", text.replace(b"\r", b""))


class Fields(Tools):
    """What COMPAT says of the tools: names, and how values must look."""

    # prometheus' memcached_exporter, telegraf, Datadog, collectd, netdata,
    # munin, mtop: whatever any of them reads of `stats`.
    GENERAL = """
        pid version uptime time pointer_size rusage_user rusage_system
        max_connections curr_connections total_connections
        rejected_connections connection_structures cmd_get cmd_set cmd_flush
        cmd_touch cmd_meta get_hits get_misses get_expired get_flushed
        delete_hits delete_misses incr_hits incr_misses decr_hits
        decr_misses cas_hits cas_misses cas_badval touch_hits touch_misses
        store_too_large store_no_memory auth_cmds auth_errors bytes_read
        bytes_written limit_maxbytes accepting_conns listen_disabled_num
        threads conn_yields hash_power_level hash_bytes hash_is_expanding
        lru_crawler_starts round_robin_fallback unexpected_napi_ids bytes
        curr_items total_items expired_unfetched evicted_unfetched
        evicted_active evictions reclaimed crawler_reclaimed
        crawler_items_checked moves_to_cold moves_to_warm moves_within_lru
        direct_reclaims lrutail_reflocked slab_reassign_running
        """.split()
    ITEMS = """
        number number_hot number_warm number_cold age age_hot age_warm
        mem_requested evicted evicted_nonzero evicted_time evicted_unfetched
        evicted_active expired_unfetched outofmemory reclaimed tailrepairs
        crawler_reclaimed crawler_items_checked lrutail_reflocked
        moves_to_cold moves_to_warm moves_within_lru direct_reclaims
        hits_to_hot hits_to_warm hits_to_cold hits_to_temp
        """.split()
    SLABS = """
        chunk_size chunks_per_page total_pages total_chunks used_chunks
        free_chunks free_chunks_end get_hits cmd_set delete_hits incr_hits
        decr_hits cas_hits cas_badval touch_hits
        """.split()
    SETTINGS = """
        maxbytes maxconns tcpport udpport inter verbosity oldest evictions
        domain_socket umask growth_factor chunk_size num_threads
        stat_key_prefix detail_enabled reqs_per_event cas_enabled
        tcp_backlog auth_enabled_sasl item_size_max maxconns_fast
        hashpower_init slab_reassign slab_automove lru_crawler
        lru_crawler_sleep lru_crawler_tocrawl lru_maintainer_thread
        hot_lru_pct warm_lru_pct hot_max_factor warm_max_factor
        """.split()
    COLLECTD_READS = 4096

    def answer(self, group=""):
        with self.server.connect() as c:
            c.send(("stats " + group).strip().encode() + b"\r\n")
            return c.until(b"END\r\n").decode()

    def test_general(self):
        have = self.server.stats()
        self.assertEqual([f for f in self.GENERAL if f not in have], [])
        for name in have:
            # The exporter would take such a name for one of a class.
            self.assertNotIn(":", name)

    def test_seconds(self):
        for name in ("rusage_user", "rusage_system"):
            self.assertRegex(self.server.stats()[name], r"^\d+\.\d{6}$")

    def test_every_line_splits_in_three(self):
        for group in ("", "items", "slabs", "settings", "sizes", "conns"):
            lines = self.answer(group).splitlines()
            self.assertEqual(lines.pop(), "END")
            for line in lines:
                if not line.startswith("STAT binding_protocol"):
                    self.assertEqual(len(line.split()), 3, line)

    def of_classes(self, group):
        classes = {}
        for name, value in self.server.stats(group).items():
            if ":" in name:
                which, field = name.rsplit(":", 1)
                classes.setdefault(which, {})[field] = int(value)
        self.assertGreater(len(classes), 3)
        return classes

    def test_items(self):
        for which, have in self.of_classes(b"items").items():
            self.assertRegex(which, r"^items:\d+$")
            self.assertEqual([f for f in self.ITEMS if f not in have], [])

    def test_slabs(self):
        for which, have in self.of_classes(b"slabs").items():
            self.assertRegex(which, r"^\d+$")
            self.assertEqual([f for f in self.SLABS if f not in have], [])
            self.assertEqual(have["total_chunks"],
                             have["used_chunks"] + have["free_chunks"])
        whole = self.server.stats(b"slabs")
        self.assertGreater(int(whole["active_slabs"]), 3)
        self.assertGreater(int(whole["total_malloced"]), 0)

    def test_settings(self):
        have = self.server.stats(b"settings")
        self.assertEqual([f for f in self.SETTINGS if f not in have], [])
        for name in ("lru_crawler", "lru_maintainer_thread", "cas_enabled",
                     "maxconns_fast", "detail_enabled", "slab_reassign",
                     "auth_enabled_sasl"):
            self.assertIn(have[name], ("yes", "no"), name)
        for name in ("hot_max_factor", "warm_max_factor", "growth_factor"):
            self.assertRegex(have[name], r"^\d+\.\d+$")
        int(have["umask"], 8)
        int(have["stat_key_prefix"] == ":")

    def test_general_is_short(self):
        """Numbers here are small; tests/server/ has the largest ones."""
        self.assertLess(len(self.answer()), self.COLLECTD_READS)

    def test_in_binary(self):
        """Datadog reads them so: the same names, packet by packet."""
        for group in (b"", b"items", b"slabs", b"settings"):
            want = set(self.server.stats(group))
            head = b"\x80\x10" + len(group).to_bytes(2, "big") + bytes(4) + \
                len(group).to_bytes(4, "big") + bytes(12)
            have = set()
            with self.server.connect() as c:
                c.send(head + group)
                while True:
                    reply = c.read(24)
                    nkey = int.from_bytes(reply[2:4], "big")
                    body = c.read(int.from_bytes(reply[8:12], "big"))
                    if nkey == 0:
                        break
                    have.add(body[:nkey].decode())
            self.assertEqual(have, want)


class Exporter(Tools):
    """memcached_exporter is not in Debian 12; this is what it sends."""

    def test_scrape(self):
        with socket.create_connection(("127.0.0.1", self.server.port)) as s:
            s.settimeout(harness.BOUND)
            f = s.makefile("rwb")
            for group in (b"", b" slabs", b" items", b" settings"):
                f.write(b"stats" + group + b"\r\n")
                f.flush()
                n = 0
                while True:
                    line = f.readline()
                    if line == b"END\r\n":
                        break
                    self.assertTrue(line.startswith(b"STAT "), line)
                    n += 1
                self.assertGreater(n, 20)
            f.close()


if __name__ == "__main__":
    unittest.main()
