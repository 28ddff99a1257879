/* Launches of CUDA, listed, and submitted together: one by one where the list is short or new, and as a graph where it
   came before (record.h). A list with the kernels of one of before that differs in less than half of its launches changes
   those in its graph; where no more lists can be kept any with these kernels does. A launch takes 2.4 us of the host's time
   on an H100's, in a graph none, and to change one there 0.2; making a graph takes 4.5 for each. */
#ifndef GPU_CUDA_GRAPH_H
#define GPU_CUDA_GRAPH_H

#include "gpu/cuda_open.h"
#include "gpu/record.h"

struct gpu_memory {
    cuda_address address;
};

/* Shorter lists are launched one by one. */
#define CUDA_GRAPH_MIN 4
/* The list is submitted where it is so long: the first one after a wait soon, so that the device begins; then
   the device works on one while the next is listed. */
#define CUDA_FIRST 16
#define CUDA_NEXT  64

/* What became of a list that is kept; all zero: it was launched one by one. */
typedef struct cuda_recording {
    cuda_graph graph;
    cuda_graph_exec exec;
    cuda_node nodes[CUDA_NEXT];
    bool refused; /* the driver makes no graph of it */
} cuda_recording;

typedef struct cuda_recorder {
    const cuda_driver *c;
    gpu_device *device; /* whose `lost` is set */
    cuda_stream stream;
    const cuda_function *functions; /* by kernel, there when a launch is added */
    gpu_list list;
    bool working; /* something was submitted since the last wait */
    gpu_records records;
    cuda_recording recordings[GPU_RECORDS]; /* of each */
} cuda_recorder;

/* After a failure too the caller calls cuda_recorder_close. Errors: SIB_ERR_MEMORY. */
sib_code cuda_recorder_open(cuda_recorder *r, const cuda_driver *c, gpu_device *device, cuda_stream stream,
                            const cuda_function *functions, sib_error *err);
/* Drops what is listed. */
void cuda_recorder_close(cuda_recorder *r);
/* Whether the next launch finds the list full, so that it is submitted first. */
bool cuda_recorder_full(const cuda_recorder *r);
void cuda_recorder_add(cuda_recorder *r, const gpu_command *c);
/* Launches at once, on any stream; places without memory are addresses. */
cuda_result cuda_recorder_launch(const cuda_recorder *r, cuda_stream stream, gpu_command *c);
/* Submits what is listed. A launch that fails takes others' with it: the device is lost then. Errors: those of
   cuda_check. */
sib_code cuda_recorder_submit(cuda_recorder *r, sib_error *err);

#endif
