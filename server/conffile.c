/* conffile.c - see conffile.h. */
#include "server/conffile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is being read, to speak of it. */
struct source {
	const char *path;
	unsigned line;
	FILE *err;
};

static bool
complain(const struct source *s, const char *why, const char *what)
{
	fprintf(s->err, "slabd: %s:%u: %s%s\n", s->path, s->line, why, what);
	return false;
}

static bool
add_word(struct conffile *f, const struct source *s, const char *word)
{
	char **words;

	if (f->n == CONFFILE_WORDS_MAX)
		return complain(s, "too many words", "");
	words = realloc(f->words, ((size_t)f->n + 2) * sizeof(*words));
	if (words == NULL)
		return complain(s, "out of memory", "");
	f->words = words;
	words[f->n] = strdup(word);
	if (words[f->n] == NULL)
		return complain(s, "out of memory", "");
	words[++f->n] = NULL;
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/*
 * Takes the next word off the line, in place.  1: it is *word, 0: there is
 * none, -1: a quote is not closed.
 */
static int
next_word(char **line, char **word)
{
	char *from = *line, *to, quote = '\0';

	while (is_blank(*from))
		from++;
	*word = to = from;
	if (*from == '\0' || *from == '#')
		return 0;
	for (; *from != '\0'; from++) {
		if (quote == '\0' && (is_blank(*from) || *from == '#'))
			break;
		if (quote != '\'' && *from == '\\' && from[1] != '\0')
			*to++ = *++from;
		else if (*from == quote)
			quote = '\0';
		else if (quote == '\0' && (*from == '\'' || *from == '"'))
			quote = *from;
		else
			*to++ = *from;
	}
	/* The end of the word may go where the line goes on. */
	*line = is_blank(*from) ? from + 1 : from + strlen(from);
	*to = '\0';
	return quote == '\0' ? 1 : -1;
}

static bool
read_line(struct conffile *f, const struct source *s, char *line)
{
	bool first = true;
	char *word;
	int got;

	while ((got = next_word(&line, &word)) > 0) {
		/* The service manager's, or of a script that is not here. */
		if (first && (strncmp(word, "-d", 2) == 0 ||
		    strncmp(word, "-h", 2) == 0 ||
		    strcmp(word, "logfile") == 0))
			return true;
		if (first && *word != '-')
			return complain(s, "not an option: ", word);
		if (!add_word(f, s, word))
			return false;
		first = false;
	}
	return got == 0 || complain(s, "a quote is not closed", "");
}

static bool
read_file(struct conffile *f, const char *path, FILE *err)
{
	struct source s = { path, 0, err };
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	bool ok = true;
	ssize_t n;

	if (file == NULL) {
		fprintf(err, "slabd: --config %s: %s\n", path,
		    strerror(errno));
		return false;
	}
	while (ok && (n = getline(&line, &room, file)) >= 0) {
		s.line++;
		ok = strlen(line) == (size_t)n ? read_line(f, &s, line) :
		    complain(&s, "a zero byte", "");
	}
	if (ok && ferror(file)) {
		fprintf(err, "slabd: --config %s: %s\n", path,
		    strerror(errno));
		ok = false;
	}
	free(line);
	fclose(file);
	return ok;
}

static const char *
find_path(int argc, char **argv)
{
	static const char name[] = "--config";
	const size_t n = sizeof(name) - 1;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], name, n) != 0)
			continue;
		if (argv[i][n] == '=')
			return argv[i] + n + 1;
		if (argv[i][n] == '\0')
			return i + 1 < argc ? argv[i + 1] : NULL;
	}
	return NULL;
}

bool
conffile_merge(struct conffile *f, int argc, char **argv, FILE *err)
{
	*f = (struct conffile){ .argc = argc, .argv = argv };
	f->path = find_path(argc, argv);
	if (f->path == NULL)
		return true;
	f->argv = NULL;
	if (!read_file(f, f->path, err))
		return false;
	f->argv = calloc((size_t)f->n + (size_t)argc + 1, sizeof(*f->argv));
	if (f->argv == NULL) {
		fprintf(err, "slabd: --config %s: out of memory\n", f->path);
		return false;
	}
	f->argv[0] = argv[0];
	for (int i = 0; i < f->n; i++)
		f->argv[1 + i] = f->words[i];
	for (int i = 1; i < argc; i++)
		f->argv[f->n + i] = argv[i];
	f->argc = f->n + argc;
	return true;
}

void
conffile_free(struct conffile *f)
{
	for (int i = 0; i < f->n; i++)
		free(f->words[i]);
	free(f->words);
	if (f->path != NULL)
		free(f->argv);
	*f = (struct conffile){ 0 };
}
