/*
 * replay.c - a main() for fuzz targets: feeds them the files of a corpus, or
 * bytes by chance.
 *
 *      replay-text tests/fuzz/corpus/text
 *      replay-dialogue -r SEED COUNT LENGTH
 *
 * `make check` replays what the fuzzers have found worth keeping, without
 * libFuzzer and with any compiler.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static unsigned
play_chances(uint64_t seed, unsigned count, size_t most)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;

	for (unsigned i = 0; i < count; i++) {
		size_t n;
		uint8_t *data = malloc(most);

		if (data == NULL)
			return i;
		for (size_t j = 0; j < most; j++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			data[j] = (uint8_t)(state >> 32);
		}
		n = 1 + (size_t)(state >> 16) % most;
		LLVMFuzzerTestOneInput(data, n);
		free(data);
	}
	return count;
}

static void
replay_all(const char *path, unsigned *passed, unsigned *failed)
{
	DIR *d = opendir(path);
	struct dirent *e;

	if (d == NULL) {
		perror(path);
		exit(2);
	}
	while ((e = readdir(d)) != NULL) {
		char name[4096];

		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (replay(name))
			++*passed;
		else
			++*failed;
	}
	closedir(d);
}

/* Says how many. */
int
main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0;
	bool chances = argc == 5 && strcmp(argv[1], "-r") == 0;

	if (chances)
		passed = play_chances(strtoull(argv[2], NULL, 10),
		    (unsigned)strtoul(argv[3], NULL, 10),
		    strtoul(argv[4], NULL, 10));
	for (int i = 1; i < argc && !chances; i++)
		replay_all(argv[i], &passed, &failed);
	printf("replay: %u passed, %u failed\n", passed, failed);
	return failed != 0 || passed == 0;
}
