/* words.c - see words.h. */
#include "server/words.h"

#include <string.h>

#include "proto/token.h"

unsigned
words_count(const struct call *call)
{
	unsigned n = call->req->words.n;

	return call->req->quiet && n > 1 &&
	    token_is(call->req->words.at[n - 1], "noreply") ? n - 1 : n;
}

int
words_choose(struct word w, const char *const *names, unsigned nnames)
{
	for (unsigned i = 0; i < nnames; i++)
		if (w.n <= strlen(names[i]) &&
		    memcmp(w.at, names[i], w.n) == 0)
			return (int)i;
	return -1;
}

void
words_say(struct result *res, const char *text)
{
	res->status = STATUS_TEXT;
	res->text = text;
	res->ntext = strlen(text);
}
