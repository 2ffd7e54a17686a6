/*
 * replay.c - a main() for fuzz targets: feeds them the files of a corpus.
 *
 * `make check` replays what the fuzzers have found worth keeping, without
 * libFuzzer and with any compiler.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Each input lies in a block of its own size, so that ASan sees the end. */
static int
replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	long n;
	uint8_t *data = NULL;
	int ok = 0;

	if (f == NULL)
		return 0;
	if (fseek(f, 0, SEEK_END) == 0 && (n = ftell(f)) >= 0 &&
	    fseek(f, 0, SEEK_SET) == 0 &&
	    (data = malloc(n > 0 ? (size_t)n : 1)) != NULL &&
	    fread(data, 1, (size_t)n, f) == (size_t)n) {
		LLVMFuzzerTestOneInput(data, (size_t)n);
		ok = 1;
	}
	free(data);
	fclose(f);
	return ok;
}

/* Replays every file of the directories named; says how many. */
int
main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0;

	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		struct dirent *e;

		if (d == NULL) {
			perror(argv[i]);
			return 2;
		}
		while ((e = readdir(d)) != NULL) {
			char path[4096];

			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i],
			    e->d_name);
			if (replay(path))
				passed++;
			else
				failed++;
		}
		closedir(d);
	}
	printf("replay: %u passed, %u failed\n", passed, failed);
	return failed != 0 || passed == 0;
}
