/* What wasi-libc's <sys/mman.h> declares and does not have. */
#ifndef SIBYL_POSIX_MMAN_H
#define SIBYL_POSIX_MMAN_H

#include_next <sys/mman.h>

/* There are no pages to advise on. */
static inline int no_advice(void *address, size_t size, int advice)
{
    (void)address, (void)size, (void)advice;
    return 0;
}
#define madvise no_advice

#endif
