/* CUDA opened at run time: the functions that the driver calls of libcuda and of the compiler NVRTC. Their
   types are declared here, so that building needs nothing of CUDA. */
#ifndef GPU_CUDA_OPEN_H
#define GPU_CUDA_OPEN_H

#include <sibyl/base.h>
#include <stddef.h>
#include <stdint.h>

typedef int cuda_result; /* CUresult */
typedef int nvrtc_result;
typedef uint64_t cuda_address; /* CUdeviceptr */
typedef struct CUctx_st *cuda_context;
typedef struct CUstream_st *cuda_stream;
typedef struct CUevent_st *cuda_event;
typedef struct CUmod_st *cuda_module;
typedef struct CUfunc_st *cuda_function;
typedef struct CUgraph_st *cuda_graph;
typedef struct CUgraphExec_st *cuda_graph_exec;
typedef struct CUgraphNode_st *cuda_node;
typedef struct _nvrtcProgram *nvrtc_program;

/* Results that mean something to the driver; the numbers of cuda.h. */
#define CUDA_OK            0
#define CUDA_OUT_OF_MEMORY 2
#define CUDA_NO_DEVICE     100
#define CUDA_BAD_DEVICE    101
#define CUDA_BAD_IMAGE     200
#define CUDA_ECC           214
#define CUDA_NOT_READY     600
#define CUDA_FAULTS        700 /* from here on launches failed, and what the process holds on the device is lost */

/* Attributes of devices. */
#define CUDA_COMPUTE_MAJOR 75
#define CUDA_COMPUTE_MINOR 76
/* Of addresses: the device that they are of. */
#define CUDA_ORDINAL 9

/* CUDA_KERNEL_NODE_PARAMS, the first version of it */
typedef struct cuda_kernel_node {
    cuda_function function;
    unsigned groups[3], threads[3], shared_bytes;
    void **parameters, **more;
} cuda_kernel_node;

/* X(name in the table, function, parameters) */
#define CUDA_FUNCTIONS(X)                                                                                    \
    X(init, cuInit, (unsigned flags))                                                                        \
    X(driver_version, cuDriverGetVersion, (int *out))                                                        \
    X(error_text, cuGetErrorString, (cuda_result r, const char **out))                                       \
    X(device_count, cuDeviceGetCount, (int *out))                                                            \
    X(device_get, cuDeviceGet, (int *out, int number))                                                       \
    X(device_name, cuDeviceGetName, (char *out, int size, int device))                                       \
    X(device_memory, cuDeviceTotalMem_v2, (size_t * out, int device))                                        \
    X(device_attribute, cuDeviceGetAttribute, (int *out, int attribute, int device))                         \
    X(context_retain, cuDevicePrimaryCtxRetain, (cuda_context * out, int device))                            \
    X(context_release, cuDevicePrimaryCtxRelease_v2, (int device))                                           \
    X(context_push, cuCtxPushCurrent_v2, (cuda_context context))                                             \
    X(context_pop, cuCtxPopCurrent_v2, (cuda_context * out))                                                 \
    X(stream_create, cuStreamCreate, (cuda_stream * out, unsigned flags))                                    \
    X(stream_destroy, cuStreamDestroy_v2, (cuda_stream stream))                                              \
    X(event_create, cuEventCreate, (cuda_event * out, unsigned flags))                                       \
    X(event_destroy, cuEventDestroy_v2, (cuda_event event))                                                  \
    X(event_record, cuEventRecord, (cuda_event event, cuda_stream stream))                                   \
    X(event_query, cuEventQuery, (cuda_event event))                                                         \
    X(event_elapsed, cuEventElapsedTime, (float *ms, cuda_event begin, cuda_event end))                      \
    X(stream_wait, cuStreamWaitEvent, (cuda_stream stream, cuda_event event, unsigned flags))                \
    X(pointer_attribute, cuPointerGetAttribute, (void *out, int attribute, cuda_address address))            \
    X(mem_alloc, cuMemAlloc_v2, (cuda_address * out, size_t bytes))                                          \
    X(mem_free, cuMemFree_v2, (cuda_address address))                                                        \
    X(host_alloc, cuMemHostAlloc, (void **out, size_t bytes, unsigned flags))                                \
    X(host_free, cuMemFreeHost, (void *memory))                                                              \
    X(copy_in, cuMemcpyHtoDAsync_v2, (cuda_address to, const void *from, size_t bytes, cuda_stream stream))  \
    X(copy_out, cuMemcpyDtoHAsync_v2, (void *to, cuda_address from, size_t bytes, cuda_stream stream))       \
    X(module_load, cuModuleLoadData, (cuda_module * out, const void *image))                                 \
    X(module_unload, cuModuleUnload, (cuda_module module))                                                   \
    X(module_function, cuModuleGetFunction, (cuda_function * out, cuda_module module, const char *name))     \
    X(launch, cuLaunchKernel,                                                                                \
      (cuda_function f, unsigned x, unsigned y, unsigned z, unsigned threads_x, unsigned threads_y,          \
       unsigned threads_z, unsigned shared_bytes, cuda_stream stream, void **parameters, void **more))       \
    X(graph_create, cuGraphCreate, (cuda_graph * out, unsigned flags))                                       \
    X(graph_destroy, cuGraphDestroy, (cuda_graph graph))                                                     \
    X(graph_add, cuGraphAddKernelNode,                                                                       \
      (cuda_node * out, cuda_graph graph, const cuda_node *after, size_t n, const cuda_kernel_node *node))   \
    X(graph_instantiate, cuGraphInstantiateWithFlags,                                                        \
      (cuda_graph_exec * out, cuda_graph graph, unsigned long long flags))                                   \
    X(graph_exec_destroy, cuGraphExecDestroy, (cuda_graph_exec exec))                                        \
    X(graph_change, cuGraphExecKernelNodeSetParams,                                                          \
      (cuda_graph_exec exec, cuda_node node, const cuda_kernel_node *to))                                    \
    X(graph_launch, cuGraphLaunch, (cuda_graph_exec exec, cuda_stream stream))

