/* A libcuda for tests: a device in this process's memory, whose kernels are the host's. As on a device, nothing
   of a stream happens before somebody waits, and what was queued after an event not with it; so a driver that
   reads too early reads nothing. Streams that do not wait for each other run in turns. fake_cuda_fail makes calls fail. */
#include "gpu/dialect/groups.h"

#include "gpu/cuda_open.h"
#include "tests/gpu/fake/fake.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ALLOCATIONS_MAX 256

typedef struct CUevent_st {
    unsigned looks;            /* since it was recorded */
    unsigned recorded, passed; /* number of the last record, and of the last that the device came to */
    double ms;                 /* of the device's clock */
} event;

typedef struct CUmod_st {
    char name[64];
} module;

typedef struct CUfunc_st {
    int kernel;
} function;

typedef struct CUstream_st {
    int unused;
} stream_state;

/* What waits on a stream. */
typedef struct operation {
    enum { COPY, LAUNCH, MARK, WAIT } kind;
    cuda_stream stream;
    void *to, *from; /* COPY: from is owned where it is copied at once, as from pageable memory */
    size_t bytes;
    int kernel;
    host_group group;
    uint32_t groups[3];
    unsigned char args[128];
    event *mark;
    unsigned number; /* MARK, WAIT: the record */
    struct operation *next;
} operation;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static operation *first, **end = &first;
static struct {
    unsigned char *bytes;
    size_t n;
} allocations[ALLOCATIONS_MAX];
static double clock_ms;
static fake_counts calls;

/* ---- Failures ------------------------------------------------------------------------------------------ */

#define KERNELS (sizeof host_kernels / sizeof *host_kernels)

static struct {
    char call[32];
    int after, result;
} failure;

void fake_cuda_fail(const char *call, int after, int result)
{
    snprintf(failure.call, sizeof failure.call, "%s", call);
    failure.after = after;
    failure.result = result;
}

/* The result that a call is to give: of the failing one from its turn on. */
static int fails(const char *call)
{
    if (strcmp(failure.call, call))
        return CUDA_OK;
    return failure.after-- > 0 ? CUDA_OK : failure.result;
}

#define FAIL_IF(call)                                                                                        \
    do {                                                                                                     \
        const int failed = fails(call);                                                                      \
        if (failed)                                                                                          \
            return failed;                                                                                   \
    } while (0)

/* ---- Streams ------------------------------------------------------------------------------------------- */

static operation *push(operation value)
{
    operation *o = malloc(sizeof *o);
    if (!o)
        abort();
    *o = value;
    o->next = NULL;
    *end = o;
    end = &o->next;
    return o;
}

/* Where the first of a stream stands in the list. */
static operation **next_of(cuda_stream stream)
{
    operation **at = &first;
    while ((*at)->stream != stream)
        at = &(*at)->next;
    return at;
}

/* The record of an event that the device has not come to; NULL: it has. */
static const operation *record_of(const event *mark, unsigned number)
{
    const operation *o = first;
    while (o && (o->kind != MARK || o->mark != mark || o->number != number))
        o = o->next;
    return o;
}

/* What the next operation of a stream waits for; NULL: nothing. */
static const operation *awaited(const operation *o)
{
    return o->kind == WAIT ? record_of(o->mark, o->number) : NULL;
}

/* Runs the next operation of a stream, which waits for nothing. */
static int run_next(cuda_stream stream)
{
    operation **at = next_of(stream), *o = *at;
    *at = o->next;
    if (end == &o->next)
        end = at;
    clock_ms += 0.001;
    if (o->kind == COPY)
        memcpy(o->to, o->from, o->bytes);
    if (o->kind == LAUNCH)
        host_run(&o->group, (unsigned)o->kernel, o->groups, o->args);
    if (o->kind == MARK) {
        o->mark->passed = o->number;
        o->mark->ms = clock_ms;
    }
    const int result = o->group.fault ? 700 : CUDA_OK; /* an illegal address */
    free(o);
    return result;
}

/* The next operation of another stream may come at any time. */
static int run_other(cuda_stream stream)
{
    const operation *o = first;
    while (o && o->stream == stream)
        o = o->next;
    return !o || awaited(o) ? CUDA_OK : run_next(o->stream);
}

/* Runs what is queued on an operation's stream, up to it, and on others what that waits for. */
static int run_to(const operation *last)
{
    int result = CUDA_OK;
    const cuda_stream stream = last->stream;
    for (bool done = false; !done;) {
        const operation *o = *next_of(stream), *other = awaited(o);
        const int before = other ? run_to(other) : CUDA_OK;
        done = o == last;
        const int own = run_next(stream), beside = run_other(stream);
        result = result ? result : before ? before : own ? own : beside;
    }
    return result;
}

