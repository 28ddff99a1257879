#include "backend/gpu/measure.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "gpu/kernels.h"

#include <sibyl/timing.h>

#include <string.h>

/* A measurement grows until it takes so long, or is as large as it may be. */
#define LONG_NS   UINT64_C(100000000)
#define BEST_OF   3 /* of the last size */
#define BYTES_MAX ((size_t)64 << 20)
#define SIDE_MIN  64
#define SIDE_MAX  4096

typedef struct probe {
    gpu_device *device;
    gpu_range from, to, program; /* BYTES_MAX each, and the program of `layout` */
    void *host;                  /* BYTES_MAX */
} probe;

/* Does `size` of something. */
typedef sib_code action(const probe *p, size_t size, sib_error *err);

static gpu_range part(gpu_range r, size_t bytes)
{
    return (gpu_range){r.buffer, r.offset, bytes};
}

static sib_code upload(const probe *p, size_t bytes, sib_error *err)
{
    return gpu_upload(p->device, part(p->from, bytes), p->host, err);
}

static sib_code download(const probe *p, size_t bytes, sib_error *err)
{
    return gpu_download(p->device, part(p->from, bytes), p->host, err);
}

/* Words moved by the kernel that moves elements. */
static sib_code copy(const probe *p, size_t bytes, sib_error *err)
{
    const uint32_t n = (uint32_t)(bytes / 4), words[LAYOUT_WORDS] = {n, 1, 0, [LAYOUT_SOURCE] = n, 1, 0};
    const gpu_layout_args args = {
        .count = n / 4, .wide = 1, .rank = 1, .source_rank = 1, .row = n / 4, .pitch = n / 4, .fours = 1};
    const size_t groups = size_ceil_div(n / 4, LAYOUT_THREADS * LAYOUT_ELEMENTS);
    const uint32_t lines[3] = {(uint32_t)size_min(groups, GPU_GROUPS_ALONG_X),
                               (uint32_t)size_ceil_div(groups, GPU_GROUPS_ALONG_X), 1};
    const gpu_range ranges[] = {p->program, part(p->from, bytes), part(p->to, bytes), part(p->from, 4)};
    const sib_code code = gpu_upload(p->device, p->program, words, err);
    return code == SIB_OK ? gpu_launch(p->device, GPU_layout, 4, ranges, &args, lines, err) : code;
}

/* A product of two square matrices. */
static sib_code multiply(const probe *p, size_t side, sib_error *err)
{
    const uint32_t n = (uint32_t)side, tiles = (uint32_t)size_ceil_div(side, TILE_SIDE);
    const gpu_matmul_args args = {.type = SIB_F32,
                                  .m = n,
                                  .n = n,
                                  .k = n,
                                  .inner = 1,
                                  .a_row = n,
                                  .a_column = 1,
                                  .b_row = n,
                                  .b_column = 1,
                                  .a_type = SIB_F32,
                                  .b_type = SIB_F32};
    const gpu_range a = part(p->from, 4 * side * side), ranges[] = {a, a, part(p->to, 4 * side * side)};
    return gpu_launch(p->device, GPU_matmul, 3, ranges, &args, (const uint32_t[]){tiles, tiles, 1}, err);
}

/* ns: by the device's clock (own), where it has one, or by this processor's. */
static sib_code act_once(const probe *p, action *act, size_t size, bool own, uint64_t *ns, sib_error *err)
{
    const uint64_t begin = sib_time_ns();
    sib_code code = act(p, size, err);
    if (code == SIB_OK)
        code = gpu_finish(p->device, ns, err);
    if (!own || !*ns)
        *ns = sib_time_ns() - begin;
    return code;
}

/* The seconds that `size` takes, by the device's clock (own) or by this processor's, and how large that was. */
static sib_code grow(const probe *p, action *act, size_t size, size_t max, bool own, size_t *reached,
                     double *seconds, sib_error *err)
{
    uint64_t took = 0, again = 0;
    sib_code code =
        act_once(p, act, size, own, &again, err); /* kernels are compiled, and memory is touched */
    for (size = size / 2; code == SIB_OK && took < LONG_NS && size < max;) {
        size *= 2;
        code = act_once(p, act, size, own, &took, err);
    }
    for (int i = 1; i < BEST_OF && code == SIB_OK; i++) {
        code = act_once(p, act, size, own, &again, err);
        took = again < took ? again : took;
    }
    *reached = size;
    *seconds = took ? (double)took * 1e-9 : 1e-9;
    return code;
}

static sib_code measure(const probe *p, sib_device_rates *out, sib_error *err)
{
    const struct {
        action *act;
        bool own;
        double *rate;
        double per; /* bytes counted for each that moves */
    } copies[] = {
        {upload, false, &out->upload, 1}, {download, false, &out->download, 1}, {copy, true, &out->copy, 2}};
    size_t size;
    double seconds;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < sizeof copies / sizeof *copies && code == SIB_OK; i++) {
        code = grow(p, copies[i].act, BYTES_MAX / 256, BYTES_MAX, copies[i].own, &size, &seconds, err);
        *copies[i].rate = copies[i].per * (double)size / seconds;
    }
    if (code == SIB_OK)
        code = grow(p, multiply, SIDE_MIN, SIDE_MAX, true, &size, &seconds, err);
    if (code == SIB_OK)
        out->flops = 2 * (double)size * (double)size * (double)size / seconds;
    return code;
}

sib_code gpu_measure(gpu_device *d, sib_device_rates *out, sib_error *err)
{
    probe p = {.device = d, .host = mem_alloc(BYTES_MAX, 1)};
    gpu_range *const all[] = {&p.from, &p.to, &p.program};
    sib_code code = p.host ? SIB_OK : err_memory(err, BYTES_MAX, "a measurement");
    *out = (sib_device_rates){0};
    if (p.host)
        memset(p.host, 1, BYTES_MAX); /* its pages are there when copies are timed */
    for (size_t i = 0; i < 3 && code == SIB_OK; i++) {
        all[i]->bytes = i < 2 ? BYTES_MAX : 4 * LAYOUT_WORDS;
        code = gpu_alloc(d, all[i]->bytes, &all[i]->buffer, err);
    }
    if (code == SIB_OK)
        code = measure(&p, out, err);
    for (size_t i = 0; i < 3; i++)
        gpu_free(d, &all[i]->buffer);
    mem_free(p.host);
    return code;
}
