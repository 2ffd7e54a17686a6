/* prompt.c - see prompt.h. */
#include "passwd/prompt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <sodium.h>

/* What came while there was no echo; it is sent on when the echo is back. */
static volatile sig_atomic_t caught;

static const int SIGNALS[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
enum { NSIGNALS = sizeof(SIGNALS) / sizeof(SIGNALS[0]) };

static void
on_signal(int number)
{
	caught = number;
}

/* A line without its end.  false: none, too long, or a signal. */
static bool
read_line(char *to, size_t room)
{
	size_t n = 0;

	for (;;) {
		char c;
		ssize_t got = read(STDIN_FILENO, &c, 1);

		if (got < 0)
			return false;
		if (got == 0 && n == 0)
			return false;
		if (got == 0 || c == '\n')
			break;
		if (n + 1 >= room)
			return false;
		to[n++] = c;
	}
	if (n > 0 && to[n - 1] == '\r')
		n--;
	to[n] = '\0';
	/* A byte 0 would end it early. */
	return strlen(to) == n;
}

/* The question is put when it is quiet: what is typed earlier is lost. */
static bool
ask(const char *question, const char *user, char *to, size_t room)
{
	struct sigaction old[NSIGNALS];
	struct sigaction catch = { .sa_handler = on_signal };
	struct termios before, silent;
	bool ok;

	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return false;
	caught = 0;
	for (unsigned i = 0; i < NSIGNALS; i++)
		sigaction(SIGNALS[i], &catch, &old[i]);
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	fprintf(stderr, "%s %s: ", question, user);
	ok = read_line(to, room);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	fputc('\n', stderr);
	for (unsigned i = 0; i < NSIGNALS; i++)
		sigaction(SIGNALS[i], &old[i], NULL);
	if (caught != 0)
		raise(caught);
	return ok && caught == 0;
}

static bool
ask_twice(const char *user, char *password, size_t room)
{
	char *again = sodium_malloc(room);
	bool same = false;

	if (again == NULL)
		return false;
	if (ask("Again, for", user, again, room)) {
		same = strcmp(password, again) == 0;
		if (!same)
			fprintf(stderr, "slabd-passwd: that was not the "
			    "same\n");
	}
	sodium_free(again);
	return same;
}

bool
prompt_password(const char *user, bool confirm, char *password, size_t room)
{
	if (!isatty(STDIN_FILENO)) {
		if (read_line(password, room))
			return true;
		fprintf(stderr, "slabd-passwd: standard input has no "
		    "password, or one that is too long\n");
		return false;
	}
	if (!ask("Password for", user, password, room)) {
		fprintf(stderr, "slabd-passwd: no password, or one that is "
		    "too long\n");
		return false;
	}
	return !confirm || ask_twice(user, password, room);
}
