#include "gpu/record.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"

#include <string.h>

sib_code gpu_list_open(gpu_list *l, sib_error *err)
{
    *l = (gpu_list){.commands = mem_calloc(GPU_COMMANDS, sizeof *l->commands)};
    return l->commands ? SIB_OK : err_memory(err, GPU_COMMANDS * sizeof *l->commands, "a queue");
}

void gpu_list_close(gpu_list *l)
{
    mem_free(l->commands);
    *l = (gpu_list){0};
}

gpu_command gpu_command_of(gpu_kernel kernel, size_t n, const gpu_place *places, const void *args,
                           const uint32_t groups[3])
{
    gpu_command c = {.kernel = kernel, .groups = {groups[0], groups[1], groups[2]}};
    memcpy(c.places, places, n * sizeof *places);
    memcpy(c.args, args, gpu_args_bytes(kernel));
    return c;
}

bool gpu_commands_same(const gpu_command *a, const gpu_command *b, size_t n)
{
    return !memcmp(a, b, n * sizeof *a);
}

int gpu_records_find(const gpu_records *r, const gpu_list *l)
{
    for (int i = 0; i < GPU_RECORDS; i++)
        if (l->n && r->lists[i].n == l->n && gpu_commands_same(r->lists[i].commands, l->commands, l->n))
            return i;
    return -1;
}

/* How many commands differ; `most` where there are as many, SIZE_MAX where a kernel does. */
static size_t differences(const gpu_list *a, const gpu_list *b, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++)
        if (a->commands[i].kernel != b->commands[i].kernel)
            return SIZE_MAX;
        else if (n < most)
            n += !gpu_commands_same(&a->commands[i], &b->commands[i], 1);
    return n;
}

int gpu_records_similar(const gpu_records *r, const gpu_list *l, size_t *n)
{
    int found = -1;
    *n = l->n + 1;
    for (int i = 0; i < GPU_RECORDS; i++) {
        const size_t differ = r->lists[i].n == l->n ? differences(&r->lists[i], l, *n) : SIZE_MAX;
        if (differ < *n || (differ == *n && found >= 0 && r->used[i] < r->used[found])) {
            *n = differ;
            found = i;
        }
    }
    return found;
}

bool gpu_records_full(const gpu_records *r)
{
    bool full = true;
    for (size_t i = 0; i < GPU_RECORDS; i++)
        full &= r->used[i] > 0;
    return full;
}

sib_code gpu_records_keep(gpu_records *r, gpu_list *l, int *number, sib_error *err)
{
    int oldest = -1;
    for (int i = 0; i < GPU_RECORDS; i++)
        if (!r->pending[i] && (oldest < 0 || r->used[i] < r->used[oldest]))
            oldest = i;
    SIB_ASSERT(oldest >= 0);
    *number = oldest;
    gpu_list *kept = &r->lists[oldest];
    const sib_code code = kept->commands ? SIB_OK : gpu_list_open(kept, err);
    if (code != SIB_OK)
        return code;
    const gpu_list spare = *kept;
    *kept = *l;
    *l = (gpu_list){.commands = spare.commands};
    return SIB_OK;
}

void gpu_records_forget(gpu_records *r, const gpu_memory *memory)
{
    for (size_t i = 0; i < GPU_RECORDS; i++) {
        gpu_list *l = &r->lists[i];
        bool uses = false;
        for (size_t k = 0; k < l->n; k++)
            for (size_t b = 0; b < GPU_BUFFERS; b++)
                uses |= l->commands[k].places[b].memory == memory;
        if (uses)
            l->n = r->used[i] = 0;
    }
}

void gpu_records_close(gpu_records *r)
{
    for (size_t i = 0; i < GPU_RECORDS; i++)
        gpu_list_close(&r->lists[i]);
}
