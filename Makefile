# ignisign - PGXS makefile.  "make help" lists the targets; "./dev" does more.

MODULE_big = ignisign
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))

EXTENSION = ignisign
DATA = $(wildcard sql/ignisign--*.sql)
PGFILEDESC = "ignisign - electronic signatures through the Ignisign API"

# The other files in sql/ are inputs of pg_regress.
REGRESS = $(patsubst sql/%.sql,%,$(filter-out $(DATA),$(sort $(wildcard sql/*.sql))))
REGRESS_OPTS = --load-extension=ignisign
ISOLATION = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --load-extension=ignisign
TAP_TESTS ?= 1
PROVE_TESTS = $(sort $(wildcard test/t/*.pl))

PKG_CONFIG ?= pkg-config
SHLIB_LINK = $(shell $(PKG_CONFIG) --libs libcurl libcjson libmicrohttpd libcrypto)

# Two of -Wextra's warnings are about what the server's style does on purpose:
# callbacks and SQL functions that need not all of their arguments, and
# initializers that leave the rest of a struct zero.
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers

# The server's headers are not ours to keep free of -Wextra's warnings.
PG_CONFIG ?= pg_config
PG_CPPFLAGS = -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) \
	$(shell $(PKG_CONFIG) --cflags libcurl libcjson libmicrohttpd libcrypto)

# No bitcode for the JIT compiler: it inlines small functions into expressions,
# and there are none here.  So clang need not be installed, even where the
# server was built with it.
override with_llvm = no

EXTRA_CLEAN = log ignisign-*.zip $(wildcard src/*.gc?? src/*/*.gc??)

# PGXS has a target "check" that only says that it cannot.  Ours makes a private
# server; to take its place without a warning it has to stand alone.
ifneq (,$(filter check,$(MAKECMDGOALS)))

others = $(filter-out check,$(MAKECMDGOALS))

.PHONY: check $(others)

check: | $(others)
	PG_CONFIG='$(PG_CONFIG)' ./dev test --no-install

$(others):
	$(MAKE) $@

else

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(OBJS): $(wildcard src/*.h src/*/*.h)

# The sandbox, a local stand-in for the API.

.PHONY: all-sandbox install-sandbox uninstall-sandbox clean-sandbox

clean: clean-unit clean-fuzz

# SANDBOX=no leaves it out.  A shell finds the program and its manual page where they
# are installed; the server's own folder of programs is often not in PATH.
SANDBOX_PREFIX ?= /usr/local

ifneq ($(SANDBOX),no)
all: all-sandbox
install: install-sandbox
uninstall: uninstall-sandbox
clean: clean-sandbox
endif

all-sandbox:
	$(MAKE) -C sandbox all

install-sandbox: all-sandbox
	$(MAKE) -C sandbox install DESTDIR='$(DESTDIR)' prefix='$(SANDBOX_PREFIX)'

uninstall-sandbox:
	$(MAKE) -C sandbox uninstall DESTDIR='$(DESTDIR)' prefix='$(SANDBOX_PREFIX)'

clean-sandbox:
	$(MAKE) -C sandbox clean

.PHONY: unit clean-unit fuzz fuzz-check clean-fuzz lint indent chaos dist help

unit:
	$(MAKE) -C test/unit check

clean-unit:
	$(MAKE) -C test/unit clean

# Faults and crashes at random, in a private server: make chaos SEED=7 N=20000

chaos:
	CHAOS_SEED='$(SEED)' CHAOS_N='$(N)' PG_CONFIG='$(PG_CONFIG)' ./dev test --no-install chaos

# "make fuzz TARGET=response SECONDS=600" looks for what crashes one target, and
# without TARGET each of them; fuzz-check only makes some fixed runs.

fuzz:
	$(MAKE) -C test/fuzz fuzz

fuzz-check:
	$(MAKE) -C test/fuzz check

clean-fuzz:
	$(MAKE) -C test/fuzz clean

# What compilers and analyzers say of the sources, as TAP.

lint:
	@CPPFLAGS='$(CPPFLAGS)' sh test/tools/lint.sh

# Indent the sources as the server's are.  PG_SOURCE names sources of PostgreSQL 16 or
# newer; without it they are fetched from Debian.

indent:
	@PG_SOURCE='$(PG_SOURCE)' PG_CONFIG='$(PG_CONFIG)' sh test/tools/indent.sh

# Release for PGXN: what is committed, as a zip.

DISTVERSION = $(shell sed -n 's/^   "version": "\(.*\)",$$/\1/p' META.json)

dist:
	git archive --format zip --prefix=ignisign-$(DISTVERSION)/ \
		-o ignisign-$(DISTVERSION).zip HEAD

help:
	@echo 'all           build the extension and the sandbox'
	@echo 'install       install the extension into the server that PG_CONFIG names, and'
	@echo '              the sandbox into SANDBOX_PREFIX=/usr/local; with DESTDIR='
	@echo 'uninstall     remove them'
	@echo 'check         run all tests, in a private server'
	@echo 'installcheck  run the tests in a running server that preloads ignisign'
	@echo 'unit          run the unit tests, without a server'
	@echo 'chaos         test with faults and crashes at random; SEED=, N='
	@echo 'lint          let analyzers look at the sources'
	@echo 'indent        run pgindent over the sources'
	@echo 'fuzz          fuzz TARGET=..., or each target, for SECONDS=...'
	@echo 'clean         remove what was built'
	@echo 'dist          make the zip for PGXN'

endif