static void run_all(void)
{
    while (first)
        run_to(first);
}

fake_counts fake_cuda_calls(void)
{
    return calls;
}

void fake_cuda_rest(double ms)
{
    pthread_mutex_lock(&lock);
    run_all();
    clock_ms += ms;
    pthread_mutex_unlock(&lock);
}

/* The allocation that holds an address, and how many bytes follow it there; 0: none. */
static size_t bytes_behind(cuda_address address)
{
    const unsigned char *at = (const unsigned char *)(uintptr_t)address;
    for (int i = 0; i < ALLOCATIONS_MAX; i++)
        if (allocations[i].bytes && at >= allocations[i].bytes &&
            at < allocations[i].bytes + allocations[i].n)
            return (size_t)(allocations[i].bytes + allocations[i].n - at);
    return 0;
}

/* ---- libcuda ------------------------------------------------------------------------------------------- */

#define CALL(name, function, parameters)                                                                     \
    __attribute__((visibility("default"))) cuda_result function parameters;
CUDA_FUNCTIONS(CALL)
#undef CALL

cuda_result cuInit(unsigned flags)
{
    (void)flags;
    return fails("init");
}

cuda_result cuDriverGetVersion(int *out)
{
    *out = 12080;
    return CUDA_OK;
}

cuda_result cuGetErrorString(cuda_result r, const char **out)
{
    *out = r == 700 ? "an illegal memory access was encountered" : "a failure that a test asked for";
    return CUDA_OK;
}

cuda_result cuDeviceGetCount(int *out)
{
    *out = 2;
    return CUDA_OK;
}

cuda_result cuDeviceGet(int *out, int number)
{
    *out = number;
    return number < 2 ? CUDA_OK : CUDA_BAD_DEVICE;
}

cuda_result cuDeviceGetName(char *out, int size, int device)
{
    snprintf(out, (size_t)size, "fake device %d", device);
    return CUDA_OK;
}

cuda_result cuDeviceTotalMem_v2(size_t *out, int device)
{
    (void)device;
    *out = (size_t)1 << 30;
    return CUDA_OK;
}

cuda_result cuDeviceGetAttribute(int *out, int attribute, int device)
{
    (void)device;
    *out = attribute == CUDA_COMPUTE_MAJOR ? 9 : 0;
    return CUDA_OK;
}

static int context; /* its address is one */
static _Thread_local int depth;

cuda_result cuDevicePrimaryCtxRetain(cuda_context *out, int device)
{
    (void)device;
    *out = (cuda_context)(void *)&context;
    return fails("context_retain");
}

cuda_result cuDevicePrimaryCtxRelease_v2(int device)
{
    (void)device;
    return CUDA_OK;
}

cuda_result cuCtxPushCurrent_v2(cuda_context c)
{
    depth++;
    return c == (cuda_context)(void *)&context ? CUDA_OK : 201;
}

cuda_result cuCtxPopCurrent_v2(cuda_context *out)
{
    *out = (cuda_context)(void *)&context;
    return depth-- > 0 ? CUDA_OK : 201;
}

cuda_result cuStreamCreate(cuda_stream *out, unsigned flags)
{
    (void)flags;
    *out = calloc(1, sizeof **out);
    return !*out ? CUDA_OUT_OF_MEMORY : depth ? fails("stream_create") : 201;
}

cuda_result cuStreamDestroy_v2(cuda_stream stream)
{
    pthread_mutex_lock(&lock);
    run_all();
    pthread_mutex_unlock(&lock);
    free(stream);
    return CUDA_OK;
}

cuda_result cuEventCreate(cuda_event *out, unsigned flags)
{
    (void)flags;
    *out = calloc(1, sizeof **out);
    return *out ? CUDA_OK : CUDA_OUT_OF_MEMORY;
}

cuda_result cuEventDestroy_v2(cuda_event e)
{
    pthread_mutex_lock(&lock);
    run_all();
    pthread_mutex_unlock(&lock);
    free(e);
    return CUDA_OK;
}

cuda_result cuEventRecord(cuda_event e, cuda_stream stream)
{
    FAIL_IF("event_record");
    pthread_mutex_lock(&lock);
    e->looks = 0;
    push((operation){.kind = MARK, .stream = stream, .mark = e, .number = ++e->recorded});
    pthread_mutex_unlock(&lock);
    return CUDA_OK;
}

/* The first look finds the device at work. */
cuda_result cuEventQuery(cuda_event e)
{
    FAIL_IF("event_query");
    pthread_mutex_lock(&lock);
    const operation *o = record_of(e, e->recorded);
    const int result = !o ? CUDA_OK : e->looks++ ? run_to(o) : CUDA_NOT_READY;
    pthread_mutex_unlock(&lock);
    return result;
}

