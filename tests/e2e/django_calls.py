#!/usr/bin/python3
"""django_calls.py BACKEND PORT - what applications ask of Django's caches.

Prints how many claims held; ends with the first that did not.
"""
import sys
import threading

import django
from django.conf import settings

BACKEND, PORT = sys.argv[1:3]
PLACE = {"BACKEND": "django.core.cache.backends.memcached." + BACKEND,
         "LOCATION": "127.0.0.1:" + PORT}
settings.configure(
    CACHES={
        "default": PLACE,
        "other": dict(PLACE, KEY_PREFIX="other", VERSION=3, TIMEOUT=100),
        "brief": dict(PLACE, KEY_PREFIX="brief", TIMEOUT=1),
    },
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    INSTALLED_APPS=[], ALLOWED_HOSTS=["*"], SECRET_KEY="for a test",
    ROOT_URLCONF=__name__, DEFAULT_CHARSET="utf-8", USE_TZ=True)
django.setup()

from django.contrib.sessions.backends.cache import SessionStore  # noqa: E402
from django.core.cache import cache, caches                      # noqa: E402
from django.core.cache.backends.base import InvalidCacheKey      # noqa: E402
from django.http import HttpResponse                             # noqa: E402
from django.test import RequestFactory                           # noqa: E402
from django.views.decorators.cache import cache_page             # noqa: E402

from harness import until                                        # noqa: E402

held = 0
urlpatterns = []


def same(got, want, what):
    global held
    if got != want:
        sys.exit("%s: %r, not %r" % (what, got, want))
    held += 1


def simple():
    same(cache.get("none"), None, "a miss")
    same(cache.get("none", "else"), "else", "a miss with a default")
    for value in ("text", "", "größe ☃", 0, 42, -1, 2 ** 80, 1.5, True, None,
                  b"\0\r\n\xff", [1, {"a": (2, 3)}], "x" * 900000):
        cache.set("value", value)
        same(cache.get("value", "gone"), value, "set, get")
    cache.set("a key with größe".replace(" ", "_"), 1)
    same(cache.get("a_key_with_größe"), 1, "a key in utf-8")
    same(cache.add("once", 1), True, "add")
    same(cache.add("once", 2), False, "add again")
    same(cache.get("once"), 1, "the first add holds")
    same(cache.delete("once"), True, "delete")
    same(cache.delete("once"), False, "delete again")
    same("once" in cache, False, "in")
    same(cache.get_or_set("made", lambda: 5), 5, "get_or_set makes")
    same(cache.get_or_set("made", lambda: 6), 5, "get_or_set keeps")


def numbers():
    cache.set("n", 10)
    same(cache.incr("n"), 11, "incr")
    same(cache.incr("n", 9), 20, "incr by")
    same(cache.decr("n", 5), 15, "decr")
    same(cache.incr("n", -5), 10, "incr by less than nothing")
    try:
        cache.incr("nothing")
        sys.exit("incr of nothing")
    except ValueError:
        same(cache.get("nothing"), None, "incr of nothing")
    crowd = [threading.Thread(target=lambda: [caches["default"].incr("n")
                                              for _ in range(50)])
             for _ in range(4)]
    for t in crowd:
        t.start()
    for t in crowd:
        t.join()
    same(cache.get("n"), 210, "four threads count")


def many():
    values = {"many-%d" % i: {"i": i, "text": "x" * i} for i in range(300)}
    same(cache.set_many(values), [], "set_many")
    same(cache.get_many(list(values) + ["none"]), values, "get_many")
    cache.delete_many(list(values)[:100])
    same(len(cache.get_many(values)), 200, "delete_many")


def versions():
    other = caches["other"]
    cache.set("v", 1)
    same(other.get("v"), None, "another prefix")
    other.set("v", 2)
    same((cache.get("v"), other.get("v")), (1, 2), "side by side")
    same(other.get("v", version=3), 2, "its version")
    same(other.incr_version("v"), 4, "incr_version")
    same((other.get("v"), other.get("v", version=4)), (None, 2),
         "after incr_version")
    cache.set("v", "new", version=2)
    same(cache.get_many(["v"], version=2), {"v": "new"}, "get_many version")


def times():
    brief = caches["brief"]
    brief.set("t", 1)
    same(brief.get("t"), 1, "before it expires")
    brief.set("kept", 1, timeout=None)
    brief.set("touched", 1)
    same(brief.touch("touched", 1000), True, "touch")
    same(brief.touch("none"), False, "touch nothing")
    same(until(lambda: brief.get("t") is None, "it expires"), True,
         "it expires")
    same((brief.get("kept"), brief.get("touched")), (1, 1), "those stay")
    cache.set("never", 1, timeout=0)
    same(cache.get("never"), None, "timeout 0")
    cache.set("dead", 1, timeout=-5)
    same(cache.get("dead"), None, "a timeout that is over")
    cache.set("long", 1, timeout=60 * 60 * 24 * 90)
    same(cache.get("long"), 1, "ninety days")


def sessions():
    one = SessionStore()
    one["user"], one["cart"] = 7, list(range(100))
    one.save(must_create=True)
    two = SessionStore(one.session_key)
    same((two["user"], len(two["cart"])), (7, 100), "a session")
    same(two.exists(one.session_key), True, "it exists")
    old = two.session_key
    two.cycle_key()
    same((SessionStore(old).get("user"), SessionStore(
        two.session_key).get("user")), (None, 7), "cycle_key")
    two.flush()
    same(SessionStore(two.session_key or old).get("user"), None, "flush")


def pages():
    calls = []

    @cache_page(60)
    def view(request):
        calls.append(1)
        return HttpResponse("page %d" % len(calls))
    ask = RequestFactory()
    same([view(ask.get("/p")).content for _ in range(3)], [b"page 1"] * 3,
         "cache_page")
    same(view(ask.get("/q")).content, b"page 2", "another page")
    same(len(calls), 2, "made twice")


def odd():
    for key in ("has blank", "x" * 300):
        try:
            cache.set(key, 1)
            sys.exit("taken: " + key)
        except InvalidCacheKey:
            same(True, True, "refused")
    cache.set("big", "small")
    try:
        cache.set("big", "x" * (2 << 20))
    except Exception:                   # one client raises, the other is mute
        pass
    same(cache.get("big") in (None, "small"), True, "too large a value")
    same(cache.get("value", "x") is not None, True, "and it goes on")
    cache.clear()
    same(cache.get("n"), None, "clear")


for part in (simple, numbers, many, versions, times, sessions, pages, odd):
    part()
print("ok", held)
