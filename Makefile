# SPDX-License-Identifier: LGPL-2.1-or-later
# The commands in short; under them is an ordinary meson build.
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 600
export FUZZ_SECONDS FUZZ_TARGETS

.PHONY: build demo test test-long lint analyze format fuzz bench install clean help

build: build/build.ninja
	@ninja -C build --quiet godwit

build/build.ninja:
	@meson setup build --prefix '$(PREFIX)' >build.log || { cat build.log; rm build.log; exit 1; }
	@rm build.log

demo:
	@scripts/install-deps build
	@$(MAKE) --no-print-directory build
	build/godwit demo

test:
	@scripts/install-deps test
	@scripts/test

test-long:
	@scripts/install-deps test
	@scripts/test --long

lint:
	@scripts/install-deps lint
	@scripts/lint

analyze:
	@scripts/install-deps lint
	@scripts/lint analyzer

format:
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

fuzz:
	@scripts/install-deps fuzz
	@scripts/fuzz

bench: build
	@meson test -C build --benchmark --verbose --num-processes 1

install: build/build.ninja
	@meson configure build -Dprefix='$(PREFIX)'
	@ninja -C build --quiet
	@DESTDIR='$(DESTDIR)' meson install -C build --no-rebuild

clean:
	@rm -rf build build-test build-fuzz

help:
	@echo 'make            build/godwit; installs nothing'
	@echo 'make demo       what is missing, a build, and a guest that migrates'
	@echo 'make test       everything that has to pass before a change lands'
	@echo 'make test-long  the same with the tests that take long'
	@echo 'make lint       format, floors, clang-tidy, cppcheck, shellcheck'
	@echo 'make analyze    gcc -fanalyzer'
	@echo 'make format     clang-format over all C files, in place'
	@echo 'make fuzz       each fuzz target for FUZZ_SECONDS ($(FUZZ_SECONDS)); FUZZ_TARGETS="a b"'
	@echo 'make bench      the benchmarks'
	@echo 'make install    below PREFIX ($(PREFIX)), in DESTDIR'
	@echo 'make clean      without what builds and tests left'
