/* What a device is to do, in lists. Those that came before are kept, and beside each what its driver made of it (a
   command buffer, a graph): where the same list comes again, byte by byte (kernels, arguments, groups, and memory with
   its places), the driver submits that again. So what steady runs launch is recorded once, and nobody has to say that
   dims, weights or buffers are others. */
#ifndef GPU_RECORD_H
#define GPU_RECORD_H

#include "gpu/device.h"

/* Commands of a list at most, and lists that are kept. */
#define GPU_COMMANDS 256
#define GPU_RECORDS  16
/* In place of a kernel: a copy of places[0] to places[1]. */
#define GPU_COPY GPU_KERNEL_COUNT

/* A launch of a kernel, or a copy. What is not used is 0; there is no padding. */
typedef struct gpu_command {
    uint32_t kernel, groups[3];
    gpu_place places[GPU_BUFFERS];
    unsigned char args[GPU_ARGS_BYTES];
} gpu_command;

typedef struct gpu_list {
    size_t n;
    gpu_command *commands; /* (GPU_COMMANDS) */
} gpu_list;

/* The lists that are kept; what a driver made of each stands at the same number in a table of its own. */
typedef struct gpu_records {
    gpu_list lists[GPU_RECORDS]; /* n 0: none */
    uint64_t used[GPU_RECORDS];  /* the submission that used it last; 0: none */
    bool pending[GPU_RECORDS];   /* it is with the device, and may not be replaced */
} gpu_records;

sib_code gpu_list_open(gpu_list *l, sib_error *err);
void gpu_list_close(gpu_list *l);
gpu_command gpu_command_of(gpu_kernel kernel, size_t n, const gpu_place *places, const void *args,
                           const uint32_t groups[3]);

bool gpu_commands_same(const gpu_command *a, const gpu_command *b, size_t n);

/* The number of the same list, or -1. */
int gpu_records_find(const gpu_records *r, const gpu_list *l);
/* The number of the list with the same kernels that differs in the fewest commands, (*n) of them, of several the one
   that was not used for longest; or -1. */
int gpu_records_similar(const gpu_records *r, const gpu_list *l, size_t *n);
/* Whether as many lists are kept as may be, so that the next one takes the place of another. */
bool gpu_records_full(const gpu_records *r);
/* Keeps l in place of the list that was not used for longest, and gives l the memory of that. Not all are pending.
   Errors: SIB_ERR_MEMORY. */
sib_code gpu_records_keep(gpu_records *r, gpu_list *l, int *number, sib_error *err);
/* Drops the lists that use memory, which is about to go. */
void gpu_records_forget(gpu_records *r, const gpu_memory *memory);
void gpu_records_close(gpu_records *r);

#endif
