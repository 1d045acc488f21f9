/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vendor_library.c - a device's library, looked for when the program runs. */
#include "codec/vendor_library.h"

#include <dlfcn.h>
#include <string.h>

int vendor_library_load(const char *soname, const char *source,
			const struct vendor_symbol *symbols, uint32_t count,
			struct gw_error *err)
{
	/* Its other libraries' names stay out of ours. */
	void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		/* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's text is the thread's own */
		return fail(err, GW_UNSUPPORTED, "%s (%s)", dlerror(), source);
	for (uint32_t i = 0; i < count; i++) {
		if (dlsym(library, symbols[i].name))
			continue;
		dlclose(library);
		return fail(err, GW_UNSUPPORTED,
			    "%s has no %s: another version is needed", soname,
			    symbols[i].name);
	}
	for (uint32_t i = 0; i < count; i++) {
		void *found = dlsym(library, symbols[i].name);

		memcpy(symbols[i].function, &found, sizeof(found));
	}
	return 0;
}
