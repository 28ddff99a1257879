/* checksum.c on a bare Cortex-M: start-up, and printing and files by semihosting (Arm's document of that
   name), as qemu-system-arm provides it. Under -icount shift=0 an instruction takes a nanosecond, so the
   system timer, which counts at the board's CLOCK_HZ, measures the number of instructions. */
#include "platform.h"

enum { SYS_OPEN = 1, SYS_WRITE0 = 4, SYS_READ = 6, SYS_EXIT = 0x18 };
#define EXIT_GOOD 0x20026

#define SYST_CSR (*(volatile uint32_t *)0xE000E010)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018)
#define TICKS    0xFFFFFF

static uint32_t handle, started, frames;
static uint64_t ticks;

static uint32_t ask(uint32_t service, const void *argument)
{
    register uint32_t r0 __asm__("r0") = service;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void platform_print(const char *line)
{
    ask(SYS_WRITE0, line);
}

int platform_open(const char *name)
{
    uint32_t length = 0;
    while (name[length])
        length++;
    const uint32_t block[3] = {(uint32_t)name, 1 /* "rb" */, length};
    handle = ask(SYS_OPEN, block);
    return handle != UINT32_MAX;
}

size_t platform_read(unsigned char *bytes, size_t n)
{
    const uint32_t block[3] = {handle, (uint32_t)bytes, n};
    return n - ask(SYS_READ, block); /* it returns the number of missing bytes */
}

void platform_measure(int begin)
{
    const uint32_t now = SYST_CVR; /* counts down */
    if (begin) {
        started = now;
        return;
    }
    ticks += (started - now) & TICKS;
    frames++;
}

void platform_finish(void)
{
    static char line[] = "instructions a frame 0000000\n";
    const uint64_t all = ticks * (UINT64_C(1000000000) / CLOCK_HZ);
    uint32_t each = 0;
    for (uint64_t left = all; left >= frames; left -= frames) /* division without the library's function */
        each++;
    for (int at = 27; at > 20; at--) {
        line[at] = (char)('0' + each % 10);
        each /= 10;
    }
    platform_print(line);
}

extern uint32_t data_from[], data_start[], data_end[], bss_start[], bss_end[];
extern const uint32_t stack_top[];
int main(void);

void start(void)
{
    for (uint32_t *to = data_start, *from = data_from; to < data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;)
        *to++ = 0;
    SYST_RVR = TICKS;
    SYST_CVR = 0;
    SYST_CSR = 5; /* enabled, with the processor's clock */
    main();
    ask(SYS_EXIT, (const void *)EXIT_GOOD);
}

static void stuck(void)
{
    platform_print("fault\n");
    ask(SYS_EXIT, (const void *)0x20023);
    for (;;)
        ;
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    stack_top, start, stuck, stuck, stuck, stuck, stuck, stuck, 0, 0, 0, stuck, stuck, 0, stuck, stuck,
};
