/* usage.c - see usage.h. */
#include "server/usage.h"

#include <stdbool.h>
#include <string.h>

#include "server/config.h"
#include "server/reader.h"

/* ------------------------------------------------------------ help */

/* Between a name and its argument. */
static const char *
join(const struct row *row)
{
	if (row->argument == NULL)
		return "";
	if (row_is_optional(row))
		return "[=";
	return row->name == NULL ? " " : "=";
}

static void
print_row(FILE *out, const struct row *row)
{
	char head[64], letter[8] = "    ";
	bool sub = row_is_suboption(row);

	if (row->letter != '-')
		snprintf(letter, sizeof(letter), "-%c%s", row->letter,
		    row->name != NULL ? ", " : "");
	snprintf(head, sizeof(head), "%s%s%s%s%s", sub ? "" : letter,
	    sub || row->name == NULL ? "" : "--",
	    row->name != NULL ? row->name : "",
	    join(row),
	    row->argument != NULL ? row->argument + row_is_optional(row) : "");
	fprintf(out, "  %-28s ", head);
	if (row->note == NULL)
		fprintf(out, "%s", row->help);
	else
		fprintf(out, "%s: accepted, no effect", row->help);
	if (row->note == NULL && row->usual != NULL && row->argument != NULL &&
	    strstr(row->help, "(default: ") == NULL)
		fprintf(out, " (default: %s)", row->usual);
	fputc('\n', out);
}

static void
print_rows(FILE *out, const struct rows *rows)
{
	for (unsigned i = 0; i < rows->count; i++) {
		const struct row *row = &rows->row[i];

		if (row_is_title(row))
			fprintf(out, "\n%s\n", row->help);
		else if (row->help != NULL)
			print_row(out, row);
	}
}

void
usage_help(FILE *out, const struct rows *options,
    const struct rows *suboptions)
{
	fprintf(out, "slabd " SLABD_VERSION ", a cache server that speaks "
	    "the memcached protocols\n"
	    "usage: slabd [options]\n");
	print_rows(out, options);
	print_rows(out, suboptions);
}

/* ------------------------------------------------------------ lists */

void
usage_list(FILE *out, const struct rows *options,
    const struct rows *suboptions)
{
	for (unsigned i = 0; i < options->count; i++) {
		const struct row *row = &options->row[i];

		if (!row_is_title(row) && row->help != NULL)
			fprintf(out, "%c %s\n", row->letter,
			    row->name != NULL ? row->name : "-");
	}
	for (unsigned i = 0; i < suboptions->count; i++)
		if (!row_is_title(&suboptions->row[i]))
			fprintf(out, "o %s\n", suboptions->row[i].name);
}

/* Options whose argument is one of a kind, as "--user|-u". */
static void
print_kind(FILE *out, const struct rows *options, const char *kind,
    const char *answer)
{
	const char *between = "\t";

	for (unsigned i = 0; i < options->count; i++) {
		const struct row *row = &options->row[i];

		if (row_is_title(row) || row->argument == NULL ||
		    strcmp(row->argument, kind) != 0)
			continue;
		if (row->letter != '-') {
			fprintf(out, "%s-%c", between, row->letter);
			between = "|";
		}
		if (row->name != NULL) {
			fprintf(out, "%s--%s", between, row->name);
			between = "|";
		}
	}
	fprintf(out, ")\n\t\tCOMPREPLY=($(compgen %s -- \"$word\"))\n"
	    "\t\treturn ;;\n", answer);
}

static void
print_words(FILE *out, const struct rows *options)
{
	for (unsigned i = 0; i < options->count; i++) {
		const struct row *row = &options->row[i];

		if (row_is_title(row) || row->help == NULL)
			continue;
		if (row->letter != '-')
			fprintf(out, " -%c", row->letter);
		if (row->name != NULL)
			fprintf(out, " --%s", row->name);
	}
}

void
usage_completion(FILE *out, const struct rows *options,
    const struct rows *suboptions)
{
	fprintf(out, "# bash completion of slabd; written by slabd "
	    "--completion\n"
	    "_slabd()\n{\n"
	    "\tlocal word=${COMP_WORDS[COMP_CWORD]} head=\n"
	    "\tlocal before=${COMP_WORDS[COMP_CWORD-1]}\n"
	    "\t# bash takes the words apart at =\n"
	    "\tif [[ $word == = ]]; then word=; fi\n"
	    "\tif [[ $before == = ]]; then\n"
	    "\t\tbefore=${COMP_WORDS[COMP_CWORD-2]}\n"
	    "\tfi\n"
	    "\tcase $before in\n");
	print_kind(out, options, "<file>", "-f");
	print_kind(out, options, "<user>", "-u");
	fprintf(out, "\t-B|--protocol)\n"
	    "\t\tCOMPREPLY=($(compgen -W 'auto ascii binary' -- \"$word\"))\n"
	    "\t\treturn ;;\n"
	    "\t-o|--extended)\n"
	    "\t\t# one after the other, with commas between\n"
	    "\t\tif [[ $word == *,* ]]; then head=${word%%,*},; fi\n"
	    "\t\tCOMPREPLY=($(compgen -P \"$head\" -W '");
	for (unsigned i = 0; i < suboptions->count; i++)
		if (!row_is_title(&suboptions->row[i]))
			fprintf(out, " %s%s", suboptions->row[i].name,
			    suboptions->row[i].argument == NULL ||
			    row_is_optional(&suboptions->row[i]) ? "" : "=");
	fprintf(out, "' -- \"${word##*,}\"))\n"
	    "\t\tcompopt -o nospace\n"
	    "\t\treturn ;;\n"
	    "\tesac\n"
	    "\tCOMPREPLY=($(compgen -W '");
	print_words(out, options);
	fprintf(out, "' -- \"$word\"))\n}\ncomplete -F _slabd slabd\n");
}
