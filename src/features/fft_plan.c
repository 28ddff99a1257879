#include "features/fft_plan.h"

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>
#include <string.h>

/* Radix 4 first, which has the fewest operations per point; then any primes. */
static int32_t next_radix(int32_t n)
{
    if (n % 4 == 0)
        return 4;
    for (int32_t r = 2; r <= n / r; r++)
        if (n % r == 0)
            return r;
    return n;
}

/* exp(-2 pi i k / n) as cos and -sin; the angle is reduced first, so large k lose no precision. */
static double *put_root(double *at, int64_t k, int64_t n)
{
    const double pi = 3.14159265358979323846;
    double angle = 2 * pi * (double)(k % n) / (double)n;
    at[0] = cos(angle);
    at[1] = -sin(angle);
    return at + 2;
}

sib_code fft_plan_make(fft_plan *plan, int32_t n, sib_error *err)
{
    memset(plan, 0, sizeof *plan);
    plan->n = n;
    plan->n_complex = n % 2 == 0 ? n / 2 : n;
    size_t doubles = n % 2 == 0 ? 2 * ((size_t)n / 2 + 1) : 0;
    int32_t left = plan->n_complex, l1 = 1;
    while (left > 1) {
        int32_t radix = next_radix(left);
        left /= radix;
        plan->passes[plan->n_passes++] = (fft_pass){.radix = radix, .ido = left, .l1 = l1};
        l1 *= radix;
        doubles += 2 * ((size_t)(radix - 1) * (size_t)left + (size_t)radix);
    }
    double *at = plan->numbers = mem_alloc(doubles, sizeof *at);
    if (!at)
        return err_memory(err, doubles * sizeof *at, "a transform plan");
    for (int32_t p = 0; p < plan->n_passes; p++) {
        fft_pass *pass = &plan->passes[p];
        pass->twiddles = at;
        for (int64_t j = 1; j < pass->radix; j++)
            for (int64_t i = 0; i < pass->ido; i++)
                at = put_root(at, i * j, (int64_t)pass->ido * pass->radix);
        pass->roots = at;
        for (int64_t q = 0; q < pass->radix; q++)
            at = put_root(at, q, pass->radix);
    }
    plan->split = at;
    for (int64_t k = 0; n % 2 == 0 && k <= n / 2; k++)
        at = put_root(at, k, n);
    return SIB_OK;
}

void fft_plan_free(fft_plan *plan)
{
    mem_free(plan->numbers);
    memset(plan, 0, sizeof *plan);
}
