/*
 * address.h - what stands behind -l: addresses and their tags, as text.
 *
 *      127.0.0.1   [::1]:11212   ::1   cache.local:11300   *
 *      noauth:127.0.0.1   auth:*   (who has to log in; see -Y)
 *      notls:proto[ascii]:tag[api]:10.0.0.1:11211   tag_api_:10.0.0.1
 *      btls:*   mtls:10.0.0.1   (TLS without and with client certificates)
 *
 * Owns:    nothing.
 * Threads: any.
 * Fails:   false, with a sentence in *why.
 * Cost:    start-up only; names are not looked up here.
 */
#ifndef SERVER_ADDRESS_H
#define SERVER_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/proto.h"

/* Any number of these stand between the addresses of a list. */
#define ADDRESS_BETWEEN ",; "

enum { ADDRESS_HOST_MAX = 255, ADDRESS_TAG_MAX = 8 };

/* What a listener does about TLS where there is TLS (-Z). */
enum address_tls {
	ADDRESS_TLS_USUAL,  /* as -o ssl_verify_mode says */
	ADDRESS_TLS_NOT,    /* notls: in clear */
	ADDRESS_TLS_BASIC,  /* btls: asks for no certificate */
	ADDRESS_TLS_MUTUAL, /* mtls: whoever has no good one stays out */
};

struct address {
	char host[ADDRESS_HOST_MAX + 1]; /* empty: all */
	unsigned port; /* 0: as -p says; CONFIG_PORT_ANY: any */
	bool auth, noauth; /* it said so */
	enum address_tls tls;
	bool has_protocol;
	enum proto_name protocol;
	char tag[ADDRESS_TAG_MAX + 1];
};

/* The next entry of a list, or NULL; *list starts at its beginning. */
const char *address_next(const char **list, size_t *n);

bool address_parse(const char *text, size_t n, struct address *,
    const char **why);

#endif