#define NVRTC_FUNCTIONS(X)                                                                                   \
    X(version, nvrtcVersion, (int *major, int *minor))                                                       \
    X(n_targets, nvrtcGetNumSupportedArchs, (int *out))                                                      \
    X(targets, nvrtcGetSupportedArchs, (int *out))                                                           \
    X(create, nvrtcCreateProgram,                                                                            \
      (nvrtc_program * out, const char *text, const char *name, int n, const char *const *headers,           \
       const char *const *names))                                                                            \
    X(destroy, nvrtcDestroyProgram, (nvrtc_program * program))                                               \
    X(compile, nvrtcCompileProgram, (nvrtc_program program, int n, const char *const *options))              \
    X(log_bytes, nvrtcGetProgramLogSize, (nvrtc_program program, size_t * out))                              \
    X(log, nvrtcGetProgramLog, (nvrtc_program program, char *out))                                           \
    X(cubin_bytes, nvrtcGetCUBINSize, (nvrtc_program program, size_t * out))                                 \
    X(cubin, nvrtcGetCUBIN, (nvrtc_program program, char *out))                                              \
    X(ptx_bytes, nvrtcGetPTXSize, (nvrtc_program program, size_t * out))                                     \
    X(ptx, nvrtcGetPTX, (nvrtc_program program, char *out))

typedef struct cuda_driver {
    void *library; /* of dlopen */
#define X(name, function, parameters) cuda_result(*name) parameters;
    CUDA_FUNCTIONS(X)
#undef X
} cuda_driver;

typedef struct nvrtc {
    void *library;
    int major, minor; /* its version */
#define X(name, function, parameters) nvrtc_result(*name) parameters;
    NVRTC_FUNCTIONS(X)
#undef X
} nvrtc;

/* Opens libcuda.so.1 and initialises it. After a failure too the caller calls cuda_close. Errors:
   SIB_ERR_UNSUPPORTED (no driver, an old one, no device). */
sib_code cuda_open(cuda_driver *c, sib_error *err);
void cuda_close(cuda_driver *c);
/* The error of a call that gave r. Errors: SIB_ERR_MEMORY, else SIB_ERR_UNSUPPORTED, with what failed. */
sib_code cuda_check(const cuda_driver *c, cuda_result r, const char *what, sib_error *err);

/* Opens the newest libnvrtc of versions 11.2 to 13; all zero after a failure. Errors: SIB_ERR_UNSUPPORTED. */
sib_code nvrtc_open(nvrtc *n, sib_error *err);
void nvrtc_close(nvrtc *n);

#endif
