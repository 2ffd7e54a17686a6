/* openssl.c - see openssl.h. */
#include "server/openssl.h"

#include <dlfcn.h>
#include <stddef.h>

struct openssl openssl;

bool
openssl_load(void)
{
	void *library;

	if (openssl.loaded)
		return true;
	library = dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		library = dlopen("libssl.so", RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return false;
#define X(name)                                                               \
	*(void **)&openssl.call_##name = dlsym(library, #name);               \
	if (openssl.call_##name == NULL)                                      \
		return false;
	OPENSSL_CALLS(X)
#undef X
	openssl.loaded = true;
	return true;
}
