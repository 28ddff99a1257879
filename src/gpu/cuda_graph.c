#include "gpu/cuda_graph.h"

#include "base/assert.h"

sib_code cuda_recorder_open(cuda_recorder *r, const cuda_driver *c, gpu_device *device, cuda_stream stream,
                            const cuda_function *functions, sib_error *err)
{
    *r = (cuda_recorder){.c = c, .device = device, .stream = stream, .functions = functions};
    return gpu_list_open(&r->list, err);
}

/* A graph that the device works on goes when that is done. */
static void drop_graph(cuda_recorder *r, cuda_recording *of)
{
    if (of->exec)
        r->c->graph_exec_destroy(of->exec);
    if (of->graph)
        r->c->graph_destroy(of->graph);
    *of = (cuda_recording){0};
}

void cuda_recorder_close(cuda_recorder *r)
{
    for (size_t i = 0; i < GPU_RECORDS && r->c; i++)
        drop_graph(r, &r->recordings[i]);
    gpu_records_close(&r->records);
    gpu_list_close(&r->list);
}

bool cuda_recorder_full(const cuda_recorder *r)
{
    return r->list.n >= (r->working ? CUDA_NEXT : CUDA_FIRST);
}

void cuda_recorder_add(cuda_recorder *r, const gpu_command *c)
{
    SIB_ASSERT(r->list.n < CUDA_NEXT);
    r->list.commands[r->list.n++] = *c;
}

/* ---- Launches ------------------------------------------------------------------------------------------ */

/* A launch as the driver takes it. Parameters point into the command and to the addresses here. */
typedef struct prepared {
    cuda_address addresses[GPU_BUFFERS];
    void *parameters[1 + GPU_BUFFERS];
    cuda_kernel_node node;
} prepared;

static void prepare(const cuda_recorder *r, gpu_command *c, prepared *p)
{
    p->parameters[0] = c->args;
    for (size_t i = 0; i < GPU_BUFFERS; i++) {
        const gpu_place *place = &c->places[i];
        p->addresses[i] = (place->memory ? place->memory->address : 0) + place->offset;
        p->parameters[1 + i] = &p->addresses[i];
    }
    p->node = (cuda_kernel_node){.function = r->functions[c->kernel],
                                 .groups = {c->groups[0], c->groups[1], c->groups[2]},
                                 .threads = {gpu_kernel_threads(c->kernel), 1, 1},
                                 .parameters = p->parameters};
}

cuda_result cuda_recorder_launch(const cuda_recorder *r, cuda_stream stream, gpu_command *c)
{
    prepared p;
    prepare(r, c, &p);
    return r->c->launch(p.node.function, p.node.groups[0], p.node.groups[1], p.node.groups[2],
                        p.node.threads[0], 1, 1, 0, stream, p.parameters, NULL);
}

/* One after another. failed: receives the launch that failed. */
static cuda_result launch_each(cuda_recorder *r, gpu_list *l, size_t *failed)
{
    cuda_result result = CUDA_OK;
    for (size_t i = 0; i < l->n && result == CUDA_OK; i++) {
        *failed = i;
        result = cuda_recorder_launch(r, r->stream, &l->commands[i]);
    }
    return result;
}

/* ---- Graphs -------------------------------------------------------------------------------------------- */

/* The list as a graph, each launch behind the one before it. */
static cuda_result build(cuda_recorder *r, gpu_list *l, cuda_recording *out)
{
    cuda_result result = r->c->graph_create(&out->graph, 0);
    for (size_t i = 0; i < l->n && result == CUDA_OK; i++) {
        prepared p;
        prepare(r, &l->commands[i], &p);
        result = r->c->graph_add(&out->nodes[i], out->graph, i ? &out->nodes[i - 1] : NULL, i > 0, &p.node);
    }
    return result == CUDA_OK ? r->c->graph_instantiate(&out->exec, out->graph, 0) : result;
}

/* Makes a list of before the one that is to be submitted. */
static cuda_result change(cuda_recorder *r, int number, const gpu_list *to)
{
    gpu_list *l = &r->records.lists[number];
    cuda_recording *of = &r->recordings[number];
    cuda_result result = CUDA_OK;
    for (size_t i = 0; i < l->n; i++) {
        prepared p;
        if (gpu_commands_same(&l->commands[i], &to->commands[i], 1))
            continue;
        l->commands[i] = to->commands[i];
        prepare(r, &l->commands[i], &p);
        if (of->exec && result == CUDA_OK)
            result = r->c->graph_change(of->exec, of->nodes[i], &p.node);
    }
    return result;
}

/* The recording to launch for what is listed: its graph is NULL where the list is new, or no graph can be made of it.
   *result: of the driver's calls. */
static cuda_recording *find(cuda_recorder *r, gpu_list **list, cuda_result *result)
{
    size_t n = 0;
    int number = gpu_records_find(&r->records, &r->list);
    const bool again = number >= 0;
    if (!again)
        number = gpu_records_similar(&r->records, &r->list, &n);
    if (2 * n >= r->list.n && !gpu_records_full(&r->records))
        number = -1; /* both may come again */
    r->device->recorded += !again;
    if (number < 0) { /* new: it is kept, and becomes a graph when it comes again */
        if (gpu_records_keep(&r->records, &r->list, &number, NULL) != SIB_OK)
            return NULL;
        drop_graph(r, &r->recordings[number]);
    } else {
        cuda_recording *of = &r->recordings[number];
        *result = again ? CUDA_OK : change(r, number, &r->list);
        if (*result == CUDA_OK && !of->exec && !of->refused) {
            *result = build(r, &r->records.lists[number], of);
            r->device->recorded += again;
        }
        if (*result != CUDA_OK) {
            drop_graph(r, of);
            of->refused = true;
        }
    }
    *list = &r->records.lists[number];
    r->records.used[number] = ++r->device->submitted;
    return &r->recordings[number];
}

sib_code cuda_recorder_submit(cuda_recorder *r, sib_error *err)
{
    gpu_list *l = &r->list;
    size_t failed = 0;
    cuda_result result = CUDA_OK;
    if (!l->n)
        return SIB_OK;
    const cuda_recording *of = l->n < CUDA_GRAPH_MIN ? NULL : find(r, &l, &result);
    const bool graph = of && of->exec;
    if (result < CUDA_FAULTS) /* else the device is gone */
        result = graph ? r->c->graph_launch(of->exec, r->stream) : launch_each(r, l, &failed);
    r->list.n = 0;
    r->working = true;
    if (result != CUDA_OK)
        r->device->lost = true;
    return cuda_check(r->c, result, graph ? "a graph" : gpu_kernel_name(l->commands[failed].kernel), err);
}
