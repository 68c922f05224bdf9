// SPDX-License-Identifier: GPL-2.0-only
/*
 * Implementations by name.
 *
 * Property: a name stands for one implementation whatever the geometry of the program; one is initialised once,
 * before its first use; what cannot be loaded is said in one line.
 *
 * A loaded implementation is a shared object with one symbol, `const struct pt_impl pt_impl`. A kernel tree is
 * built once a granule, so "linux-6.12.117" is the set linux-6.12.117-{4k,16k,64k,small}.so of one folder.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/exec.h"
#include "hw/hw.h"
#include "impl/layout.h"

struct impl_set {
	struct pt_impl face; /* what callers hold: name, geometries and profile of the whole set */
	const struct pt_impl *geo[HW_NGEO];
	char name[128];
};

enum { MAX_SETS = 4 };
static struct impl_set sets[MAX_SETS];
static unsigned nsets;

static const struct pt_impl *const linked[] = {&impl_opt,      &impl_opt_v1,	&impl_opt_v2,  &impl_opt_v3,
					       &impl_opt_none, &impl_opt_remap, &impl_opt_ops, &impl_deferred};
static bool linked_ready[sizeof(linked) / sizeof(linked[0])];

const struct pt_impl *impl_for_geo(const struct pt_impl *impl, unsigned geo)
{
	for (unsigned i = 0; i < nsets; i++)
		if (impl == &sets[i].face)
			return geo < HW_NGEO ? sets[i].geo[geo] : NULL;
	return impl;
}

/* Folder of the real-kernel implementations: PTDIFF_LINUX_DIR, else linux/ beside this program or above it (the
 * sanitized programs live one folder deeper). */
static void linux_dir(char *out, size_t cap)
{
	const char *env = getenv("PTDIFF_LINUX_DIR");
	ssize_t n = env && *env ? -1 : readlink("/proc/self/exe", out, cap - sizeof("/../linux"));

	if (n < 0) {
		snprintf(out, cap, "%s", env && *env ? env : "build/linux");
		return;
	}
	while (n > 0 && out[n - 1] != '/')
		n--;
	strcpy(out + n, "linux");
	if (access(out, F_OK) != 0)
		strcpy(out + n, "../linux");
}

static const struct pt_impl *load_so(const char *path, char *err, size_t errcap)
{
	void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!h) {
		snprintf(err, errcap, "%s; rebuild it with ./build.sh linux", dlerror());
		return NULL;
	}
	const struct pt_impl *impl = dlsym(h, "pt_impl");
	if (!impl) {
		snprintf(err, errcap, "%s: has no symbol pt_impl; see impl/seam.h", path);
		return NULL;
	}
	const uint32_t *layout = dlsym(h, "pt_layout");
	if ((layout && *layout != PT_LAYOUT) || (impl->init && impl->init(&hw_hooks) != 0)) {
		snprintf(err, errcap, "%s: refused the hooks of this program; rebuild it with ./build.sh linux",
			 path);
		return NULL;
	}
	return impl;
}

static void set_add(struct impl_set *s, const struct pt_impl *impl)
{
	if (!s->face.geometries)
		s->face = *impl;
	s->face.geometries |= impl->geometries;
	s->face.name = s->name;
	for (unsigned g = 0; g < HW_NGEO; g++)
		if (impl->geometries & (1u << g))
			s->geo[g] = impl;
}

/* Length of a file name without "-<geometry>.so", or 0 when it is no member of a set. */
static size_t set_name_len(const char *file)
{
	for (unsigned g = 0; g < HW_NGEO; g++) {
		char suffix[32];
		int n = snprintf(suffix, sizeof(suffix), "-%s.so", prog_geo_name(g));
		size_t len = strlen(file);
		if (len > (size_t)n && strcmp(file + len - (size_t)n, suffix) == 0)
			return len - (size_t)n;
	}
	return 0;
}

