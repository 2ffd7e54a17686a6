/* main.c - runs the suites of the slab floor. */
#include <check.h>
#include <stdlib.h>

#define SUITES(X)                                                             \
	X(lock)                                                               \
	X(ahead)                                                              \
	X(arena)                                                              \
	X(slab)                                                               \
	X(index)                                                              \
	X(lru)                                                                \
	X(ghost)                                                              \
	X(pressure)                                                           \
	X(level)                                                              \
	X(cache)                                                              \
	X(read)                                                               \
	X(meta_semantics)                                                     \
	X(large)                                                              \
	X(expiry)                                                             \
	X(upkeep)                                                             \
	X(reassign)                                                           \
	X(exhaustion)                                                         \
	X(restore)                                                            \
	X(model)                                                              \
	X(stress)

#define X(unit) Suite *unit##_suite(void);
SUITES(X)
#undef X

int
main(void)
{
	SRunner *sr = srunner_create(NULL);
	int failed;

#define X(unit) srunner_add_suite(sr, unit##_suite());
	SUITES(X)
#undef X
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
