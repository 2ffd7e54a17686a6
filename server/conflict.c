/* conflict.c - see conflict.h. */
#include "server/conflict.h"

#include <stdarg.h>
#include <stdio.h>

#include "server/reader.h"

__attribute__((format(printf, 2, 3))) static bool
say(char *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, CONFLICT_MAX, format, args);
	va_end(args);
	return true;
}

/* -S is of the binary protocol, -Y of text: each must have its own. */
static bool
find_in_auth(const struct config *c, char *text)
{
	bool file = c->auth_file != NULL;

	if (!c->has_protocol)
		return false;
	if (c->sasl && (c->protocol == PROTO_TEXT ||
	    (c->protocol == PROTO_AUTO && !file)))
		return say(text, "-S: SASL is of the binary protocol, and -B "
		    "chooses another; leave -B out");
	if (file && !c->sasl && c->protocol == PROTO_BINARY)
		return say(text, "-Y: to log in by the binary protocol alone "
		    "is SASL; add -S, or leave -B out");
	return false;
}

static bool
find_in_tls(const struct config *c, char *text)
{
	if (!c->ssl || c->healthcheck)
		return false;
	if (c->port == 0)
		return say(text, "-Z: TLS is for TCP; name a port with -p");
	if (c->ssl_chain_cert == NULL)
		return say(text, "-Z: a certificate and its key are needed: "
		    "-o ssl_chain_cert=FILE,ssl_key=FILE");
	return false;
}

bool
conflict_find(const struct config *c, char text[CONFLICT_MAX])
{
	char item[32], memory[32];

	if (c->item_max > c->memory_limit / 2)
		return say(text, "-I %s: an item may take at most half of the "
		    "memory, and -m is %s; lower -I or raise -m",
		    reader_show_size(c->item_max, item, sizeof(item)),
		    reader_show_size((double)c->memory_limit, memory,
		    sizeof(memory)));
	if (c->hot_lru_pct + c->warm_lru_pct > 80)
		return say(text, "-o hot_lru_pct=%u,warm_lru_pct=%u: together "
		    "they may take at most 80 percent", c->hot_lru_pct,
		    c->warm_lru_pct);
	if (c->udp_port != 0 && (c->sasl || c->auth_file != NULL))
		return say(text, "-U: nobody can log in by UDP; leave -U out, "
		    "or serve without -S and -Y");
	return find_in_auth(c, text) || find_in_tls(c, text);
}