static const struct pt_impl *load_set(struct impl_set *s, const char *name, char *err, size_t errcap)
{
	char dir[PATH_MAX], path[PATH_MAX + 256];
	linux_dir(dir, sizeof(dir));
	snprintf(s->name, sizeof(s->name), "%s", name);
	for (unsigned g = 0; g < HW_NGEO; g++) {
		snprintf(path, sizeof(path), "%s/%s-%s.so", dir, name, prog_geo_name(g));
		if (access(path, F_OK) != 0)
			continue;
		const struct pt_impl *impl = load_so(path, err, errcap);
		if (!impl)
			return NULL;
		set_add(s, impl);
	}
	if (s->face.geometries)
		return &s->face;
	snprintf(err, errcap,
		 "%s: no such implementation (`ptdiff impls` lists them; ./build.sh linux builds kernels)", name);
	return NULL;
}

static const struct pt_impl *load_file(struct impl_set *s, const char *path, char *err, size_t errcap)
{
	const struct pt_impl *impl = load_so(path, err, errcap);
	if (!impl)
		return NULL;
	snprintf(s->name, sizeof(s->name), "%s", path);
	set_add(s, impl);
	return &s->face;
}

const struct pt_impl *impl_find(const char *name, char *err, size_t errcap)
{
	for (unsigned i = 0; i < sizeof(linked) / sizeof(linked[0]); i++) {
		if (strcmp(name, linked[i]->name) != 0)
			continue;
		if (!linked_ready[i] && linked[i]->init && linked[i]->init(&hw_hooks) != 0) {
			snprintf(err, errcap, "%s: could not initialise", name);
			return NULL;
		}
		linked_ready[i] = true;
		return linked[i];
	}
	for (unsigned i = 0; i < nsets; i++)
		if (strcmp(name, sets[i].name) == 0)
			return &sets[i].face;
	if (nsets == MAX_SETS) {
		snprintf(err, errcap, "%s: more than %d loaded implementations at once", name, MAX_SETS);
		return NULL;
	}
	struct impl_set *s = &sets[nsets];
	memset(s, 0, sizeof(*s));
	const struct pt_impl *impl =
		strchr(name, '/') ? load_file(s, name, err, errcap) : load_set(s, name, err, errcap);
	if (impl)
		nsets++;
	return impl;
}

static void print_geometries(FILE *f, uint32_t geometries)
{
	for (unsigned g = 0; g < HW_NGEO; g++)
		if (geometries & (1u << g))
			fprintf(f, " %s", prog_geo_name(g));
	fputc('\n', f);
}

static int is_set_member(const struct dirent *d)
{
	return set_name_len(d->d_name) > 0;
}

/* One line a set; the folder is sorted, so the members of a set are neighbours. */
static void list_loadable(FILE *f, const char *dir)
{
	struct dirent **e = NULL;
	char name[128] = "", err[512];
	int n = scandir(dir, &e, is_set_member, alphasort);

	for (int i = 0; i < n; i++) {
		size_t len = set_name_len(e[i]->d_name);
		bool known = strlen(name) == len && strncmp(name, e[i]->d_name, len) == 0;
		if (!known && len < sizeof(name)) {
			snprintf(name, sizeof(name), "%.*s", (int)len, e[i]->d_name);
			const struct pt_impl *impl = impl_find(name, err, sizeof(err));
			fprintf(f, "%-16s %s;", name, impl ? impl->what : err);
			print_geometries(f, impl ? impl->geometries : 0);
		}
		free(e[i]);
	}
	free(e);
}

void impl_list(FILE *f)
{
	char dir[PATH_MAX];
	for (unsigned i = 0; i < sizeof(linked) / sizeof(linked[0]); i++) {
		fprintf(f, "%-16s %s;", linked[i]->name, linked[i]->what);
		print_geometries(f, linked[i]->geometries);
	}
	linux_dir(dir, sizeof(dir));
	list_loadable(f, dir);
}

int bug_select(const char *name)
{
	for (unsigned i = 0; i < pt_nbugs; i++) {
		if (strcmp(name, pt_bugs[i].name) != 0)
			continue;
#ifdef PTDIFF_BUGS
		pt_bug_on = (int)i;
		return 0;
#else
		return -2;
#endif
	}
	return -1;
}

const char *bug_impl(const char *name)
{
	for (unsigned i = 0; name && i < pt_nbugs; i++)
		if (strcmp(name, pt_bugs[i].name) == 0)
			return pt_bugs[i].impl;
	return "opt";
}
