/* What tests ask of the fake libraries of CUDA. */
#ifndef TESTS_GPU_FAKE_H
#define TESTS_GPU_FAKE_H

/* How an image of the fake compiler begins; the kernel's name follows. */
#define FAKE_IMAGE "fake image of "

/* Of libcuda.so.1: the call of that name in the table CUDA_FUNCTIONS gives `result` after so many good ones, and from then
   on; "": none. */
typedef void fake_fail(const char *call, int after, int result);
__attribute__((visibility("default"))) fake_fail fake_cuda_fail;
/* Of libcuda.so.1: the device does what is queued, and then nothing for so long by its clock. */
typedef void fake_rest(double ms);
__attribute__((visibility("default"))) fake_rest fake_cuda_rest;
/* Of libcuda.so.1: what was called so far. */
typedef struct fake_counts {
    int launches, graphs, changes, graph_launches; /* one by one; made; of a launch in a graph; of a graph */
} fake_counts;
typedef fake_counts fake_calls(void);
__attribute__((visibility("default"))) fake_calls fake_cuda_calls;
/* Of libnvrtc.so.12: how many kernels were compiled. */
typedef int fake_count(void);
__attribute__((visibility("default"))) fake_count fake_nvrtc_compiled;

#endif
