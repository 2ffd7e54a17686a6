/* memfile.c - see memfile.h. */
#include "server/memfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "server/clock.h"
#include "server/config.h"
#include "server/log.h"
#include "slab/cache.h"

enum {
	TEXT_MOST = 4096, /* of FILE.meta, all but the bytes of the cache */
	SUM_LINE = 27,
	LINE_MOST = 1024,
};

static const char serving[] = "Tmain\nKstate serving\n";

struct memfile {
	const struct config *config;
	char *path, *meta, *hidden; /* absolute, for a daemon leaves its
				       folder */
	int fd, meta_fd;	    /* of FILE; of FILE.meta.new */
	const char *stands;	    /* the name that the latter has now */
	bool was_restored, is_saved;
};

/* ------------------------------------------------------------ opening */

static char *
absolute(const char *path, const char *end)
{
	char *cwd = *path != '/' ? getcwd(NULL, 0) : NULL, *all;

	if (asprintf(&all, "%s%s%s%s", cwd != NULL ? cwd : "",
	    cwd != NULL ? "/" : "", path, end) < 0)
		all = NULL;
	free(cwd);
	return all;
}

/* Is it still the file of that name?  Where nobody lets us look it is. */
static bool
is_at(int fd, const char *path)
{
	struct stat is, has;

	if (stat(path, &has) != 0)
		return errno != ENOENT && errno != ENOTDIR;
	return fstat(fd, &is) == 0 && is.st_dev == has.st_dev &&
	    is.st_ino == has.st_ino;
}

