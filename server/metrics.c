/* metrics.c - see metrics.h. */
#include "server/metrics.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/host.h"
#include "server/stats.h"

/* Which `stats` a number is of. */
enum group { GENERAL, SETTINGS, ITEMS, SLABS, GROUPS };

/*
 * F(name, type, help)            begins a family
 * S(group, stat, label, value)   a sample of it; label NULL: it has none
 * C(group, stat, more)           a sample for each slab class, whose label is
 *                                slab="5" and what more adds
 *
 * stat may subtract others: "a-b" is a less b.
 */
/* clang-format off */
#define EACH_COMMAND(M)                                                       \
	M("get", "hit", "get_hits")                                           \
	M("get", "miss", "get_misses")                                        \
	M("delete", "hit", "delete_hits")                                     \
	M("delete", "miss", "delete_misses")                                  \
	M("incr", "hit", "incr_hits")                                         \
	M("incr", "miss", "incr_misses")                                      \
	M("decr", "hit", "decr_hits")                                         \
	M("decr", "miss", "decr_misses")                                      \
	M("cas", "hit", "cas_hits")                                           \
	M("cas", "miss", "cas_misses")                                        \
	M("cas", "badval", "cas_badval")                                      \
	M("touch", "hit", "touch_hits")                                       \
	M("touch", "miss", "touch_misses")                                    \
	M("flush", "hit", "cmd_flush")                                        \
	M("set", "hit", "cmd_set-cas_misses-cas_hits-cas_badval")

/* What is not counted by class is not there for a class. */
#define EACH_SLAB_COMMAND(M)                                                  \
	M("get", "hit", "get_hits")                                           \
	M("delete", "hit", "delete_hits")                                     \
	M("incr", "hit", "incr_hits")                                         \
	M("decr", "hit", "decr_hits")                                         \
	M("cas", "hit", "cas_hits")                                           \
	M("cas", "badval", "cas_badval")                                      \
	M("touch", "hit", "touch_hits")                                       \
	M("set", "hit", "cmd_set-cas_hits-cas_badval")

#define STATUS(command, status)                                               \
	"command=\"" command "\",status=\"" status "\""

#define METRICS(F, S, C)                                                      \
F("uptime_seconds", "counter",                                                \
  "Number of seconds since the server started.")                              \
S(GENERAL, "uptime", NULL)                                                    \
F("time_seconds", "gauge", "current UNIX time according to the server.")      \
S(GENERAL, "time", NULL)                                                      \
F("process_user_cpu_seconds_total", "counter",                                \
  "Accumulated user time for this process.")                                  \
S(GENERAL, "rusage_user", NULL)                                               \
F("process_system_cpu_seconds_total", "counter",                              \
  "Accumulated system time for this process.")                                \
S(GENERAL, "rusage_system", NULL)                                             \
F("read_bytes_total", "counter",                                              \
  "Total number of bytes read by this server from network.")                  \
S(GENERAL, "bytes_read", NULL)                                                \
F("written_bytes_total", "counter",                                           \
  "Total number of bytes sent by this server to network.")                    \
S(GENERAL, "bytes_written", NULL)                                             \
F("current_connections", "gauge", "Current number of open connections.")      \
S(GENERAL, "curr_connections", NULL)                                          \
F("max_connections", "gauge", "Maximum number of clients allowed.")           \
S(SETTINGS, "maxconns", NULL)                                                 \
F("connections_total", "counter",                                             \
  "Total number of connections opened since the server started running.")     \
S(GENERAL, "total_connections", NULL)                                         \
F("connections_rejected_total", "counter",                                    \
  "Total number of connections rejected due to hitting the memcached's -c "   \
  "limit in maxconns_fast mode.")                                             \
S(GENERAL, "rejected_connections", NULL)                                      \
F("connections_yielded_total", "counter",                                     \
  "Total number of connections yielded running due to hitting the "           \
  "memcached's -R limit.")                                                    \
S(GENERAL, "conn_yields", NULL)                                               \
F("connections_listener_disabled_total", "counter",                           \
  "Number of times that memcached has hit its connections limit and "         \
  "disabled its listener.")                                                   \
S(GENERAL, "listen_disabled_num", NULL)                                       \
F("accepting_connections", "gauge",                                           \
  "The Memcached server is currently accepting new connections.")             \
