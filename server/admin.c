/* admin.c - see command.h: commands that touch no item. */
#include "server/command.h"

#define STUBS(X)                                                              \
	X(flush_all) X(version) X(verbosity) X(quit) X(shutdown) X(noop)      \
	X(stats) X(cache_memlimit) X(slabs) X(lru) X(lru_crawler) X(watch)    \
	X(extstore) X(refresh_certs) X(sasl_list) X(sasl_auth) X(sasl_step)   \
	X(end) X(unknown)

#define X(name)                                                               \
	void                                                                  \
	cmd_##name(struct call *call, struct result *result)                  \
	{                                                                     \
		(void)call;                                                   \
		result->status = STATUS_ERROR;                                \
	}
STUBS(X)
#undef X