static bool
open_locked(struct memfile *m, char *why)
{
	struct stat st;
	const char *fault = NULL;

	m->fd = open(m->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	if (m->fd < 0 || fstat(m->fd, &st) != 0)
		fault = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		fault = "no ordinary file";
	else if (flock(m->fd, LOCK_EX | LOCK_NB) != 0)
		fault = errno == EWOULDBLOCK ?
		    "another slabd is using it" : strerror(errno);
	else if (!is_at(m->fd, m->path))
		fault = "it is being replaced";
	if (fault != NULL)
		snprintf(why, MEMFILE_WHY_MAX, "-e %s: %s", m->path, fault);
	return fault == NULL;
}

static bool
write_all(int fd, const char *bytes, size_t n)
{
	size_t at = 0;

	while (at < n) {
		ssize_t put = pwrite(fd, bytes + at, n - at, (off_t)at);

		if (put < 0 && errno != EINTR)
			return false;
		at += put > 0 ? (size_t)put : 0;
	}
	return true;
}

/* Its room is taken now, for a file system of memory is full of the cache.
 * Before the cache is there, for which the old one is none any more: it stays
 * with whoever has no room.  What has the name already is another's, who may
 * have lost FILE, but not the right to write there. */
static bool
make_meta(struct memfile *m, size_t most, char *why)
{
	(void)unlink(m->hidden);
	m->meta_fd = open(m->hidden, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (m->meta_fd >= 0)
		m->stands = m->hidden;
	if (m->meta_fd >= 0 && (fallocate(m->meta_fd, FALLOC_FL_KEEP_SIZE, 0,
	    (off_t)most) == 0 || errno != ENOSPC) &&
	    write_all(m->meta_fd, serving, sizeof(serving) - 1))
		return true;
	snprintf(why, MEMFILE_WHY_MAX, "cannot make %s: %s", m->hidden,
	    strerror(errno));
	return false;
}

struct memfile *
memfile_open(const struct config *config, char *why)
{
	struct memfile *m = calloc(1, sizeof(*m));

	snprintf(why, MEMFILE_WHY_MAX, "-e: out of memory");
	if (m == NULL)
		return NULL;
	m->config = config;
	m->fd = m->meta_fd = -1;
	m->path = absolute(config->memory_file, "");
	m->meta = absolute(config->memory_file, ".meta");
	m->hidden = absolute(config->memory_file, ".meta.new");
	if (m->path == NULL || m->meta == NULL || m->hidden == NULL ||
	    !open_locked(m, why) || !make_meta(m,
	    cache_save_most(config->memory_limit) + TEXT_MOST, why))
		memfile_close(&m);
	return m;
}

int
memfile_descriptor(const struct memfile *m)
{
	return m->fd;
}

bool
memfile_was_restored(const struct memfile *m)
{
	return m->was_restored;
}

void
memfile_close(struct memfile **mp)
{
	struct memfile *m = *mp;

	*mp = NULL;
	/* What only says that it serves would be there for nothing. */
	if (m->meta_fd >= 0 && !m->is_saved && is_at(m->meta_fd, m->stands))
		(void)unlink(m->stands);
	if (m->meta_fd >= 0)
		close(m->meta_fd);
	if (m->fd >= 0)
		close(m->fd);
	free(m->path);
	free(m->meta);
	free(m->hidden);
	free(m);
}

/* ------------------------------------------------------------ settings */

static int
print_sizes(const struct config *c, char *to, size_t room)
{
	size_t n = 0;

	if (c->slab_sizes[0] == 0 && !c->has_growth_factor)
		return snprintf(to, room, "own");
	if (c->slab_sizes[0] == 0)
		return snprintf(to, room, "%.17g", c->growth_factor);
	for (unsigned i = 0; i < CONFIG_SLAB_SIZES && c->slab_sizes[i] != 0 &&
	    n < room; i++)
		n += (size_t)snprintf(to + n, room - n, "%s%u",
		    i > 0 ? "-" : "", c->slab_sizes[i]);
	return (int)n;
}

/* What must be the same at the next start.  to has room for TEXT_MOST. */
static size_t
print_settings(const struct config *c, char *to)
{
	char sizes[LINE_MOST];

	print_sizes(c, sizes, sizeof(sizes));
	return (size_t)snprintf(to, TEXT_MOST,
	    "Tmain\nKformat 1\nKmaxbytes %zu\nKitem_size_max %u\n"
	    "Kchunk_size %u\nKslab_config %s\nKslab_chunk_max %u\n"
	    "Kuse_cas %s\nKslab_reassign %s\n", c->memory_limit, c->item_max,
	    c->chunk_min, sizes, c->slab_chunk_max, c->no_cas ? "no" : "yes",
	    c->slab_reassign ? "yes" : "no");
}

/* ------------------------------------------------------------ reading */

struct text {
	const char *at, *end;
};

/* The next line, without its end, cut if it is long.  false: there is none. */
static bool
next_line(struct text *t, char line[LINE_MOST])
{
	const char *lf = memchr(t->at, '\n', (size_t)(t->end - t->at));
	size_t n;

	if (lf == NULL)
		return false;
	n = (size_t)(lf - t->at);
	if (n > LINE_MOST - 1)
		n = LINE_MOST - 1;
	memcpy(line, t->at, n);
	line[n] = '\0';
	t->at = lf + 1;
	return true;
}

/* `Kname number', which is at most as great. */
static bool
next_number(struct text *t, const char *name, uint64_t most, uint64_t *value)
{
	char line[LINE_MOST], *end;
	size_t n = strlen(name);

	if (!next_line(t, line) || line[0] != 'K' ||
	    strncmp(line + 1, name, n) != 0 || line[1 + n] != ' ' ||
	    line[2 + n] < '0' || line[2 + n] > '9')
		return false;
	errno = 0;
	*value = strtoull(line + 2 + n, &end, 10);
	return errno == 0 && *end == '\0' && *value <= most;
}

/* NULL, or why the settings are not those of now. */
static const char *
compare_settings(struct text *t, const struct config *config, char *why)
{
	char text[TEXT_MOST], was[LINE_MOST], is[LINE_MOST];
	struct text ours = { text, text + print_settings(config, text) };

	while (next_line(&ours, is)) {
		const char *value = strchr(is, ' ');

		if (!next_line(t, was))
			return "it is corrupt";
		if (strcmp(was, is) == 0)
			continue;
		if (value == NULL || strncmp(was, is, (size_t)(value - is)) !=
		    0)
			return "it is corrupt";
		if (strncmp(is, "Kformat ", 8) == 0)
			return "another version of slabd has written it";
		snprintf(why, MEMFILE_WHY_MAX, "%.*s was %.200s, now it is "
		    "%.200s", (int)(value - is) - 1, is + 1,
		    was + (value - is) + 1, value + 1);
		return why;
	}
	return NULL;
}

static bool
is_sound(const char *bytes, size_t n)
{
	char line[SUM_LINE + 1];

	if (n < SUM_LINE)
		return false;
	n -= SUM_LINE;
	snprintf(line, sizeof(line), "Kchecksum %016llx\n",
	    (unsigned long long)XXH3_64bits(bytes, n));
	return memcmp(bytes + n, line, SUM_LINE) == 0;
}

static const char *
restore(struct memfile *m, struct cache *cache, struct clock *clock,
    const char *bytes, size_t n, char *why)
{
	struct text t = { bytes, bytes + n };
	struct cache_restored got;
	uint64_t second, stopped, size;
	const char *fault;

	if (n == sizeof(serving) - 1 && memcmp(bytes, serving, n) == 0)
		return "the last server did not end gracefully";
	if (n < 6 || memcmp(bytes, "Tmain\n", 6) != 0)
		return "it is corrupt";
	fault = compare_settings(&t, m->config, why);
	if (fault != NULL)
		return fault;
	if (!is_sound(bytes, n) ||
	    !next_number(&t, "current_time", INT32_MAX, &second) ||
	    !next_number(&t, "stop_time", INT64_MAX, &stopped) ||
	    !next_number(&t, "slabs", SIZE_MAX, &size) ||
	    size != (size_t)(t.end - t.at) - SUM_LINE)
		return "it is corrupt";
	fault = clock_resume(clock, second, stopped);
	if (fault != NULL)
		return fault;
	if (!cache_restore(cache, t.at, size,
	    clock->resumed + CLOCK_FIRST_SECOND, &got, &fault)) {
		clock_renounce(clock);
		return fault;
	}
	m->was_restored = true;
	log_info("-e %s: %llu items are back; %llu died meanwhile", m->path,
	    (unsigned long long)got.items, (unsigned long long)got.dead);
	if (got.broken != 0)
		log_warn("-e %s: %llu items were corrupt and are gone",
		    m->path, (unsigned long long)got.broken);
	return NULL;
}

/* The whole of a file that has at most so many bytes. */
static char *
read_whole(int fd, size_t most, size_t *n, const char **fault)
{
	char *bytes = malloc(most + 1);
	ssize_t got = 1;

	*fault = "out of memory to read it";
	for (*n = 0; bytes != NULL && got > 0 && *n <= most;) {
		got = read(fd, bytes + *n, most + 1 - *n);
		if (got > 0)
			*n += (size_t)got;
	}
	if (bytes != NULL)
		*fault = got < 0 ? strerror(errno) :
		    *n > most ? "it is corrupt" : NULL;
	if (*fault == NULL)
		return bytes;
	free(bytes);
	return NULL;
}

/* NULL, or why the cache is empty.  false: memcached does not start then, and
 * no slabd leaves the like. */
static bool
try_restore(struct memfile *m, struct cache *cache, struct clock *clock,
    const char **fault, char *why)
{
	int fd = open(m->meta, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *bytes = NULL;
	struct stat st;
	size_t n = 1;

	*fault = errno == ENOENT ? "there is no such file" : strerror(errno);
	if (fd < 0)
		return true;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		*fault = "it is no ordinary file";
	else
		bytes = read_whole(fd, cache_save_most(
		    m->config->memory_limit) + TEXT_MOST, &n, fault);
	close(fd);
	if (bytes != NULL && n > 0)
		*fault = restore(m, cache, clock, bytes, n, why);
	free(bytes);
	return n > 0;
}

/* ------------------------------------------------------------ begin */

bool
memfile_begin(struct memfile *m, struct cache *cache, struct clock *clock,
    char *why)
{
	char text[MEMFILE_WHY_MAX];
	const char *fault;

	if (!try_restore(m, cache, clock, &fault, text)) {
		snprintf(why, MEMFILE_WHY_MAX, "%s is empty, as no slabd "
		    "leaves it; remove it to begin with an empty cache",
		    m->meta);
		return false;
	}
	if (fault != NULL)
		log_warn("%s: %s; beginning with an empty cache", m->meta,
		    fault);
	/* In the place of what was read. */
	if (rename(m->hidden, m->meta) == 0) {
		m->stands = m->meta;
		return true;
	}
	snprintf(why, MEMFILE_WHY_MAX, "cannot make %s: %s", m->meta,
	    strerror(errno));
	return false;
}

void
memfile_hide(struct memfile *m)
{
	if (rename(m->meta, m->hidden) == 0)
		m->stands = m->hidden;
}

/* ------------------------------------------------------------ end */

static size_t
compose(const struct config *config, uint32_t now, const void *slabs,
    size_t nslabs, char *to)
{
	size_t n = print_settings(config, to);

	n += (size_t)snprintf(to + n, TEXT_MOST - n, "Kcurrent_time %u\n"
	    "Kstop_time %lld\nKslabs %zu\n", now, (long long)time(NULL),
	    nslabs);
	memcpy(to + n, slabs, nslabs);
	n += nslabs;
	return n + (size_t)snprintf(to + n, SUM_LINE + 1,
	    "Kchecksum %016llx\n", (unsigned long long)XXH3_64bits(to, n));
}

static const char *
write_meta(struct memfile *m, const char *bytes, size_t n)
{
	/* The next server would find others in their place. */
	if (!is_at(m->fd, m->path))
		return "it was removed or replaced while the server served";
	if (!is_at(m->meta_fd, m->stands))
		return "what lies beside it was removed or replaced";
	m->is_saved = write_all(m->meta_fd, bytes, n) &&
	    fdatasync(m->meta_fd) == 0 &&
	    (m->stands == m->meta || rename(m->hidden, m->meta) == 0);
	return m->is_saved ? NULL : strerror(errno);
}

void
memfile_save(struct memfile *m, struct cache *cache, const struct clock *clock)
{
	uint32_t now = clock_read(clock);
	const char *fault;
	char *bytes = NULL;
	void *slabs;
	size_t n;

	slabs = cache_save(cache, now, &n);
	if (slabs != NULL)
		bytes = malloc(n + TEXT_MOST);
	if (bytes != NULL)
		fault = write_meta(m, bytes,
		    compose(m->config, now, slabs, n, bytes));
	else
		fault = strerror(errno);
	if (fault == NULL)
		log_info("-e %s: saved", m->path);
	else
		log_error("-e %s: cannot be saved: %s", m->path, fault);
	free(bytes);
	free(slabs);
}