S(GENERAL, "accepting_conns", NULL)                                           \
F("current_bytes", "gauge", "Current number of bytes used to store items.")   \
S(GENERAL, "bytes", NULL)                                                     \
F("limit_bytes", "gauge",                                                     \
  "Number of bytes this server is allowed to use for storage.")               \
S(GENERAL, "limit_maxbytes", NULL)                                            \
F("malloced_bytes", "gauge",                                                  \
  "Number of bytes of memory allocated to slab pages.")                       \
S(SLABS, "total_malloced", NULL)                                              \
F("commands_total", "counter",                                                \
  "Total number of all requests broken down by command (get, set, etc.) "     \
  "and status.")                                                              \
EACH_COMMAND(GENERAL_COMMAND)                                                 \
F("current_items", "gauge",                                                   \
  "Current number of items stored by this instance.")                         \
S(GENERAL, "curr_items", NULL)                                                \
F("items_total", "counter",                                                   \
  "Total number of items stored during the life of this instance.")           \
S(GENERAL, "total_items", NULL)                                               \
F("items_evicted_total", "counter",                                           \
  "Total number of valid items removed from cache to free memory for new "    \
  "items.")                                                                   \
S(GENERAL, "evictions", NULL)                                                 \
F("items_reclaimed_total", "counter",                                         \
  "Total number of times an entry was stored using memory from an expired "   \
  "entry.")                                                                   \
S(GENERAL, "reclaimed", NULL)                                                 \
F("item_too_large_total", "counter",                                          \
  "The number of times an item exceeded the max-item-size when being "        \
  "stored.")                                                                  \
S(GENERAL, "store_too_large", NULL)                                           \
F("item_no_memory_total", "counter",                                          \
  "The number of times an item could not be stored due to no more memory.")   \
S(GENERAL, "store_no_memory", NULL)                                           \
F("lru_crawler_enabled", "gauge", "Whether the LRU crawler is enabled.")      \
S(SETTINGS, "lru_crawler", NULL)                                              \
F("lru_crawler_sleep", "gauge",                                               \
  "Microseconds to sleep between LRU crawls.")                                \
S(SETTINGS, "lru_crawler_sleep", NULL)                                        \
F("lru_crawler_to_crawl", "gauge", "Max items to crawl per slab per run.")    \
S(SETTINGS, "lru_crawler_tocrawl", NULL)                                      \
F("lru_maintainer_thread", "gauge",                                           \
  "Split LRU mode and background threads.")                                   \
S(SETTINGS, "lru_maintainer_thread", NULL)                                    \
F("lru_hot_percent", "gauge",                                                 \
  "Percent of slab memory reserved for HOT LRU.")                             \
S(SETTINGS, "hot_lru_pct", NULL)                                              \
F("lru_warm_percent", "gauge",                                                \
  "Percent of slab memory reserved for WARM LRU.")                            \
S(SETTINGS, "warm_lru_pct", NULL)                                             \
F("lru_hot_max_factor", "gauge",                                              \
  "Set idle age of HOT LRU to COLD age * this")                               \
S(SETTINGS, "hot_max_factor", NULL)                                           \
F("lru_warm_max_factor", "gauge",                                             \
  "Set idle age of WARM LRU to COLD age * this")                              \
S(SETTINGS, "warm_max_factor", NULL)                                          \
F("lru_crawler_starts_total", "counter",                                      \
  "Times an LRU crawler was started.")                                        \
S(GENERAL, "lru_crawler_starts", NULL)                                        \
F("lru_crawler_reclaimed_total", "counter",                                   \
  "Total items freed by LRU Crawler.")                                        \
S(GENERAL, "crawler_reclaimed", NULL)                                         \
F("lru_crawler_items_checked_total", "counter",                               \
  "Total items examined by LRU Crawler.")                                     \
S(GENERAL, "crawler_items_checked", NULL)                                     \
F("lru_crawler_moves_to_cold_total", "counter",                               \
  "Total number of items moved from HOT/WARM to COLD LRU's.")                 \
S(GENERAL, "moves_to_cold", NULL)                                             \
F("lru_crawler_moves_to_warm_total", "counter",                               \
  "Total number of items moved from COLD to WARM LRU.")                       \
S(GENERAL, "moves_to_warm", NULL)                                             \
F("lru_crawler_moves_within_lru_total", "counter",                            \
  "Total number of items reshuffled within HOT or WARM LRU's.")               \
