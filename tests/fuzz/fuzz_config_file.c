/*
 * fuzz_config_file.c - whatever a configuration file holds, it is refused with
 * a sentence or becomes arguments, which then are refused or taken likewise.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int fd = -1;
	static FILE *null;
	static char path[64], said[8192];
	char *argv[] = { "slabd", "--config", path, "-p", "11211", NULL };
	struct config config;
	FILE *err = fmemopen(said, sizeof(said), "w");
	int status;

	if (fd < 0) {
		fd = memfd_create("config", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		null = fopen("/dev/null", "w");
	}
	assert(fd >= 0 && null != NULL && err != NULL);
	assert(ftruncate(fd, 0) == 0);
	assert(pwrite(fd, data, n, 0) == (ssize_t)n);
	said[0] = '\0';
	status = config_read(&config, 5, argv, null, err);
	fclose(err);
	assert(status == CONFIG_RUN || status == 0 || said[0] != '\0');
	config_fini(&config);
	return 0;
}