cuda_result cuEventElapsedTime(float *ms, cuda_event begin, cuda_event last)
{
    *ms = (float)(last->ms - begin->ms);
    return begin->passed == begin->recorded && last->passed == last->recorded ? CUDA_OK : CUDA_NOT_READY;
}

cuda_result cuStreamWaitEvent(cuda_stream stream, cuda_event e, unsigned flags)
{
    (void)flags;
    FAIL_IF("stream_wait");
    pthread_mutex_lock(&lock);
    push((operation){.kind = WAIT, .stream = stream, .mark = e, .number = e->recorded});
    pthread_mutex_unlock(&lock);
    return CUDA_OK;
}

cuda_result cuPointerGetAttribute(void *out, int attribute, cuda_address address)
{
    pthread_mutex_lock(&lock);
    const bool inside = bytes_behind(address) > 0;
    pthread_mutex_unlock(&lock);
    if (attribute != CUDA_ORDINAL || !inside)
        return 1;
    *(int *)out = 0;
    return CUDA_OK;
}

cuda_result cuMemAlloc_v2(cuda_address *out, size_t bytes)
{
    FAIL_IF("mem_alloc");
    if (!depth)
        return 201;
    pthread_mutex_lock(&lock);
    int i = 0;
    while (i < ALLOCATIONS_MAX && allocations[i].bytes)
        i++;
    if (i < ALLOCATIONS_MAX) {
        allocations[i].bytes = aligned_alloc(256, (bytes + 255) / 256 * 256);
        allocations[i].n = bytes;
        *out = (uintptr_t)allocations[i].bytes;
    }
    pthread_mutex_unlock(&lock);
    return i < ALLOCATIONS_MAX && *out ? CUDA_OK : CUDA_OUT_OF_MEMORY;
}

cuda_result cuMemFree_v2(cuda_address address)
{
    int result = 1;
    pthread_mutex_lock(&lock);
    run_all();
    for (int i = 0; i < ALLOCATIONS_MAX; i++)
        if (address && (uintptr_t)allocations[i].bytes == address) {
            free(allocations[i].bytes);
            allocations[i].bytes = NULL;
            result = CUDA_OK;
        }
    pthread_mutex_unlock(&lock);
    return result;
}

cuda_result cuMemHostAlloc(void **out, size_t bytes, unsigned flags)
{
    (void)flags;
    FAIL_IF("host_alloc");
    *out = malloc(bytes);
    return *out ? CUDA_OK : CUDA_OUT_OF_MEMORY;
}

cuda_result cuMemFreeHost(void *memory)
{
    pthread_mutex_lock(&lock);
    run_all();
    pthread_mutex_unlock(&lock);
    free(memory);
    return CUDA_OK;
}

cuda_result cuMemcpyHtoDAsync_v2(cuda_address to, const void *from, size_t bytes, cuda_stream stream)
{
    FAIL_IF("copy_in");
    pthread_mutex_lock(&lock);
    const bool inside = bytes_behind(to) >= bytes;
    if (inside)
        push((operation){.kind = COPY,
                         .stream = stream,
                         .to = (void *)(uintptr_t)to,
                         .from = (void *)(uintptr_t)from,
                         .bytes = bytes});
    pthread_mutex_unlock(&lock);
    return inside ? CUDA_OK : 1;
}

cuda_result cuMemcpyDtoHAsync_v2(void *to, cuda_address from, size_t bytes, cuda_stream stream)
{
    FAIL_IF("copy_out");
    pthread_mutex_lock(&lock);
    const bool inside = bytes_behind(from) >= bytes;
    if (inside)
        push((operation){
            .kind = COPY, .stream = stream, .to = to, .from = (void *)(uintptr_t)from, .bytes = bytes});
    pthread_mutex_unlock(&lock);
    return inside ? CUDA_OK : 1;
}

/* An image of the fake compiler is text that names its kernel. */
cuda_result cuModuleLoadData(cuda_module *out, const void *image)
{
    FAIL_IF("module_load");
    if (strncmp(image, FAKE_IMAGE, strlen(FAKE_IMAGE)))
        return CUDA_BAD_IMAGE;
    *out = calloc(1, sizeof **out);
    if (!*out)
        return CUDA_OUT_OF_MEMORY;
    snprintf((*out)->name, sizeof(*out)->name, "gpu_%s", (const char *)image + strlen(FAKE_IMAGE));
    return CUDA_OK;
}

cuda_result cuModuleUnload(cuda_module m)
{
    free(m);
    return CUDA_OK;
}

