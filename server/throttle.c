/* throttle.c - see throttle.h. */
#include "server/throttle.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

enum {
	SETS = 1024,
	WAYS = 4,
	FAILURES_MOST = 64, /* what takes two minutes to be forgotten */
};

struct slot {
	uint64_t peer;
	uint64_t since; /* ms; failures are counted down from here */
	uint64_t turn;	/* ms; the last one given away */
	uint32_t failures;
	bool welcome; /* was right once */
};

struct throttle {
	pthread_mutex_t lock; /* guards all */
	struct slot slots[SETS][WAYS];
};

struct throttle *
throttle_new(void)
{
	struct throttle *t = calloc(1, sizeof(*t));

	if (t != NULL)
		pthread_mutex_init(&t->lock, NULL);
	return t;
}

void
throttle_free(struct throttle **tp)
{
	pthread_mutex_destroy(&(*tp)->lock);
	free(*tp);
	*tp = NULL;
}

static void
forget(struct slot *s, uint64_t now)
{
	uint64_t n = (now - s->since) / THROTTLE_FORGET_MS;

	if (n >= s->failures) {
		s->failures = 0;
		s->since = now;
	} else {
		s->failures -= (uint32_t)n;
		s->since += n * THROTTLE_FORGET_MS;
	}
}

static uint32_t
worth(const struct slot *s)
{
	return 2 * s->failures + s->welcome;
}

/* The peer's slot, or the one that is missed least; NULL: it has none. */
static struct slot *
find(struct throttle *t, uint64_t peer, uint64_t now, struct slot **least)
{
	struct slot *set = t->slots[peer % SETS];

	*least = &set[0];
	for (unsigned i = 0; i < WAYS; i++) {
		forget(&set[i], now);
		if (set[i].peer == peer)
			return &set[i];
		if (worth(&set[i]) < worth(*least))
			*least = &set[i];
	}
	return NULL;
}

static uint64_t
gap(uint32_t failures)
{
	uint64_t ms = THROTTLE_LEAST_MS;

	while (failures-- > THROTTLE_FREE && ms < THROTTLE_MOST_MS)
		ms *= 2;
	return ms < THROTTLE_MOST_MS ? ms : THROTTLE_MOST_MS;
}

static uint64_t
give_turn(struct slot *s, uint64_t now)
{
	uint64_t turn = (s->turn > now ? s->turn : now) + gap(s->failures);

	if (turn - now > THROTTLE_QUEUE_MS)
		return THROTTLE_REFUSED;
	s->turn = turn;
	return turn - now;
}

uint64_t
throttle_ask(struct throttle *t, uint64_t peer, uint64_t now)
{
	struct slot *s, *least;
	uint64_t wait = 0;

	if (peer == 0)
		return 0;
	pthread_mutex_lock(&t->lock);
	s = find(t, peer, now, &least);
	if (s != NULL && s->failures >= THROTTLE_FREE)
		wait = give_turn(s, now);
	pthread_mutex_unlock(&t->lock);
	return wait;
}

/* The peer's slot, a new one if need be. */
static struct slot *
take(struct throttle *t, uint64_t peer, uint64_t now)
{
	struct slot *least, *s = find(t, peer, now, &least);

	if (s != NULL)
		return s;
	*least = (struct slot){ .peer = peer, .since = now };
	return least;
}

void
throttle_failed(struct throttle *t, uint64_t peer, uint64_t now)
{
	struct slot *s;

	if (peer == 0)
		return;
	pthread_mutex_lock(&t->lock);
	s = take(t, peer, now);
	if (s->failures < FAILURES_MOST)
		s->failures++;
	pthread_mutex_unlock(&t->lock);
}

void
throttle_welcome(struct throttle *t, uint64_t peer, uint64_t now)
{
	if (peer == 0)
		return;
	pthread_mutex_lock(&t->lock);
	take(t, peer, now)->welcome = true;
	pthread_mutex_unlock(&t->lock);
}

bool
throttle_knows(struct throttle *t, uint64_t peer, uint64_t now)
{
	struct slot *s, *least;
	bool welcome;

	pthread_mutex_lock(&t->lock);
	s = find(t, peer, now, &least);
	welcome = peer != 0 && s != NULL && s->welcome;
	pthread_mutex_unlock(&t->lock);
	return welcome;
}
