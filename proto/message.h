/*
 * message.h - what a client can say and what it can be told: the vocabulary
 * that the text, meta and binary protocols share.
 *
 * A request is what was asked, whatever the grammar it came in; a result is
 * what became of it, whatever the bytes it goes out as.  Adding a command
 * begins with a row in OPS.
 *
 * Owns:    nothing.  Keys, words and values point into the input, where they
 *          stay until the reply has been composed.
 * Threads: plain data.
 * Fails:   never.
 * Cost:    parsers set only the fields that the op's shape names.
 */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * X(OP, text word, shape of the text line, needs, handler)
 *
 * shape  KEYS    key+                               request.key, .last
 *        TKEYS   exptime key+                       and .exptime
 *        STORE   key flags exptime bytes            .value and the rest
 *        CAS     the same and a cas number          .cas
 *        KEY     key                                .key
 *        NUMBER  key uint64                         .delta
 *        TOUCH   key exptime
 *        META    key flag*                          .meta
 *        MSET    key bytes flag*                    .meta, .value
 *        WORDS   any words; the handler reads them  .words, noreply, if it is
 *                the last, still among them but already heeded in .quiet
 *        OTHER   not a text command
 * needs  what the user must be allowed: READ WRITE ADMIN, or OPEN for what is
 *        answered before login
 */
#define OPS(X)                                                                \
	X(GET, "get", KEYS, READ, get)                                        \
	X(GETS, "gets", KEYS, READ, get)                                      \
	X(GAT, "gat", TKEYS, WRITE, get)                                      \
	X(GATS, "gats", TKEYS, WRITE, get)                                    \
	X(SET, "set", STORE, WRITE, store)                                    \
	X(ADD, "add", STORE, WRITE, store)                                    \
	X(REPLACE, "replace", STORE, WRITE, store)                            \
	X(APPEND, "append", STORE, WRITE, store)                              \
	X(PREPEND, "prepend", STORE, WRITE, store)                            \
	X(CAS, "cas", CAS, WRITE, store)                                      \
	X(DELETE, "delete", KEY, WRITE, delete)                               \
	X(INCR, "incr", NUMBER, WRITE, delta)                                 \
	X(DECR, "decr", NUMBER, WRITE, delta)                                 \
	X(TOUCH, "touch", TOUCH, WRITE, touch)                                \
	X(MG, "mg", META, READ, meta_get)                                     \
	X(MS, "ms", MSET, WRITE, meta_set)                                    \
	X(MD, "md", META, WRITE, meta_delete)                                 \
	X(MA, "ma", META, WRITE, meta_arithmetic)                             \
	X(ME, "me", META, READ, meta_debug)                                   \
	X(MN, "mn", WORDS, OPEN, noop)                                        \
	X(FLUSH_ALL, "flush_all", WORDS, ADMIN, flush_all)                    \
	X(VERSION, "version", WORDS, OPEN, version)                           \
	X(VERBOSITY, "verbosity", WORDS, ADMIN, verbosity)                    \
	X(CONFIG, "config", WORDS, READ, config)                              \
	X(QUIT, "quit", WORDS, OPEN, quit)                                    \
	X(SHUTDOWN, "shutdown", WORDS, ADMIN, shutdown)                       \
	X(STATS, "stats", WORDS, READ, stats)                                 \
	X(CACHE_MEMLIMIT, "cache_memlimit", WORDS, ADMIN, cache_memlimit)     \
	X(SLABS, "slabs", WORDS, ADMIN, slabs)                                \
	X(LRU, "lru", WORDS, ADMIN, lru)                                      \
	X(LRU_CRAWLER, "lru_crawler", WORDS, ADMIN, lru_crawler)              \
	X(WATCH, "watch", WORDS, ADMIN, watch)                                \
	X(DEBUGTIME, "debugtime", WORDS, ADMIN, debugtime)                    \
	X(EXTSTORE, "extstore", WORDS, ADMIN, extstore)                       \
	X(REFRESH_CERTS, "refresh_certs", WORDS, ADMIN, refresh_certs)        \
	X(SASL_LIST, NULL, OTHER, OPEN, sasl_list)                            \
	X(SASL_AUTH, NULL, OTHER, OPEN, sasl_auth)                            \
	X(SASL_STEP, NULL, OTHER, OPEN, sasl_step)                            \
	X(END, NULL, OTHER, READ, end) /* of a get line, without a key */     \
	X(UNKNOWN, NULL, OTHER, OPEN, unknown)