S(GENERAL, "moves_within_lru", NULL)                                          \
F("slab_current_items", "gauge",                                              \
  "Number of items currently stored in this slab class.")                     \
C(ITEMS, "number", "")                                                        \
F("slab_items_age_seconds", "gauge",                                          \
  "Number of seconds the oldest item has been in the slab class.")            \
C(ITEMS, "age", "")                                                           \
F("slab_items_crawler_reclaimed_total", "counter",                            \
  "Number of items freed by the LRU Crawler.")                                \
C(ITEMS, "crawler_reclaimed", "")                                             \
F("slab_items_evicted_total", "counter",                                      \
  "Total number of times an item had to be evicted from the LRU before it "   \
  "expired.")                                                                 \
C(ITEMS, "evicted", "")                                                       \
F("slab_items_evicted_nonzero_total", "counter",                              \
  "Total number of times an item which had an explicit expire time set had "  \
  "to be evicted from the LRU before it expired.")                            \
C(ITEMS, "evicted_nonzero", "")                                               \
F("slab_items_evicted_time_seconds", "gauge",                                 \
  "Seconds since the last access for the most recent item evicted from this " \
  "class.")                                                                   \
C(ITEMS, "evicted_time", "")                                                  \
F("slab_items_evicted_unfetched_total", "counter",                            \
  "Total nmber of items evicted and never fetched.")                          \
C(ITEMS, "evicted_unfetched", "")                                             \
F("slab_items_expired_unfetched_total", "counter",                            \
  "Total number of valid items evicted from the LRU which were never touched "\
  "after being set.")                                                         \
C(ITEMS, "expired_unfetched", "")                                             \
F("slab_items_outofmemory_total", "counter",                                  \
  "Total number of items for this slab class that have triggered an out of "  \
  "memory error.")                                                            \
C(ITEMS, "outofmemory", "")                                                   \
F("slab_items_reclaimed_total", "counter",                                    \
  "Total number of items reclaimed.")                                         \
C(ITEMS, "reclaimed", "")                                                     \
F("slab_items_tailrepairs_total", "counter",                                  \
  "Total number of times the entries for a particular ID need repairing.")    \
C(ITEMS, "tailrepairs", "")                                                   \
F("slab_items_moves_to_cold", "counter",                                      \
  "Number of items moved from HOT or WARM into COLD.")                        \
C(ITEMS, "moves_to_cold", "")                                                 \
F("slab_items_moves_to_warm", "counter",                                      \
  "Number of items moves from COLD into WARM.")                               \
C(ITEMS, "moves_to_warm", "")                                                 \
F("slab_items_moves_within_lru", "counter",                                   \
  "Number of times active items were bumped within HOT or WARM.")             \
C(ITEMS, "moves_within_lru", "")                                              \
F("slab_hot_items", "gauge",                                                  \
  "Number of items presently stored in the HOT LRU.")                         \
C(ITEMS, "number_hot", "")                                                    \
F("slab_warm_items", "gauge",                                                 \
  "Number of items presently stored in the WARM LRU.")                        \
C(ITEMS, "number_warm", "")                                                   \
F("slab_cold_items", "gauge",                                                 \
  "Number of items presently stored in the COLD LRU.")                        \
C(ITEMS, "number_cold", "")                                                   \
F("slab_temporary_items", "gauge",                                            \
  "Number of items presently stored in the TEMPORARY LRU.")                   \
C(ITEMS, "number_temp", "")                                                   \
F("slab_hot_age_seconds", "gauge", "Age of the oldest item in HOT LRU.")      \
C(ITEMS, "age_hot", "")                                                       \
F("slab_warm_age_seconds", "gauge", "Age of the oldest item in WARM LRU.")    \
C(ITEMS, "age_warm", "")                                                      \
F("slab_lru_hits_total", "counter", "Number of get_hits to the LRU.")         \
C(ITEMS, "hits_to_hot", ",lru=\"hot\"")                                       \
C(ITEMS, "hits_to_warm", ",lru=\"warm\"")                                     \
C(ITEMS, "hits_to_cold", ",lru=\"cold\"")                                     \
C(ITEMS, "hits_to_temp", ",lru=\"temporary\"")                                \
F("slab_chunk_size_bytes", "gauge",                                           \
  "Number of bytes allocated to each chunk within this slab class.")          \
C(SLABS, "chunk_size", "")                                                    \
F("slab_chunks_per_page", "gauge",                                            \
  "Number of chunks within a single page for this slab class.")               \
