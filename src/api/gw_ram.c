/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gw_ram.c - the caller's list of guest memory. */
#include "api/gw_ram.h"

#include <assert.h>
#include <errno.h>

static_assert(GW_PAGE_BYTES == PAGE_BYTES && GW_BLOCKS_MAX == RAM_BLOCKS_MAX,
	      "the public header tells the truth");

struct gw_ram *gw_ram_new(struct gw_error *err)
{
	struct gw_ram *ram = calloc(1, sizeof(*ram));

	if (!ram) {
		fail_sys(err, ENOMEM, "guest memory");
		return NULL;
	}
	ram_init(&ram->ram);
	return ram;
}

void gw_ram_free(struct gw_ram *ram)
{
	if (!ram)
		return;
	ram_deinit(&ram->ram);
	free(ram);
}

int gw_ram_add(struct gw_ram *ram, const char *name, void *host, uint64_t length,
	       struct gw_error *err)
{
	if (ram->settled)
		return fail(err, GW_USAGE,
			    "ram block \"%.100s\": the list is in use and can no longer "
			    "change",
			    name);
	return ram_add(&ram->ram, name, host, length, err);
}

int gw_ram_settle(struct gw_ram *ram, struct gw_error *err)
{
	if (ram->ram.block_count == 0)
		return fail(err, GW_USAGE, "guest memory: no block was added");
	ram->settled = true;
	return 0;
}
