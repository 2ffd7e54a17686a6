/* agree.c - see model.h: comparing what was said with what should be. */
#include <endian.h>
#include <string.h>

#include "tests/fuzz/model.h"

/* A number that the server chose; false if it is none that it may choose. */
static bool
learn(struct model *m, const struct slot *slot, uint64_t cas)
{
	struct entry *e = &m->keys[slot->key];

	if (cas == 0 || cas >= CHOSEN_CAS)
		return false;
	if (slot->changes != e->changes) { /* it has another one by now */
		if (cas > e->high)
			e->high = cas;
		return true;
	}
	if (e->cas_known)
		return e->cas == cas;
	if (cas <= e->high)
		return false;
	e->cas_known = true;
	e->cas = e->high = cas;
	return true;
}

bool
model_agrees(struct model *m, const struct expected *x, const char *said,
    size_t n)
{
	size_t from = 0, at = 0;

	for (unsigned i = 0; i <= x->nslots; i++) {
		size_t to = i < x->nslots ? x->slots[i].at : x->bytes.n;
		uint64_t cas = 0;

		if (n - at < to - from || (to > from &&
		    memcmp(said + at, x->bytes.at + from, to - from) != 0))
			return false;
		at += to - from;
		from = to;
		if (i == x->nslots)
			break;
		if (x->slots[i].binary) {
			if (n - at < 8)
				return false;
			memcpy(&cas, said + at, 8);
			cas = be64toh(cas);
			at += 8;
		} else {
			while (at < n && said[at] >= '0' && said[at] <= '9')
				cas = cas * 10 + (uint64_t)(said[at++] - '0');
		}
		if (!learn(m, &x->slots[i], cas))
			return false;
	}
	return at == n;
}
