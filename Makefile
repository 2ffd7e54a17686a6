# Makefile - build, run and test slabd.  `make help` lists the targets.
#
# No configure step.  Sources are found by wildcard, so a new file needs no
# line here.  Nothing is written outside build/.
#
#     slab/*.c   -> libslab.a
#     proto/*.c  -> libproto.a
#     server/*.c -> slabd; all but main.c also -> libserver.a, for tests
#     passwd/*.c -> slabd-passwd
#
# Flavours live side by side: build/ (release), build/asan (address and
# undefined), build/tsan (thread), build/fuzz (clang, libFuzzer).

FLAVOUR ?= release
PREFIX  ?= /usr/local
DESTDIR ?=
BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
DEB_VERSION ?=
CFLAGS  ?= -O2 -g
ARGS    ?=
T       ?= 30
PYTHON  ?= /usr/bin/python3

# ---------------------------------------------------------------- packages
# Debian's names of what the targets need.  Only what is missing is installed.
RUN_PACKAGES   := gcc libc6-dev libuv1-dev libsodium-dev libxxhash-dev \
	libseccomp-dev libssl-dev \
	libmicrohttpd-dev pkg-config
CHECK_PACKAGES := $(RUN_PACKAGES) check mandoc python3 libmemcached-tools \
	libsasl2-modules \
	python3-pymemcache python3-pytest python3-pylibmc \
	php-cli php-memcached perl \
	libcache-memcached-fast-perl libcache-memcached-perl \
	munin-plugins-extra collectd-core netcat-openbsd telnet \
	python3-django libyaml-0-2 libpcre2-8-0 libssl3 openssl
FUZZ_PACKAGES  := $(RUN_PACKAGES) clang
FORMAT_PACKAGES := clang-format
DEB_PACKAGES   := $(RUN_PACKAGES) dpkg-dev binutils xz-utils

# $(call need,PACKAGES,TARGET): install what dpkg does not know as installed.
define need
@command -v dpkg-query >/dev/null || exit 0; \
missing=; \
for p in $(1); do \
	case `dpkg-query -W -f='$${Status}' $$p 2>/dev/null` in \
	*' installed') ;; \
	*) missing="$$missing $$p" ;; \
	esac; \
done; \
[ -n "$$missing" ] || exit 0; \
apt="apt-get install -y --no-install-recommends$$missing"; \
sudo=; \
if [ `id -u` != 0 ]; then sudo='sudo -n'; fi; \
echo "slabd: installing$$missing"; \
if ! command -v apt-get >/dev/null || \
    { [ -n "$$sudo" ] && ! sudo -n true 2>/dev/null; }; then \
	echo "slabd: cannot install packages here."; \
	echo "slabd: make $(2) needs:$$missing"; \
	echo "slabd: as root, run:  $$apt"; \
	exit 1; \
fi; \
mkdir -p build; \
apt="env DEBIAN_FRONTEND=noninteractive $$apt"; \
if ! { $$sudo $$apt || \
    { $$sudo apt-get update && $$sudo $$apt; }; } \
    >build/packages.log 2>&1 </dev/null; then \
	tail -n 5 build/packages.log; \
	echo "slabd: apt-get failed; see build/packages.log."; \
	echo "slabd: as root, run:  apt-get update && $$apt"; \
	exit 1; \
fi
endef

# memcached-tool, nginx and nutcracker are in packages that would start a
# server: these are unpacked in build/.  Without a network their tests are
# skipped.
TOOLS := memcached:usr/share/memcached/scripts/memcached-tool \
	nginx:usr/sbin/nginx nutcracker:usr/sbin/nutcracker
