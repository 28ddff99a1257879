/* A library for LD_PRELOAD that makes one system call for files of a process fail, whichever library makes it and
   from whichever function of libc: a seccomp filter hands the calls to a handler here, which makes or refuses them.

   SIBYL_FAIL_WHAT=w   which calls are counted: write (but for stderr), open (for writing), rename, make (folders),
                       size (ftruncate), close, read, find (open for reading); step: all but read, find and close
   SIBYL_FAIL_AT=n     the n-th of them fails
   SIBYL_FAIL_FROM=n   it and all behind it fail, as on a full disk
   SIBYL_FAIL_HOW=h    how: an errno as a number, "short" (reads and writes half of the bytes) or "kill" (SIGKILL
                       in the place of the call)
   SIBYL_FAIL_NOTE=f   the path that the first of them was for is written to file f
   SIBYL_FAIL_COUNT=f  the numbers of calls of each kind are written to file f when the process ends, as JSON

   Calls before main(), for files of /proc, /sys and /etc, of the dynamic linker and of the programs that it starts are not counted. The exit code is 98
   where the filter cannot be installed. Linux on x86-64, glibc 2.34 and later only. */
#define _GNU_SOURCE /* registers of a signal, RTLD_NEXT */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

enum { WRITE = 1, OPEN = 2, RENAME = 4, MAKE = 8, SIZE = 16, CLOSE = 32, READ = 64, FIND = 128, CLEAN = 256 };

static const struct {
    const char *name;
    int kinds;
} words[] = {{"write", WRITE}, {"open", OPEN}, {"rename", RENAME},
             {"make", MAKE},   {"size", SIZE}, {"close", CLOSE},
             {"read", READ},   {"find", FIND}, {"step", WRITE | OPEN | RENAME | MAKE | SIZE | CLEAN}};

#define PATH_ARGUMENT 0x10 /* the argument is a path, not a descriptor */

static const struct {
    int number, kind, named; /* named: which argument says what file it is */
} traced[] = {{SYS_write, WRITE, 0},
              {SYS_pwrite64, WRITE, 0},
              {SYS_writev, WRITE, 0},
              {SYS_open, OPEN, PATH_ARGUMENT | 0},
              {SYS_openat, OPEN, PATH_ARGUMENT | 1},
              {SYS_rename, RENAME, PATH_ARGUMENT | 1},
              {SYS_renameat, RENAME, PATH_ARGUMENT | 3},
              {SYS_renameat2, RENAME, PATH_ARGUMENT | 3},
              {SYS_mkdir, MAKE, PATH_ARGUMENT | 0},
              {SYS_mkdirat, MAKE, PATH_ARGUMENT | 1},
              {SYS_symlink, MAKE, PATH_ARGUMENT | 1},
              {SYS_ftruncate, SIZE, 0},
              {SYS_close, CLOSE, 0},
              {SYS_read, READ, 0},
              {SYS_pread64, READ, 0},
              {SYS_readv, READ, 0},
              {SYS_unlink, CLEAN, PATH_ARGUMENT | 0},
              {SYS_unlinkat, CLEAN, PATH_ARGUMENT | 1},
              {SYS_rmdir, CLEAN, PATH_ARGUMENT | 0}};
#define N_TRACED (sizeof traced / sizeof *traced)

/* A system call that is not libc's: negative errno on failure. */
long raw_call(long number, long a, long b, long c, long d, long e, long f);
__asm__(".text\n.globl raw_call\n.hidden raw_call\n.type raw_call, @function\nraw_call:\n"
        "mov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\nmov %r8, %r10\nmov %r9, %r8\n"
        "mov 8(%rsp), %r9\nsyscall\nret\n");

#define N_WORDS (sizeof words / sizeof *words)
static atomic_ulong calls[N_WORDS];
static atomic_bool counting;
static unsigned long fail_at; /* 0: none */
static bool from_there_on, kill_there, shorten;
static size_t failing = N_WORDS; /* which of the words */
static int cause;
static const char *note_path, *count_path;

