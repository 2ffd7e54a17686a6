/* clock.c - see clock.h. */
#include "server/clock.h"

#include <stddef.h>
#include <time.h>

#include "slab/cache.h"

enum {
	SECONDS_30_DAYS = 60 * 60 * 24 * 30,
	AHEAD_MOST = 1 << 30, /* seconds */
};

static uint64_t
monotonic_ms(void)
{
	struct timespec mono;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	return (uint64_t)mono.tv_sec * 1000 + (uint64_t)mono.tv_nsec / 1000000;
}

void
clock_start(struct clock *c)
{
	c->start_ms = monotonic_ms();
	c->start_unix = time(NULL) - CLOCK_FIRST_SECOND;
	c->resumed = 0;
	atomic_init(&c->ahead, 0);
	atomic_init(&c->stopped, 0);
}

uint32_t
clock_read(const struct clock *c)
{
	return clock_now(c, monotonic_ms());
}

uint32_t
clock_deadline(const struct clock *c, uint32_t now, int64_t exptime)
{
	int64_t deadline;

	if (exptime == 0)
		return 0;
	if (exptime < 0)
		return CACHE_DEAD;
	if (exptime > SECONDS_30_DAYS)
		deadline = exptime - c->start_unix;
	else
		deadline = exptime + now;
	if (deadline <= CACHE_DEAD)
		return CACHE_DEAD;
	return deadline > UINT32_MAX ? UINT32_MAX : (uint32_t)deadline;
}

const char *
clock_resume(struct clock *c, uint64_t second, uint64_t stopped)
{
	uint64_t now = (uint64_t)time(NULL), ahead;

	if (now < stopped)
		return "the system's clock has gone back";
	if (second < CLOCK_FIRST_SECOND || second > INT32_MAX ||
	    now - stopped > INT32_MAX)
		return "it is corrupt";
	ahead = second + (now - stopped) - CLOCK_FIRST_SECOND;
	c->resumed = (uint32_t)ahead;
	/* Both wrap around as unsigned numbers do. */
	c->start_ms -= ahead * 1000;
	c->start_unix -= (int64_t)ahead;
	return NULL;
}

void
clock_renounce(struct clock *c)
{
	c->start_ms += (uint64_t)c->resumed * 1000;
	c->start_unix += c->resumed;
	c->resumed = 0;
}

bool
clock_advance(struct clock *c, uint32_t seconds)
{
	if (seconds > AHEAD_MOST - atomic_load(&c->ahead))
		return false;
	atomic_fetch_add(&c->ahead, seconds);
	if (atomic_load(&c->stopped) != 0)
		atomic_fetch_add(&c->stopped, seconds);
	return true;
}

void
clock_stop(struct clock *c, uint32_t now)
{
	atomic_store(&c->stopped, now);
}

void
clock_go(struct clock *c)
{
	atomic_store(&c->stopped, 0);
}