C(SLABS, "chunks_per_page", "")                                               \
F("slab_current_pages", "gauge",                                              \
  "Number of pages allocated to this slab class.")                            \
C(SLABS, "total_pages", "")                                                   \
F("slab_current_chunks", "gauge",                                             \
  "Number of chunks allocated to this slab class.")                           \
C(SLABS, "total_chunks", "")                                                  \
F("slab_chunks_used", "gauge", "Number of chunks allocated to an item.")      \
C(SLABS, "used_chunks", "")                                                   \
F("slab_chunks_free", "gauge",                                                \
  "Number of chunks not yet allocated items.")                                \
C(SLABS, "free_chunks", "")                                                   \
F("slab_chunks_free_end", "gauge",                                            \
  "Number of free chunks at the end of the last allocated page.")             \
C(SLABS, "free_chunks_end", "")                                               \
F("slab_mem_requested_bytes", "gauge",                                        \
  "Number of bytes of memory actual items take up within a slab.")            \
C(ITEMS, "mem_requested", "")                                                 \
F("slab_commands_total", "counter",                                           \
  "Total number of all requests broken down by command (get, set, etc.) "     \
  "and status per slab.")                                                     \
EACH_SLAB_COMMAND(SLAB_COMMAND)

#define FAMILY(family, type, help)                                            \
	{ "# HELP memcached_" family " " help "\n"                            \
	  "# TYPE memcached_" family " " type "\n", family, NULL, GENERAL,    \
	  false },
#define SAMPLE(group, stat, labels) { NULL, stat, labels, group, false },
#define OF_CLASS(group, stat, more) { NULL, stat, more, group, true },
#define GENERAL_COMMAND(command, status, stat)                                \
	SAMPLE(GENERAL, stat, STATUS(command, status))
#define SLAB_COMMAND(command, status, stat)                                   \
	OF_CLASS(SLABS, stat, "," STATUS(command, status))
/* clang-format on */

struct row {
	const char *text; /* of a family, or NULL */
	const char *name; /* the family's, or the stat */
	const char *labels;
	enum group group;
	bool of_class;
};

static const struct row rows[] = { METRICS(FAMILY, SAMPLE, OF_CLASS) };

/* ------------------------------------------------------------ reading */

/* STAT number 5: of class 3, if it was STAT items:3:number 5. */
struct stat_line {
	enum group group;
	unsigned class_id; /* 0: of no class */
	const char *name, *value;
};

struct stats_view {
	struct answer answers[GROUPS];
	struct stat_line *lines;
	size_t n, room;
	unsigned classes; /* one more than the highest */
};

/* Takes "items:3:" or "3:" off a name; 0: there is none. */
static unsigned
take_class(char **name)
{
	char *at = *name, *end;
	unsigned long id;

	if (strncmp(at, "items:", 6) == 0)
		at += 6;
	if (!isdigit((unsigned char)*at))
		return 0;
	id = strtoul(at, &end, 10);
	if (*end != ':')
		return 0;
	*name = end + 1;
	return (unsigned)id;
}

static bool
add_line(struct stats_view *v, enum group group, char *name, char *value)
{
	struct stat_line *l;

	if (v->n == v->room) {
		size_t room = v->room == 0 ? 1024 : v->room * 2;
		struct stat_line *lines = realloc(v->lines,
		    room * sizeof(*lines));

		if (lines == NULL)
			return false;
		v->lines = lines;
		v->room = room;
	}
	l = &v->lines[v->n++];
	l->group = group;
	l->class_id = take_class(&name);
	l->name = name;
	l->value = value;
	if (l->class_id >= v->classes)
		v->classes = l->class_id + 1;
	return true;
}

/* Cuts the answer into names and values; it ends with END. */
static bool
cut(struct stats_view *v, enum group group)
{
	char *rest = v->answers[group].bytes, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char *name = line + strlen("STAT "), *value;

		if (strncmp(line, "STAT ", strlen("STAT ")) != 0)
			continue;
		line[strcspn(line, "\r")] = '\0';
		value = strchr(name, ' ');
		if (value == NULL)
			continue;
		*value++ = '\0';
		if (!add_line(v, group, name, value))
			return false;
	}
	return true;
}

