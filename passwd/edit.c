/* edit.c - see edit.h. */
#include "passwd/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "server/users.h"

__attribute__((format(printf, 2, 3))) static bool
complain(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, USERS_WHY_MAX, format, args);
	va_end(args);
	return false;
}

/* ------------------------------------------------------------ opening */

static bool
lock(struct edit *e, char *why)
{
	if (asprintf(&e->beside, "%s.new", e->path) < 0)
		return complain(why, "out of memory");
	e->fd = open(e->beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (e->fd >= 0)
		return true;
	if (errno == EEXIST)
		complain(why, "%.400s is there: somebody else changes the "
		    "file; if nobody does, remove it", e->beside);
	else
		complain(why, "%.400s: %s", e->beside, strerror(errno));
	free(e->beside);
	e->beside = NULL;
	return false;
}

static bool
read_all(struct edit *e, int fd, const struct stat *st, char *why)
{
	ssize_t got;

	if (!S_ISREG(st->st_mode) || st->st_size > USERS_FILE_MAX)
		return complain(why, "%.400s: %s", e->path,
		    S_ISREG(st->st_mode) ? "too large" : "not a file");
	e->text = sodium_malloc((size_t)st->st_size + 1);
	if (e->text == NULL)
		return complain(why, "out of memory");
	while (e->n < (size_t)st->st_size) {
		got = read(fd, e->text + e->n, (size_t)st->st_size - e->n);
		if (got <= 0)
			break;
		e->n += (size_t)got;
	}
	if (e->n < (size_t)st->st_size)
		return complain(why, "%.400s: cannot be read whole", e->path);
	e->text[e->n] = '\0';
	return true;
}

static bool
read_file(struct edit *e, bool may_create, char *why)
{
	int fd = open(e->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	bool ok;

	if (fd < 0 && errno == ENOENT && may_create) {
		e->is_new = true;
		e->text = sodium_malloc(1);
		return e->text != NULL || complain(why, "out of memory");
	}
	if (fd < 0 || fstat(fd, &st) != 0) {
		complain(why, "%.400s: %s", e->path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	e->mode = st.st_mode & 0777;
	e->uid = st.st_uid;
	e->gid = st.st_gid;
	ok = read_all(e, fd, &st, why);
	close(fd);
	return ok;
}

bool
edit_open(struct edit *e, const char *path, bool to_write, bool may_create,
    char *why)
{
	*e = (struct edit){ .path = path, .fd = -1, .mode = 0600 };
	if ((!to_write || lock(e, why)) && read_file(e, may_create, why))
		return true;
	edit_close(e);
	return false;
}

void
edit_close(struct edit *e)
{
	if (e->fd >= 0)
		close(e->fd);
	if (e->beside != NULL)
		(void)unlink(e->beside);
	free(e->beside);
	sodium_free(e->text);
	*e = (struct edit){ .fd = -1 };
}

/* ------------------------------------------------------------ lines */

/* Where the user's line begins and, with its end, ends; false: nowhere. */
static bool
locate(const struct edit *e, const char *name, size_t *from, size_t *to)
{
	size_t nname = strlen(name), at = 0;

	while (at < e->n) {
		const char *lf = memchr(e->text + at, '\n', e->n - at);
		size_t next = lf != NULL ? (size_t)(lf - e->text) + 1 : e->n;

		if (next - at > nname && e->text[at + nname] == ':' &&
		    memcmp(e->text + at, name, nname) == 0) {
			*from = at;
			*to = next;
			return true;
		}
		at = next;
	}
	*from = *to = e->n;
	return false;
}

const char *
edit_find(const struct edit *e, const char *name, size_t *n)
{
	size_t from, to;

	if (!locate(e, name, &from, &to))
		return NULL;
	while (to > from &&
	    (e->text[to - 1] == '\n' || e->text[to - 1] == '\r'))
		to--;
	*n = to - from;
	return e->text + from;
}

bool
edit_put(struct edit *e, const char *name, const char *line, char *why)
{
	size_t from, to, nline = line != NULL ? strlen(line) : 0, at = 0;
	bool bare, found = locate(e, name, &from, &to);
	char *text;

	/* The last line may lack its end. */
	bare = !found && e->n > 0 && e->text[e->n - 1] != '\n';
	text = sodium_malloc(e->n + nline + 2);
	if (text == NULL)
		return complain(why, "out of memory");
	memcpy(text, e->text, from);
	at = from;
	if (bare)
		text[at++] = '\n';
	if (nline > 0)
		memcpy(text + at, line, nline);
	at += nline;
	memcpy(text + at, e->text + to, e->n - to);
	at += e->n - to;
	text[at] = '\0';
	sodium_free(e->text);
	e->text = text;
	e->n = at;
	return true;
}

/* ------------------------------------------------------------ saving */

static bool
write_all(int fd, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t put = write(fd, text, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		text += put;
		n -= (size_t)put;
	}
	return fsync(fd) == 0;
}

bool
edit_save(struct edit *e, char *why)
{
	/* Whoever may read the old one shall read the new one; not more. */
	if (!e->is_new && (fchown(e->fd, e->uid, e->gid) != 0 ||
	    fchmod(e->fd, e->mode) != 0))
		return complain(why, "%.400s: cannot be given the owner and "
		    "mode of the old file: %s", e->beside, strerror(errno));
	if (!write_all(e->fd, e->text, e->n) ||
	    rename(e->beside, e->path) != 0)
		return complain(why, "%.400s: %s", e->path, strerror(errno));
	free(e->beside);
	e->beside = NULL;
	return true;
}