static void put_file(const char *path, const char *text, size_t n)
{
    long fd = raw_call(SYS_open, (long)path, O_WRONLY | O_CREAT | O_TRUNC, 0666, 0, 0, 0);
    if (fd < 0 || raw_call(SYS_write, fd, (long)text, (long)n, 0, 0, 0) != (long)n)
        _exit(99);
    raw_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* The path that a call is for. path: (4096) */
static void find_path(int named, const long *arguments, char *path)
{
    char link[64];
    long n = 0;
    if (named & PATH_ARGUMENT)
        n = snprintf(path, 4096, "%s", (const char *)arguments[named & ~PATH_ARGUMENT]);
    else {
        snprintf(link, sizeof link, "/proc/self/fd/%ld", arguments[named]);
        n = raw_call(SYS_readlink, (long)link, (long)path, 4095, 0, 0, 0);
    }
    path[n > 0 && n < 4096 ? n : 0] = 0;
}

/* Not messages, and not what libraries ask the system for. */
static bool is_ours(int kind, int named, const long *arguments)
{
    char path[4096];
    if (!(kind & (READ | FIND | CLOSE)))
        return kind != WRITE || arguments[0] != STDERR_FILENO;
    find_path(named, arguments, path);
    return strncmp(path, "/proc/", 6) != 0 && strncmp(path, "/sys/", 5) != 0 &&
           strncmp(path, "/etc/", 5) != 0;
}

static void note(int named, const long *arguments)
{
    char path[4096];
    find_path(named, arguments, path);
    if (note_path)
        put_file(note_path, path, strlen(path));
}

/* Half of the bytes, but one at least. */
static long half(long number, const long *a)
{
    if (number == SYS_readv || number == SYS_writev) {
        const struct iovec *first = (const struct iovec *)a[1];
        while (first->iov_len == 0 && first < (const struct iovec *)a[1] + a[2] - 1)
            first++;
        const long n = first->iov_len > 1 ? (long)first->iov_len / 2 : (long)first->iov_len;
        return raw_call(number == SYS_readv ? SYS_read : SYS_write, a[0], (long)first->iov_base, n, 0, 0, 0);
    }
    return raw_call(number, a[0], a[1], a[2] > 1 ? a[2] / 2 : a[2], a[3], 0, 0);
}

/* Counts a call. Returns which it is of those that fail, 0 where it is none. */
static unsigned long counted(int kind)
{
    unsigned long n = 0;
    for (size_t i = 0; i < N_WORDS; i++)
        if (words[i].kinds & kind) {
            const unsigned long now = atomic_fetch_add(&calls[i], 1) + 1;
            n = i == failing ? now : n;
        }
    return n;
}

static long made_or_refused(long number, const long *a)
{
    size_t row = 0;
    while (row < N_TRACED - 1 && traced[row].number != number)
        row++;
    int kind = traced[row].kind;
    if (kind == OPEN) {
        const long flags = number == SYS_open ? a[1] : a[2];
        kind = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT ? OPEN : FIND;
    }
    if (atomic_load(&counting) && is_ours(kind, traced[row].named, a)) {
        const unsigned long n = counted(kind);
        if (n && n == fail_at)
            note(traced[row].named, a);
        if (n && fail_at && (n == fail_at || (from_there_on && n > fail_at))) {
            if (kill_there)
                raw_call(SYS_kill, getpid(), SIGKILL, 0, 0, 0, 0);
            if (shorten)
                return half(number, a);
            if (kind == CLOSE)
                raw_call(number, a[0], 0, 0, 0, 0, 0);
            return -cause;
        }
    }
    return raw_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void trapped(int signal_number, siginfo_t *info, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const long arguments[6] = {r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], r[REG_R9]};
    (void)signal_number;
    r[REG_RAX] = made_or_refused(info->si_syscall, arguments);
}

/* Threads that block all signals still need this one. */
int pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    static int (*next)(int, const sigset_t *, sigset_t *);
    if (!next) {
        void *address = dlsym(RTLD_NEXT, "pthread_sigmask");
        memcpy(&next, &address, sizeof next);
    }
    sigset_t without;
    if (set) {
        without = *set;
        sigdelset(&without, SIGSYS);
    }
    return next(how, set ? &without : NULL, before);
}

/* A child has its signals blocked until it is another program, so that what it would open is opened here. */
int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *actions, int fd, const char *path, int flags,
                                     mode_t mode)
{
    const long opened = raw_call(SYS_open, (long)path, flags | O_CLOEXEC, (long)mode, 0, 0, 0);
    return opened < 0 ? (int)-opened : posix_spawn_file_actions_adddup2(actions, (int)opened, fd);
}

/* Code of libc, which makes all calls; other programs that this process starts have it elsewhere. */
typedef struct code_range {
    uint64_t from, to;
} code_range;

static int find_libc(struct dl_phdr_info *info, size_t size, void *out)
{
    code_range *code = out;
    const uint64_t in_it = (uint64_t)(uintptr_t)dlsym(RTLD_NEXT, "renameat2");
    (void)size;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const uint64_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        if (info->dlpi_phdr[i].p_type == PT_LOAD && in_it >= from &&
            in_it < from + info->dlpi_phdr[i].p_memsz)
            *code = (code_range){from, from + info->dlpi_phdr[i].p_memsz};
    }
    return 0;
}

static bool install(void)
{
    struct sock_filter filter[N_TRACED + 9];
    size_t n = 0;
    code_range code = {0};
    dl_iterate_phdr(find_libc, &code);
    const unsigned at = offsetof(struct seccomp_data, instruction_pointer);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at + 4);
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(code.from >> 32), 0, 3);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at);
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)code.from, 0, 1);
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)code.to, 0, 1);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < N_TRACED; i++)
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)traced[i].number,
                                                   (uint8_t)(N_TRACED - i), 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    const struct sock_fprog program = {.len = (unsigned short)n, .filter = filter};
    const struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_NODEFER};
    return code.from >> 32 == code.to >> 32 && sigaction(SIGSYS, &action, NULL) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *what = getenv("SIBYL_FAIL_WHAT"), *at = getenv("SIBYL_FAIL_AT"),
               *from = getenv("SIBYL_FAIL_FROM"), *how = getenv("SIBYL_FAIL_HOW");
    for (size_t i = 0; what && i < N_WORDS; i++)
        if (!strcmp(words[i].name, what))
            failing = i;
    from_there_on = from != NULL;
    fail_at = from || at ? strtoul(from ? from : at, NULL, 10) : 0;
    kill_there = how && !strcmp(how, "kill");
    shorten = how && !strcmp(how, "short");
    cause = how ? atoi(how) : 0;
    note_path = getenv("SIBYL_FAIL_NOTE");
    count_path = getenv("SIBYL_FAIL_COUNT");
    unsetenv("LD_PRELOAD"); /* of children */
    if (!install())
        _exit(98);
    atomic_store(&counting, true);
}

/* At the end of exit(), which first writes what is left in stdout. */
__attribute__((destructor)) static void end(void)
{
    char text[512];
    size_t n = 0;
    atomic_store(&counting, false);
    for (size_t i = 0; i < N_WORDS; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"%s\": %lu", i ? ", " : "{", words[i].name,
                              atomic_load(&calls[i]));
    text[n++] = '}';
    if (count_path)
        put_file(count_path, text, n);
}
