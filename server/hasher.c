/* hasher.c - see hasher.h. */
#include "server/hasher.h"

#include <assert.h>
#include <stddef.h>

#include "server/throttle.h"

enum {
	BUSY_MS = 3, /* all are at work: look again soon */
	REFUSED_MS = 1000,
};

static void pump(struct hasher *);

static void
on_timer(uv_timer_t *timer)
{
	pump(timer->data);
}

int
hasher_init(struct hasher *h, uv_loop_t *loop)
{
	*h = (struct hasher){ .loop = loop };
	h->timer.data = h;
	h->work.data = h;
	return uv_timer_init(loop, &h->timer);
}

static void
drop_all(struct attempt **list)
{
	while (*list != NULL) {
		struct attempt *a = *list;

		*list = a->next;
		attempt_free(&a);
	}
}

void
hasher_fini(struct hasher *h)
{
	assert(h->running == NULL);
	drop_all(&h->regulars.first);
	drop_all(&h->others.first);
	drop_all(&h->waiting);
	uv_close((uv_handle_t *)&h->timer, NULL);
}

/* ------------------------------------------------------------ the lists */

static struct hasher_queue *
queue_of(struct hasher *h, const struct attempt *a)
{
	return a->regular ? &h->regulars : &h->others;
}

static void
make_ready(struct hasher *h, struct attempt *a)
{
	struct hasher_queue *q = queue_of(h, a);

	a->next = NULL;
	if (q->first == NULL)
		q->first = a;
	else
		q->last->next = a;
	q->last = a;
}

static void
make_ready_again(struct hasher *h, struct attempt *a)
{
	struct hasher_queue *q = queue_of(h, a);

	a->next = q->first;
	if (q->first == NULL)
		q->last = a;
	q->first = a;
}

static bool
is_ready(const struct hasher *h)
{
	return h->regulars.first != NULL || h->others.first != NULL;
}

static struct attempt *
take_ready(struct hasher *h)
{
	struct hasher_queue *q = h->regulars.first != NULL ? &h->regulars :
							     &h->others;
	struct attempt *a = q->first;

	if (a != NULL)
		q->first = a->next;
	return a;
}

static void
make_wait(struct hasher *h, struct attempt *a, uint64_t ms)
{
	struct attempt **at = &h->waiting;

	a->due = uv_now(h->loop) + ms;
	while (*at != NULL && (*at)->due <= a->due)
		at = &(*at)->next;
	a->next = *at;
	*at = a;
}

static void
end_waits(struct hasher *h)
{
	struct attempt *a;

	while ((a = h->waiting) != NULL && a->due <= uv_now(h->loop)) {
		h->waiting = a->next;
		make_ready(h, a);
	}
}

/* ------------------------------------------------------------ the work */

static void
finish(struct attempt *a)
{
	if (a->done != NULL)
		a->done(a->arg, a);
	else
		attempt_free(&a);
}

static void
on_pool(uv_work_t *work)
{
	struct hasher *h = work->data;

	attempt_work(h->running);
}

static void
after_work(uv_work_t *work, int status)
{
	struct hasher *h = work->data;
	struct attempt *a = h->running;

	(void)status;
	h->running = NULL;
	auth_end(a->auth);
	finish(a);
	pump(h);
}

/* false: not now. */
static bool
run(struct hasher *h, struct attempt *a)
{
	if (!auth_begin(a->auth))
		return false;
	h->running = a;
	if (uv_queue_work(h->loop, &h->work, on_pool, after_work) == 0)
		return true;
	h->running = NULL;
	auth_end(a->auth);
	return false;
}

/* true: it may be worked on now. */
static bool
is_admitted(struct hasher *h, struct attempt *a)
{
	uint64_t ms;

	if (a->asked)
		return true;
	a->asked = true;
	ms = attempt_wait(a);
	a->refused = ms == THROTTLE_REFUSED;
	if (ms > 0)
		make_wait(h, a, a->refused ? REFUSED_MS : ms);
	return ms == 0;
}

/* When to look again, without being told. */
static void
set_timer(struct hasher *h)
{
	uint64_t now = uv_now(h->loop);

	if (is_ready(h) && h->running == NULL)
		uv_timer_start(&h->timer, on_timer, BUSY_MS, 0);
	else if (h->waiting != NULL)
		uv_timer_start(&h->timer, on_timer, h->waiting->due > now ?
		    h->waiting->due - now : 0, 0);
	else
		uv_timer_stop(&h->timer);
	/* It holds nobody who wants to end. */
	uv_unref((uv_handle_t *)&h->timer);
}

static void
pump(struct hasher *h)
{
	struct attempt *a;

	end_waits(h);
	while (h->running == NULL && (a = take_ready(h)) != NULL) {
		if (a->done == NULL) {
			attempt_free(&a);
			continue;
		}
		if (a->refused) {
			finish(a);
			continue;
		}
		if (!is_admitted(h, a))
			continue;
		if (!run(h, a)) {
			make_ready_again(h, a);
			break;
		}
	}
	set_timer(h);
}

void
hasher_submit(struct hasher *h, struct attempt *a,
    void (*done)(void *arg, struct attempt *), void *arg)
{
	a->done = done;
	a->arg = arg;
	a->regular = attempt_is_regular(a);
	make_ready(h, a);
	/* Not at once: done() of another one might be called in the midst of
	 * what this caller does. */
	if (h->running == NULL)
		uv_timer_start(&h->timer, on_timer, 0, 0);
	uv_unref((uv_handle_t *)&h->timer);
}

void
hasher_forget(struct attempt *a)
{
	a->done = NULL;
}
