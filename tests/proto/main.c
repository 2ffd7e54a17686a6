/* main.c - the unit tests of proto/: one line for each suite. */
#include <check.h>
#include <stdlib.h>

#define SUITES(X)                                                             \
	X(token)                                                              \
	X(text)                                                               \
	X(text_reply)                                                         \
	X(split)                                                              \
	X(meta)                                                               \
	X(binary)                                                             \
	X(plain)

#define X(suite) Suite *suite##_suite(void);
SUITES(X)
#undef X

int
main(void)
{
	SRunner *r = srunner_create(NULL);
	int failed;

#define X(suite) srunner_add_suite(r, suite##_suite());
	SUITES(X)
#undef X
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