enum op {
#define X(op, word, shape, needs, handler) OP_##op,
	OPS(X)
#undef X
	OP_COUNT
};

/*
 * What can become of a request.
 * X(STATUS, text line, meta code or NULL, binary status, binary body)
 * NULL text: composed from other fields.
 */
#define STATUSES(X)                                                           \
	X(FOUND, NULL, NULL, 0x00, "")                                        \
	X(STORED, "STORED", "HD", 0x00, "")                                   \
	X(DELETED, "DELETED", "HD", 0x00, "")                                 \
	X(TOUCHED, "TOUCHED", "HD", 0x00, "")                                 \
	X(NUMBER, NULL, "HD", 0x00, "") /* result.number */                   \
	X(TEXT, NULL, NULL, 0x00, "")	/* result.text, as it stands */       \
	X(OK, "OK", NULL, 0x00, "")                                           \
	X(NOTHING, NULL, NULL, 0x00, "") /* no reply at all */                \
	X(NOT_FOUND, "NOT_FOUND", "NF", 0x01, "Not found")                    \
	X(EXISTS, "EXISTS", "EX", 0x02, "Data exists for key.")               \
	X(NOT_STORED, "NOT_STORED", "NS", 0x05, "Not stored.")                \
	X(TOO_LARGE, "SERVER_ERROR object too large for cache", NULL, 0x03,   \
	    "Too large.")                                                     \
	X(NO_MEMORY, "SERVER_ERROR out of memory storing object", NULL, 0x82, \
	    "Out of memory allocating item")                                  \
	X(NOT_NUMBER,                                                         \
	    "CLIENT_ERROR cannot increment or decrement non-numeric value",   \
	    NULL, 0x06, "Non-numeric server-side value for incr or decr")     \
	X(ERROR, "ERROR", NULL, 0x81, "Unknown command")                      \
	X(BAD_FORMAT, "CLIENT_ERROR bad command line format", NULL, 0x04,     \
	    "Invalid arguments")                                              \
	X(BAD_CHUNK, "CLIENT_ERROR bad data chunk", NULL, 0x04,               \
	    "Invalid arguments")                                              \
	X(BAD_EXPTIME, "CLIENT_ERROR invalid exptime argument", NULL, 0x04,   \
	    "Invalid arguments")                                              \
	X(BAD_MECHANISM, "CLIENT_ERROR invalid mechanism", NULL, 0x04,        \
	    "Invalid arguments")                                              \
	X(BAD_DELTA, "CLIENT_ERROR invalid numeric delta argument", NULL,     \
	    0x04, "Invalid arguments")                                        \
	X(BAD_FLAG, "CLIENT_ERROR invalid flag", NULL, 0x04, "")              \
	X(DUPLICATE_FLAG, "CLIENT_ERROR duplicate flag", NULL, 0x04, "")      \
	X(BAD_TOKEN, "CLIENT_ERROR bad token in command line format", NULL,   \
	    0x04, "")                                                         \
	X(BAD_KEY_CODE, "CLIENT_ERROR error decoding key", NULL, 0x04, "")    \
	X(TOO_MANY_FLAGS, "CLIENT_ERROR options flags are too long", NULL,    \
	    0x04, "")                                                         \
	X(LONG_OPAQUE, "CLIENT_ERROR opaque token too long", NULL, 0x04, "")  \
	X(BAD_MS_MODE, "CLIENT_ERROR invalid mode for ms M token", NULL,      \
	    0x04, "")                                                         \
	X(BAD_MA_MODE, "CLIENT_ERROR invalid mode for ma M token", NULL,      \
	    0x04, "")                                                         \
	X(BAD_MA_FLAG, "CLIENT_ERROR invalid or duplicate flag", NULL, 0x04,  \
	    "")                                                               \
	X(BAD_META_DELTA, "CLIENT_ERROR invalid numeric delta value", NULL,   \
	    0x04, "")                                                         \
	X(BAD_META_INITIAL, "CLIENT_ERROR invalid numeric initial value",     \
	    NULL, 0x04, "")                                                   \
	X(UNAUTHENTICATED, "CLIENT_ERROR unauthenticated", NULL, 0x20,        \
	    "Auth failure.")                                                  \
	X(AUTH_CONTINUE, NULL, NULL, 0x21, "")                                \
	X(AUTH_FAILURE, "CLIENT_ERROR authentication failure", NULL, 0x20,    \
	    "Auth failure.")                                                  \
	X(DENIED, "CLIENT_ERROR permission denied", NULL, 0x20,               \
	    "Auth failure.")