define unpack_tools
@mkdir -p build/tools; \
for t in $(TOOLS); do \
	p=$${t%%:*} f=$${t#*:}; \
	[ -e /$$f ] || [ -e build/tools/$$f ] || ( cd build/tools && \
		apt-get download $$p && dpkg-deb -x $${p}_*.deb . ); \
done >build/tools/log 2>&1 </dev/null || :
endef

# ------------------------------------------------------------------- flags
# No -flto: measured, it takes 7 % of the instructions of a get away, adds 3 %
# to a set, and changes the time of neither.
ifeq ($(FLAVOUR),release)
B := build
FLAVOUR_CFLAGS := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
else ifeq ($(FLAVOUR),asan)
B := build/asan
FLAVOUR_CFLAGS := -O1 -fsanitize=address,undefined \
	-fno-sanitize-recover=all -fno-omit-frame-pointer
else ifeq ($(FLAVOUR),tsan)
B := build/tsan
FLAVOUR_CFLAGS := -O1 -fsanitize=thread -fno-omit-frame-pointer
else ifeq ($(FLAVOUR),fuzz)
B := build/fuzz
CC := clang
FLAVOUR_CFLAGS := -O2 -fno-omit-frame-pointer \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
# Inputs are steered by what parsers compare, not by what the cache does.
build/fuzz/slab/%.o build/fuzz/tests/fuzz/stage.o: TEST_CFLAGS = \
	-fno-sanitize-coverage=trace-cmp,inline-8bit-counters,pc-table
# ... but for what it reads from a file.
build/fuzz/slab/restore.o: TEST_CFLAGS =
else
$(error FLAVOUR is release, asan, tsan or fuzz)
endif

ifneq ($(filter x86_64% i386% i486% i586% i686%,\
	$(shell $(CC) -dumpmachine 2>/dev/null)),)
HARDEN_ARCH := -fcf-protection
# Every object of ours bears the mark; Debian's crt1.o and crti.o do not, and
# would take it from the whole.
HARDEN_LINK := -Wl,-z,ibt,-z,shstk
endif
HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection \
	$(HARDEN_ARCH)

LIBS        := libuv libsodium libseccomp
LIB_CFLAGS  := $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
LIB_LIBS    := $(shell pkg-config --libs $(LIBS) 2>/dev/null)
# Loaded when they are asked for, so their headers only.
LIBS_HEADERS := libmicrohttpd libssl
LIB_CFLAGS  += $(shell pkg-config --cflags $(LIBS_HEADERS) 2>/dev/null)
CHECK_FLAGS := $(shell pkg-config --cflags check 2>/dev/null)
CHECK_LIBS  := $(shell pkg-config --libs check 2>/dev/null)
# Of the tests' own clients.
TLS_LIBS    := $(shell pkg-config --libs libssl libcrypto 2>/dev/null)

ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -I. -Wall -Wextra $(CFLAGS) $(HARDEN) \
	$(FLAVOUR_CFLAGS) $(LIB_CFLAGS) -pthread
ALL_LDFLAGS := $(CFLAGS) $(FLAVOUR_CFLAGS) -pie -pthread \
	-Wl,-z,relro,-z,now,-z,noexecstack $(HARDEN_LINK) $(LDFLAGS)

# gcc's ThreadSanitizer cannot run where the kernel spreads addresses widely.
SOAK_WRAP := $(if $(filter tsan,$(FLAVOUR)),setarch $(shell uname -m) -R)

# ----------------------------------------------------------------- sources
SLAB    := $(patsubst %.c,$(B)/%.o,$(wildcard slab/*.c))
PROTO   := $(patsubst %.c,$(B)/%.o,$(wildcard proto/*.c))
PASSWD  := $(patsubst %.c,$(B)/%.o,$(wildcard passwd/*.c))
SERVER  := $(patsubst %.c,$(B)/%.o,$(wildcard server/*.c))
LIBSERVER := $(filter-out $(B)/server/main.o,$(SERVER))
T_SLAB  := $(patsubst %.c,$(B)/%.o,$(wildcard tests/slab/*.c))
T_PROTO := $(patsubst %.c,$(B)/%.o,$(wildcard tests/proto/*.c))
T_SERVER := $(patsubst %.c,$(B)/%.o,$(wildcard tests/server/*.c))
FUZZ    := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
L_FUZZ  := $(patsubst %.c,$(B)/%.o,$(filter-out tests/fuzz/fuzz_% \
	tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c)))
# In bench/ a file with a main() is a program; the others go into each.
BENCH   := $(patsubst bench/%.c,%,$(shell grep -ls '^main[[:punct:]]' bench/*.c))
L_BENCH := $(filter-out $(BENCH:%=$(B)/bench/%.o),\
	$(patsubst %.c,$(B)/%.o,$(wildcard bench/*.c)))
OBJECTS := $(SLAB) $(PROTO) $(SERVER) $(PASSWD) $(T_SLAB) $(T_PROTO) $(T_SERVER) \
	$(FUZZ:%=$(B)/tests/fuzz/%.o) $(B)/tests/fuzz/replay.o $(L_FUZZ) \
	$(BENCH:%=$(B)/bench/%.o) $(L_BENCH)
UNIT    := $(if $(T_SLAB),$(B)/test-slab) $(if $(T_PROTO),$(B)/test-proto) \
	$(if $(T_SERVER),$(B)/test-server)
REPLAY  := $(FUZZ:fuzz_%=$(B)/replay-%)
MANPAGES := $(wildcard man/*.[1-9])

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-4s %s\n'
MAKEFLAGS += --no-print-directory
endif

# As many jobs as there are processors, unless it is said otherwise; but
# `make clean all` means one after the other.
ifeq ($(MAKELEVEL)$(word 2,$(MAKECMDGOALS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif

# ----------------------------------------------------------------- targets
.PHONY: deb deb-check all run check unit units replays asan tsan lint format \
	format-check fuzz fuzz-targets soak siege bench benches install \
	uninstall memcached-tests clean help libs FORCE
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

all: $(B)/slabd $(B)/slabd-passwd # build/slabd, build/slabd-passwd

run: # build, then serve on 127.0.0.1:11211 (options: ARGS="-m 1024")
	$(call need,$(RUN_PACKAGES),run)
	@$(MAKE) all
	@echo "slabd: serving on 127.0.0.1:11211; Control-C ends it."
	@echo "slabd: to talk to it, from another terminal:"
	@echo "    telnet 127.0.0.1 11211       then type:  stats"
	@echo "slabd: or, where there is no telnet, in bash:"
	@echo "    exec 3<>/dev/tcp/127.0.0.1/11211"
	@printf '%s\n' "    printf 'get hi\r\nquit\r\n' >&3; cat <&3"
	@exec build/slabd -l 127.0.0.1 -p 11211 $(ARGS)

check: # build and run all tests; the last line has the sum
	$(call need,$(CHECK_PACKAGES),check)
	$(unpack_tools)
	@$(MAKE) all $(B)/libserver.a $(B)/bench/load units replays
	@sh tests/check.sh

units: $(UNIT)
replays: $(REPLAY)

unit: units # the unit tests alone (also with FLAVOUR=asan or tsan)
	@for t in $(UNIT); do echo "$$t"; $$t || exit 1; done

asan tsan: # all tests under a sanitizer (PARTS=units: the quick ones)
	$(call need,$(RUN_PACKAGES) check,$@)
	@$(MAKE) FLAVOUR=$@ all units replays
	@sh tests/check.sh $@ $(PARTS)

lint: # the rules that a compiler cannot see
	$(call need,$(RUN_PACKAGES) mandoc,$@)
	@$(MAKE) all $(B)/libserver.a
	@sh tests/lint.sh

format: # rewrite the sources in style
	$(call need,$(FORMAT_PACKAGES),$@)
	@find bench passwd proto server slab tests -name '*.[ch]' | \
		xargs clang-format -i

format-check: # say which sources are not in style
	$(call need,$(FORMAT_PACKAGES),$@)
	@find bench passwd proto server slab tests -name '*.[ch]' | \
		xargs clang-format --dry-run --Werror

fuzz: # each fuzz target for T seconds (T=30)
	$(call need,$(FUZZ_PACKAGES),$@)
	@$(MAKE) FLAVOUR=fuzz fuzz-targets
	@for f in $(FUZZ:fuzz_%=%); do \
		mkdir -p build/fuzz/corpus/$$f; \
		old=; [ ! -d tests/fuzz/corpus/$$f ] || old=tests/fuzz/corpus/$$f; \
		echo "fuzz $$f, $(T) s"; \
		ASAN_OPTIONS=quarantine_size_mb=4 \
		build/fuzz/fuzz-$$f -max_total_time=$(T) -verbosity=0 \
			-artifact_prefix=build/fuzz/$$f- \
			build/fuzz/corpus/$$f $$old >build/fuzz/$$f.log 2>&1 || \
			{ cat build/fuzz/$$f.log; exit 1; }; \
	done

soak: # everything at once for T seconds (FLAVOUR=tsan T=600)
	$(call need,$(RUN_PACKAGES) python3,$@)
	@$(MAKE) all
	@SLABD=$(CURDIR)/$(B)/slabd $(SOAK_WRAP) $(PYTHON) tests/e2e/soak.py $(T)

siege: # 1,000 clients among 9,000 slow ones (ARGS="--rounds 5")
	$(call need,$(RUN_PACKAGES) python3,$@)
	@$(MAKE) all $(B)/bench/load
	@SLABD=$(CURDIR)/$(B)/slabd $(PYTHON) tests/e2e/siege.py $(ARGS)

fuzz-targets: $(FUZZ:fuzz_%=$(B)/fuzz-%)

bench: # measure; see bench/
	$(call need,$(RUN_PACKAGES),$@)
	@$(MAKE) all benches
	@sh bench/run.sh $(ARGS)

benches: $(BENCH:%=$(B)/bench/%)

COMPLETIONS := $(PREFIX)/share/bash-completion/completions
# $(call put,MODE,FILE,FOLDER,NAME)
put = install -D -m $(1) $(2) '$(DESTDIR)$(3)/$(4)'

install: all # into PREFIX (/usr/local), under DESTDIR
	$(call put,755,$(B)/slabd,$(BINDIR),slabd)
	$(call put,755,$(B)/slabd-passwd,$(BINDIR),slabd-passwd)
	@for m in $(MANPAGES); do \
		d='$(DESTDIR)$(MANDIR)'/man$${m##*.}; \
		echo "install -m 644 $$m $$d/"; \
		install -d "$$d" && install -m 644 $$m "$$d/" || exit 1; \
	done
	$(B)/slabd --completion >$(B)/slabd.bash
	$(call put,644,$(B)/slabd.bash,$(COMPLETIONS),slabd)
	sed -e 's,@BINDIR@,$(BINDIR),; s,@SYSCONFDIR@,$(SYSCONFDIR),' \
		packaging/slabd.service.in >$(B)/slabd.service
	$(call put,644,$(B)/slabd.service,$(UNITDIR),slabd.service)
	$(call put,644,packaging/slabd.socket,$(UNITDIR),slabd.socket)
	$(call put,644,packaging/slabd.sysusers,$(PREFIX)/lib/sysusers.d,slabd.conf)
	@# What the operator wrote stays.
	[ -e '$(DESTDIR)$(SYSCONFDIR)/slabd.conf' ] || \
		$(call put,644,packaging/slabd.conf,$(SYSCONFDIR),slabd.conf)
	[ -e '$(DESTDIR)$(SYSCONFDIR)/default/slabd' ] || \
		$(call put,644,packaging/slabd.default,$(SYSCONFDIR)/default,slabd)

uninstall: # what install put there, but for configuration that was changed
	rm -f '$(DESTDIR)$(BINDIR)/slabd' '$(DESTDIR)$(BINDIR)/slabd-passwd'
	@for m in $(MANPAGES); do \
		f='$(DESTDIR)$(MANDIR)'/man$${m##*.}/$${m##*/}; \
		echo "rm -f $$f"; rm -f "$$f"; \
	done
	rm -f '$(DESTDIR)$(COMPLETIONS)/slabd' \
		'$(DESTDIR)$(UNITDIR)/slabd.service' \
		'$(DESTDIR)$(UNITDIR)/slabd.socket' \
		'$(DESTDIR)$(PREFIX)/lib/sysusers.d/slabd.conf'
	! cmp -s packaging/slabd.conf '$(DESTDIR)$(SYSCONFDIR)/slabd.conf' || \
		rm -f '$(DESTDIR)$(SYSCONFDIR)/slabd.conf'
	! cmp -s packaging/slabd.default \
		'$(DESTDIR)$(SYSCONFDIR)/default/slabd' || \
		rm -f '$(DESTDIR)$(SYSCONFDIR)/default/slabd'

deb: # build/slabd_*.deb, for Debian (DEB_VERSION=...)
	$(call need,$(DEB_PACKAGES),$@)
	@$(MAKE) all
	@sh packaging/deb.sh $(DEB_VERSION)

deb-check: deb # install, upgrade, remove it in a new Debian (as root)
	$(call need,$(DEB_PACKAGES) debootstrap,$@)
	@sh tests/deb.sh

memcached-tests: # memcached's own scripts against slabd (MEMCACHED_SOURCE=dir)
	$(call need,$(CHECK_PACKAGES),$@)
	@$(MAKE) all
	@sh tests/memcached.sh $(B)/slabd $(NAMES)

clean: # remove build/
	rm -rf build

help: # this list
	@sed -n 's/^\([a-z][a-z -]*\):.*# \(.*\)/\1|\2/p' Makefile | \
		awk -F'|' '{ printf "  make %-14s %s\n", $$1, $$2 }'

# ------------------------------------------------------------------- rules
# The server's libraries, checked before the compiler stumbles over them.
libs:
	@pkg-config --exists $(LIBS) $(LIBS_HEADERS) || { \
		echo "slabd: missing: pkg-config or one of" \
		    "$(LIBS) $(LIBS_HEADERS)."; \
		echo "slabd: on Debian, as root:  apt-get install $(RUN_PACKAGES)"; \
		exit 1; }

$(SERVER) $(PASSWD): | libs
$(B)/tests/%.o: TEST_CFLAGS = $(CHECK_FLAGS)

# A stamp changes only when its text does, so objects are rebuilt when flags
# change, and archives when a source comes or goes.
define stamp
@mkdir -p $(@D); printf '%s\n' '$(1)' | cmp -s - $@ || \
	printf '%s\n' '$(1)' >$@
endef
$(B)/flags: FORCE
	$(call stamp,$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(LIB_LIBS))
$(B)/sources: FORCE
	$(call stamp,$(OBJECTS))
FORCE:

$(B)/%.o: %.c $(B)/flags
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/libslab.a: $(SLAB)
$(B)/libproto.a: $(PROTO)
$(B)/libserver.a: $(LIBSERVER)
$(B)/lib%.a: $(B)/sources
	$(say) AR $@
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

link = $(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^)

$(B)/slabd: $(SERVER) $(B)/libproto.a $(B)/libslab.a
	$(say) LD $@
	$(link) $(LIB_LIBS)

$(B)/slabd-passwd: $(PASSWD) $(B)/libserver.a
	$(say) LD $@
	$(link) $(LIB_LIBS)

# The two lower floors are linked alone: a dependency that they must not have
# is a link error here.
$(B)/test-slab: $(T_SLAB) $(B)/libslab.a
$(B)/test-proto: $(T_PROTO) $(B)/libproto.a
$(B)/test-slab $(B)/test-proto:
	$(say) LD $@
	$(link) $(CHECK_LIBS)

THREE := $(B)/libserver.a $(B)/libproto.a $(B)/libslab.a
$(B)/test-server: $(T_SERVER) $(THREE)
	$(say) LD $@
	$(link) $(CHECK_LIBS) $(TLS_LIBS) $(LIB_LIBS)

$(BENCH:%=$(B)/bench/%): $(B)/bench/%: $(B)/bench/%.o $(L_BENCH) $(THREE)
	$(say) LD $@
	$(link) $(LIB_LIBS) -lm

# Fuzz targets of the parsers are linked with them alone, the DEEP ones with
# all three floors.  A replay is the same target with a plain main().
DEEP_FUZZ := fuzz_restore% fuzz_session% fuzz_users% fuzz_login% fuzz_config% fuzz_dialogue%
DEEP := $(patsubst fuzz_%,%,$(filter $(DEEP_FUZZ),$(FUZZ)))
FLAT := $(patsubst fuzz_%,%,$(filter-out $(DEEP_FUZZ),$(FUZZ)))
$(DEEP:%=$(B)/fuzz-%) $(DEEP:%=$(B)/replay-%): $(L_FUZZ) $(THREE)
$(DEEP:%=$(B)/fuzz-%) $(DEEP:%=$(B)/replay-%): FUZZ_LIBS = $(LIB_LIBS)
$(FLAT:%=$(B)/fuzz-%) $(FLAT:%=$(B)/replay-%): $(B)/libproto.a
$(FUZZ:fuzz_%=$(B)/fuzz-%): $(B)/fuzz-%: $(B)/tests/fuzz/fuzz_%.o
	$(say) LD $@
	$(link) -fsanitize=fuzzer $(FUZZ_LIBS)
$(FUZZ:fuzz_%=$(B)/replay-%): $(B)/replay-%: $(B)/tests/fuzz/fuzz_%.o \
    $(B)/tests/fuzz/replay.o
	$(say) LD $@
	$(link) $(FUZZ_LIBS)

-include $(OBJECTS:.o=.d)
