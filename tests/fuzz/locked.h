/*
 * locked.h - libsodium's locked memory, but malloc's: forty times as fast, and
 * AddressSanitizer sees each byte beyond it.
 *
 * Defines functions: for the one file of a fuzz target.
 *
 * Owns:    nothing.
 * Threads: any.
 * Fails:   as malloc().
 * Cost:    that of malloc().
 */
#ifndef TESTS_FUZZ_LOCKED_H
#define TESTS_FUZZ_LOCKED_H

#include <stdlib.h>

#include <sodium.h>

void *
sodium_malloc(const size_t n)
{
	return malloc(n > 0 ? n : 1);
}

void *
sodium_allocarray(size_t count, size_t size)
{
	return reallocarray(NULL, count > 0 ? count : 1, size);
}

void
sodium_free(void *memory)
{
	free(memory);
}

#endif
