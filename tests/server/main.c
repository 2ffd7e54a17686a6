/* main.c - the unit tests of server/: one line for each suite. */
#include <check.h>
#include <stdlib.h>

#define SUITES(X)                                                             \
	X(admin)                                                              \
	X(attack)                                                             \
	X(auth)                                                               \
	X(clock)                                                              \
	X(conffile)                                                           \
	X(config)                                                             \
	X(confine)                                                            \
	X(hasher)                                                             \
	X(listen)                                                             \
	X(memfile)                                                            \
	X(meta)                                                               \
	X(metrics)                                                            \
	X(rights)                                                             \
	X(scram)                                                              \
	X(session)                                                            \
	X(stats)                                                              \
	X(throttle)                                                           \
	X(tls)                                                                \
	X(users)                                                              \
	X(watch)                                                              \
	X(work)

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