cuda_result cuModuleGetFunction(cuda_function *out, cuda_module m, const char *name)
{
    static function all[KERNELS];
    FAIL_IF("module_function");
    for (size_t i = 0; i < KERNELS && !strcmp(m->name, name); i++)
        if (!strcmp(host_kernels[i].name, name + strlen("gpu_"))) {
            all[i].kernel = (int)i;
            *out = &all[i];
            return CUDA_OK;
        }
    return 500; /* not found */
}

/* A launch as an operation of the stream; false where the device takes no such one. */
static bool launch_of(const cuda_kernel_node *n, operation *out)
{
    const int kernel = n->function->kernel;
    *out =
        (operation){.kind = LAUNCH, .kernel = kernel, .groups = {n->groups[0], n->groups[1], n->groups[2]}};
    if (n->threads[0] != host_kernels[kernel].threads || n->threads[1] != 1 || n->threads[2] != 1 ||
        n->groups[1] > 65535 || n->groups[2] > 65535)
        return false;
    memcpy(out->args, n->parameters[0], host_kernels[kernel].args_bytes);
    for (int i = 0; i < HOST_BUFFERS; i++) {
        const cuda_address address = *(cuda_address *)n->parameters[1 + i];
        out->group.words[i] = (uint32_t *)(uintptr_t)address;
        out->group.n_words[i] = address ? bytes_behind(address) / 4 : 0;
    }
    return true;
}

cuda_result cuLaunchKernel(cuda_function f, unsigned x, unsigned y, unsigned z, unsigned threads_x,
                           unsigned threads_y, unsigned threads_z, unsigned shared_bytes, cuda_stream stream,
                           void **parameters, void **more)
{
    operation o;
    FAIL_IF("launch");
    pthread_mutex_lock(&lock);
    const bool good = launch_of(
        &(cuda_kernel_node){f, {x, y, z}, {threads_x, threads_y, threads_z}, shared_bytes, parameters, more},
        &o);
    o.stream = stream;
    if (good)
        push(o);
    calls.launches += good;
    pthread_mutex_unlock(&lock);
    return good ? CUDA_OK : 1;
}

/* ---- Graphs: lists of launches, of which an executable one is a copy ---------------------------------- */

#define NODES_MAX 256

typedef struct CUgraphNode_st {
    size_t number;
} node;

typedef struct CUgraph_st {
    size_t n;
    operation launches[NODES_MAX];
    node nodes[NODES_MAX];
} graph;

typedef struct CUgraphExec_st {
    graph of;
} graph_exec;

cuda_result cuGraphCreate(cuda_graph *out, unsigned flags)
{
    (void)flags;
    FAIL_IF("graph_create");
    *out = calloc(1, sizeof **out);
    return *out ? CUDA_OK : CUDA_OUT_OF_MEMORY;
}

cuda_result cuGraphDestroy(cuda_graph g)
{
    free(g);
    return CUDA_OK;
}

/* Each node comes after the last one. */
cuda_result cuGraphAddKernelNode(cuda_node *out, cuda_graph g, const cuda_node *after, size_t n,
                                 const cuda_kernel_node *params)
{
    FAIL_IF("graph_add");
    if (g->n == NODES_MAX || n != (g->n > 0) || (n && *after != &g->nodes[g->n - 1]))
        return 1;
    pthread_mutex_lock(&lock);
    const bool good = launch_of(params, &g->launches[g->n]);
    pthread_mutex_unlock(&lock);
    g->nodes[g->n].number = g->n;
    *out = &g->nodes[g->n];
    g->n += good;
    return good ? CUDA_OK : 1;
}

cuda_result cuGraphInstantiateWithFlags(cuda_graph_exec *out, cuda_graph g, unsigned long long flags)
{
    (void)flags;
    FAIL_IF("graph_instantiate");
    *out = malloc(sizeof **out);
    if (*out)
        (*out)->of = *g;
    calls.graphs++;
    return *out ? CUDA_OK : CUDA_OUT_OF_MEMORY;
}

cuda_result cuGraphExecDestroy(cuda_graph_exec x)
{
    free(x);
    return CUDA_OK;
}

cuda_result cuGraphExecKernelNodeSetParams(cuda_graph_exec x, cuda_node n, const cuda_kernel_node *to)
{
    operation o;
    FAIL_IF("graph_change");
    pthread_mutex_lock(&lock);
    const bool good = launch_of(to, &o);
    if (good)
        x->of.launches[n->number] = o;
    calls.changes++;
    pthread_mutex_unlock(&lock);
    return good ? CUDA_OK : 1;
}

cuda_result cuGraphLaunch(cuda_graph_exec x, cuda_stream stream)
{
    FAIL_IF("graph_launch");
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < x->of.n; i++) {
        operation o = x->of.launches[i];
        o.stream = stream;
        push(o);
    }
    calls.graph_launches++;
    pthread_mutex_unlock(&lock);
    return CUDA_OK;
}
