/* tell.c - see door.h: what the sample has to know. */
#include "slab/cache.h"
#include "slab/door.h"

static struct mini_item
item_of(const struct cache_key *k, unsigned class_id, uint32_t nvalue,
    uint32_t deadline)
{
	return (struct mini_item){ k->hash, deadline,
		(uint32_t)item_size(k->nbytes, 0, nvalue), class_id };
}

void
tell_hit(struct cache *c, const struct cache_key *k, unsigned class_id,
    uint32_t nvalue, uint32_t deadline, uint32_t now, bool counted)
{
	struct mini_item item = item_of(k, class_id, nvalue, deadline);

	/* Without the lock its page may have gone to nobody. */
	if (class_id != 0)
		pressure_hit(&c->pressure, &item, now, counted);
}

void
tell_stored(struct cache *c, const struct cache_key *k,
    const struct cache_view *v, uint32_t now)
{
	struct mini_item item = item_of(k, v->class_id, v->nvalue,
	    v->deadline);

	pressure_stored(&c->pressure, &item, now);
}