static bool
look(struct stats_view *v, struct host *h)
{
	void (*const ask[GROUPS])(struct call *, struct answer *) = {
		stats_general, stats_settings, stats_items, stats_slabs
	};
	struct request req = { 0 };
	struct call call = {
		.host = h,
		.proto = PROTO_TEXT,
		.req = &req,
		.fd = -1,
	};

	for (unsigned i = 0; i < GROUPS; i++) {
		struct answer *a = &v->answers[i];

		answer_begin(a, &call);
		ask[i](&call, a);
		answer_end(a);
		answer_bytes(a, "", 1);
		if (a->failed || !cut(v, (enum group)i))
			return false;
	}
	return true;
}

static void
forget(struct stats_view *v)
{
	for (unsigned i = 0; i < GROUPS; i++)
		answer_drop(&v->answers[i]);
	free(v->lines);
}

/* ------------------------------------------------------------ writing */

static const struct stat_line *
find(const struct stats_view *v, const struct row *row, unsigned class_id,
    const char *name, size_t nname)
{
	for (size_t i = 0; i < v->n; i++) {
		const struct stat_line *l = &v->lines[i];

		if (l->class_id == class_id && l->group == row->group &&
		    strncmp(l->name, name, nname) == 0 &&
		    l->name[nname] == '\0')
			return l;
	}
	return NULL;
}

/* The first name of the row less the others; NULL: it is not there. */
static const char *
evaluate(const struct stats_view *v, const struct row *row,
    unsigned class_id, char *text, size_t room)
{
	size_t nname = strcspn(row->name, "-");
	const char *name = row->name;
	const struct stat_line *l = find(v, row, class_id, name, nname);
	uint64_t value;

	if (l == NULL)
		return NULL;
	if (strcmp(l->value, "yes") == 0 || strcmp(l->value, "on") == 0)
		return "1";
	if (strcmp(l->value, "no") == 0 || strcmp(l->value, "off") == 0)
		return "0";
	if (name[nname] == '\0')
		return l->value;
	value = strtoull(l->value, NULL, 10);
	while (name[nname] == '-') {
		uint64_t less;

		name += nname + 1;
		nname = strcspn(name, "-");
		l = find(v, row, class_id, name, nname);
		less = l != NULL ? strtoull(l->value, NULL, 10) : 0;
		/* They are read one after the other. */
		value = less > value ? 0 : value - less;
	}
	snprintf(text, room, "%" PRIu64, value);
	return text;
}

static void
print_class(FILE *out, const struct stats_view *v, const char *family,
    const struct row *row)
{
	char text[32];

	for (unsigned id = 1; id < v->classes; id++) {
		const char *value = evaluate(v, row, id, text, sizeof(text));

		if (value != NULL)
			fprintf(out, "memcached_%s{slab=\"%u\"%s} %s\n",
			    family, id, row->labels, value);
	}
}

static void
print_one(FILE *out, const struct stats_view *v, const char *family,
    const struct row *row)
{
	char text[32];
	const char *value = evaluate(v, row, 0, text, sizeof(text));

	if (value == NULL)
		return;
	if (row->labels == NULL)
		fprintf(out, "memcached_%s %s\n", family, value);
	else
		fprintf(out, "memcached_%s{%s} %s\n", family, row->labels,
		    value);
}

static void
print_rows(FILE *out, const struct stats_view *v)
{
	const char *family = "";

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];

		if (row->text != NULL) {
			family = row->name;
			fputs(row->text, out);
		} else if (row->of_class) {
			print_class(out, v, family, row);
		} else {
			print_one(out, v, family, row);
		}
	}
}

char *
metrics_print(struct host *h, size_t *n)
{
	struct stats_view v = { 0 };
	char *text = NULL;
	FILE *out;
	bool ok;

	ok = look(&v, h) && (out = open_memstream(&text, n)) != NULL;
	if (ok) {
		fputs("# HELP memcached_up Could the memcached server be "
		      "reached.\n# TYPE memcached_up gauge\nmemcached_up 1\n"
		      "# HELP memcached_version The version of this memcached "
		      "server.\n# TYPE memcached_version gauge\n"
		      "memcached_version{version=\"" SLABD_WIRE_VERSION
		      "\"} 1\n", out);
		print_rows(out, &v);
		ok = ferror(out) == 0;
		ok = fclose(out) == 0 && ok;
	}
	forget(&v);
	if (!ok) {
		free(text);
		text = NULL;
	}
	return text;
}