enum status {
#define X(status, text, meta, code, body) STATUS_##status,
	STATUSES(X)
#undef X
	STATUS_COUNT
};

enum {
	PROTO_KEY_MAX = 250,
	PROTO_WORDS_MAX = 24,	/* memcached looks at no more of a line */
	PROTO_SCRATCH = 256,	/* see request.scratch */
	PROTO_REPLY_MAX = 1024, /* no composed head or line is longer */
};

struct word {
	const char *at;
	uint32_t n;
};

/* Meta flags, in the order of the request. */
struct meta_flag {
	char letter;
	uint16_t n;	/* of the token glued on */
	const char *at; /* the token */
};

struct meta {
	unsigned nflags;
	uint64_t has; /* META_BIT() of each letter that stood there */
	/* of the flags that carry a number, valid if has says so */
	int32_t T, N, R;
	uint32_t F;
	uint64_t C, E, D, J;
	char mode; /* M's letter as sent, 0 without */
	bool touched; /* R stands behind T, and looks at what T has set */
	struct meta_flag flags[PROTO_WORDS_MAX];
};
#define META_BIT(letter) (UINT64_C(1) << ((letter) - 'A'))

struct request {
	enum op op;
	bool quiet; /* noreply, meta q, quiet opcode; compose() heeds it */
	bool last;  /* the last key of its get line */
	bool has_cas; /* compare with cas */
	bool no_create; /* binary incr, decr with exptime ffffffff, and text */
	uint8_t opcode;	  /* binary: as asked, echoed */
	uint32_t opaque;  /* binary: echoed, as it stood in memory */
	const char *key;
	uint32_t nkey;
	uint32_t client_flags;
	int64_t exptime; /* as sent: relative, absolute or negative */
	uint64_t cas;
	uint64_t delta, initial;
	/* A value follows: nvalue bytes, and 2 of line end in text.  The
	 * parser sets nvalue and follow, the session value. */
	uint32_t nvalue;
	uint32_t follow;
	const char *value;
	/* A refused request (PARSE_REFUSE): the answer, after so many bytes
	 * have been swallowed. */
	enum status problem;
	bool close;    /* ... and the connection closed after the answer */
	uint64_t swallow;
	char *scratch; /* set by the caller before: PROTO_SCRATCH bytes, for a
			  decoded key */
	union {
		struct meta meta;
		struct {
			unsigned n; /* words[0] is the command */
			struct word at[PROTO_WORDS_MAX];
		} words;
	};
};

struct result {
	enum status status;
	bool has_value;	 /* FOUND: nvalue bytes go out after the head */
	bool fetched, stale, won, win_sent, binary_key;
	uint8_t class_id;
	uint32_t client_flags;
	uint32_t nvalue; /* of the item */
	uint32_t size;	 /* me: bytes of memory */
	uint64_t cas;
	uint64_t number;
	int64_t ttl;	 /* seconds left, -1 for none */
	int64_t ttl_before; /* mg, ma T: seconds left before it */
	uint32_t idle;	 /* seconds since last access */
	const char *text; /* TEXT, AUTH_CONTINUE */
	size_t ntext;
};

#endif
