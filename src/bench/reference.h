/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reference.h - the libraries called as QEMU calls them, to compare engines with.
 *
 * Each is an engine of its format like any other, but of the benchmark alone: zlib and libzstd
 * a page at a time, QATzip's software path (which is zlib), QPL's software path, and zlib for
 * what UADK has no software for.
 *
 * Source: QEMU 10.2 migration/multifd-{zlib,zstd,qatzip,qpl,uadk}.c. */
#ifndef BENCH_REFERENCE_H
#define BENCH_REFERENCE_H

#include "codec/engine.h"

/* NULL and GW_UNSUPPORTED with the reason when this build or host has none. */
const struct engine *reference_of(enum codec_id codec, struct gw_error *err);

extern const struct engine reference_zlib;
extern const struct engine reference_zstd;
extern const struct engine reference_qatzip;
extern const struct engine reference_qpl; /* only in builds with QPL's headers */
extern const struct engine reference_uadk;

#endif
