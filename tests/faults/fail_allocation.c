/* A library for LD_PRELOAD that makes one allocation of a process fail, whichever library asks for it.

   SIBYL_FAIL_AT=n     the n-th call of malloc, calloc, realloc, posix_memalign, aligned_alloc or memalign
                       fails with ENOMEM; calls before main() and within dlopen(), of the dynamic linker and
                       the libraries' constructors, are not counted
   SIBYL_FAIL_OPEN=s   libraries with s in their names cannot be opened by dlopen()
   SIBYL_FAIL_COUNT=f  the number of calls is written to file f when the process ends

   A process that crashes, or is ended by SIGABRT, prints its call stack to stderr first: the marker "call
   stack:", then a line per frame, library(function+offset) [address].

   glibc only: its __libc_ functions do the work, so that nothing has to be looked up while memory is asked
   for. */
#define _GNU_SOURCE /* registers of a signal, RTLD_NEXT */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);

static atomic_ulong calls;
static unsigned long fail_at; /* 0: none */
static bool counting;

static void crashed(int number, siginfo_t *info, void *context)
{
    static const char marker[] = "call stack:\n";
    void *frames[64];
    int n = 0;
    (void)info, (void)context;
    counting = false;
#if defined(__x86_64__)
    /* a call of a null pointer: its stack cannot be followed, but begins with the address of the caller */
    const greg_t *registers = ((const ucontext_t *)context)->uc_mcontext.gregs;
    if (registers[REG_RIP] == 0)
        memcpy(&frames[n++], (const void *)registers[REG_RSP], sizeof *frames);
    else
        frames[n++] = (void *)registers[REG_RIP];
#endif
    n += backtrace(frames + n, 63);
    if (write(STDERR_FILENO, marker, sizeof marker - 1) > 0)
        backtrace_symbols_fd(frames, n, STDERR_FILENO);
    signal(number, SIG_DFL);
    raise(number);
}

__attribute__((constructor)) static void begin(void)
{
    const struct sigaction action = {.sa_sigaction = crashed, .sa_flags = SA_SIGINFO};
    const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    void *frame;
    backtrace(&frame, 1); /* its first call loads a library */
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    const char *at = getenv("SIBYL_FAIL_AT");
    fail_at = at ? strtoul(at, NULL, 10) : 0;
    counting = true;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("SIBYL_FAIL_COUNT");
    unsigned long n = atomic_load(&calls);
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    char text[32];
    counting = false;
    if (fd < 0)
        return;
    int length = snprintf(text, sizeof text, "%lu", n);
    if (write(fd, text, (size_t)length) != length)
        _exit(99);
    close(fd);
}

void *dlopen(const char *file, int mode)
{
    void *address = dlsym(RTLD_NEXT, "dlopen");
    void *(*next)(const char *, int);
    memcpy(&next, &address, sizeof next);
    const char *refused = getenv("SIBYL_FAIL_OPEN");
    const bool counted = counting;
    counting = false;
    void *library = next(refused && file && strstr(file, refused) ? "/nowhere/lib.so" : file, mode);
    counting = counted;
    return library;
}

static bool fails(void)
{
    return counting && atomic_fetch_add(&calls, 1) + 1 == fail_at;
}

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t bytes)
{
    return fails() ? no_memory() : __libc_malloc(bytes);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? no_memory() : __libc_calloc(n, size);
}

void *realloc(void *block, size_t bytes)
{
    return fails() ? no_memory() : __libc_realloc(block, bytes);
}

void *memalign(size_t align, size_t bytes)
{
    return fails() ? no_memory() : __libc_memalign(align, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    return memalign(align, bytes);
}

int posix_memalign(void **out, size_t align, size_t bytes)
{
    void *block = memalign(align, bytes);
    if (!block)
        return ENOMEM;
    *out = block;
    return 0;
}
