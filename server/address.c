/* address.c - see address.h. */
#include "server/address.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "server/config.h"

const char *
address_next(const char **list, size_t *n)
{
	const char *from = *list + strspn(*list, ADDRESS_BETWEEN);

	*n = strcspn(from, ADDRESS_BETWEEN);
	*list = from + *n;
	return *n > 0 ? from : NULL;
}

static bool
take(const char **text, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(*text, prefix, n) != 0)
		return false;
	*text += n;
	return true;
}

static bool
take_protocol(const char **text, struct address *a, const char **why)
{
	a->has_protocol = true;
	if (take(text, "ascii]:"))
		a->protocol = PROTO_TEXT;
	else if (take(text, "binary]:"))
		a->protocol = PROTO_BINARY;
	else if (take(text, "negotiating]:"))
		a->protocol = PROTO_AUTO;
	else if (take(text, "proxy]:"))
		*why = "proto[proxy]: slabd is no proxy";
	else
		*why = "proto[...]: must be ascii, binary or negotiating";
	return *why == NULL;
}

/* The name of a tag, up to end. */
static bool
take_tag(const char **text, const char *end, struct address *a,
    const char **why)
{
	const char *stop = strstr(*text, end);
	size_t n = stop != NULL ? (size_t)(stop - *text) : 0;

	if (n < 1 || n > ADDRESS_TAG_MAX) {
		*why = "a tag is 1 to 8 characters, as in tag[api]: or "
		       "tag_api_:";
		return false;
	}
	memcpy(a->tag, *text, n);
	a->tag[n] = '\0';
	*text = stop + strlen(end);
	return true;
}

static bool
take_tags(const char **text, struct address *a, const char **why)
{
	for (;;) {
		if (take(text, "notls:")) {
			a->tls = ADDRESS_TLS_NOT;
		} else if (take(text, "btls:")) {
			a->tls = ADDRESS_TLS_BASIC;
		} else if (take(text, "mtls:")) {
			a->tls = ADDRESS_TLS_MUTUAL;
		} else if (take(text, "noauth:")) {
			a->noauth = true;
			a->auth = false;
		} else if (take(text, "auth:")) {
			a->auth = true;
			a->noauth = false;
		} else if (take(text, "proto[")) {
			if (!take_protocol(text, a, why))
				return false;
		} else if (take(text, "tag[")) {
			if (!take_tag(text, "]:", a, why))
				return false;
		} else if (take(text, "tag_")) {
			if (!take_tag(text, "_:", a, why))
				return false;
		} else {
			return true;
		}
	}
}

static bool
parse_port(const char *text, unsigned *port)
{
	unsigned long value;
	char *end;

	if (strcmp(text, "-1") == 0) {
		*port = CONFIG_PORT_ANY;
		return true;
	}
	value = strtoul(text, &end, 10);
	*port = (unsigned)value;
	return isdigit((unsigned char)*text) && *end == '\0' && value > 0 &&
	    value <= 65535;
}

/* Splits host and port; text is ours to write to. */
static bool
split(char *text, char **host, char **port)
{
	char *colon = strchr(text, ':'), *bracket;

	*host = text;
	*port = NULL;
	if (*text == '[') {
		bracket = strchr(text, ']');
		if (bracket == NULL)
			return false;
		*host = text + 1;
		*bracket = '\0';
		if (bracket[1] == ':')
			*port = bracket + 2;
		else if (bracket[1] != '\0')
			return false;
	} else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
		*colon = '\0';
		*port = colon + 1;
	}
	return **host != '\0';
}

bool
address_parse(const char *text, size_t n, struct address *a, const char **why)
{
	char copy[ADDRESS_HOST_MAX + 64], *host, *port;
	const char *rest = copy;

	memset(a, 0, sizeof(*a));
	*why = NULL;
	if (n >= sizeof(copy)) {
		*why = "too long";
		return false;
	}
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (!take_tags(&rest, a, why))
		return false;
	if (!split(copy + (rest - copy), &host, &port) ||
	    strlen(host) > ADDRESS_HOST_MAX) {
		*why = "not an address; write HOST, HOST:PORT, [V6]:PORT, V6 "
		       "or *";
		return false;
	}
	if (port != NULL && !parse_port(port, &a->port)) {
		*why = "the port must be 1 to 65535; -l takes -1, too: "
		       "any free one";
		return false;
	}
	if (strcmp(host, "*") != 0)
		memcpy(a->host, host, strlen(host) + 1); /* it was checked */
	return true;
}
