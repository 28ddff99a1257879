/* Plug-ins, which a WebAssembly module cannot open: each call fails. */
#ifndef SIBYL_POSIX_DLFCN_H
#define SIBYL_POSIX_DLFCN_H

#include <stddef.h>

#define RTLD_LAZY   1
#define RTLD_NOW    2
#define RTLD_LOCAL  4
#define RTLD_GLOBAL 8
#define RTLD_NOLOAD 16

typedef struct Dl_info {
    const char *dli_fname;
} Dl_info;

static inline int dladdr(const void *address, Dl_info *out)
{
    (void)address, (void)out;
    return 0;
}

static inline void *dlopen(const char *path, int mode)
{
    (void)path, (void)mode;
    return NULL;
}

static inline void *dlsym(void *library, const char *name)
{
    (void)library, (void)name;
    return NULL;
}

static inline int dlclose(void *library)
{
    (void)library;
    return 0;
}

static inline const char *dlerror(void)
{
    return "cannot be opened in WebAssembly";
}

#endif
