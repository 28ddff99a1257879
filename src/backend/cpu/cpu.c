/* The fast backend's symbol: looks nodes up in the table and calls their kernels. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/call/scratch.h"

#include <string.h>

#define DOMAIN_ONNX  ""
#define DOMAIN_ML    "ai.onnx.ml"
#define DOMAIN_MS    "com.microsoft"
#define DOMAIN_SIBYL "ai.sibyl"

static const cpu_kernel *const milli_kernels[MILLI_COUNT] = {
#define CPU_OP(domain, name, kernel)
#define CPU_MILLI(name, kernel) [MILLI_##name] = &kernel,
#include "backend/cpu/cpu.def"
#undef CPU_OP
#undef CPU_MILLI
};

static const struct op_row {
    const char *domain, *name;
    const cpu_kernel *kernel;
} op_kernels[] = {
#define CPU_OP(domain, name, kernel) {DOMAIN_##domain, #name, &kernel},
#define CPU_MILLI(name, kernel)
#include "backend/cpu/cpu.def"
#undef CPU_OP
#undef CPU_MILLI
    {NULL, NULL, NULL},
};

static const cpu_kernel *kernel_for(const cpu_self *self, const node_view *n)
{
    if (n->node->milli) {
        const cpu_kernel *k = milli_kernels[n->node->milli->kind];
        return k && k->claims(self, n) ? k : NULL;
    }
    for (const struct op_row *row = op_kernels; row->name; row++)
        if (str_is(n->node->type, row->name) && str_is(n->node->domain, row->domain) &&
            row->kernel->claims(self, n))
            return row->kernel;
    return NULL;
}

/* ---- The backend ------------------------------------------------------------------------------------- */

/* A step of the plan: the kernel and what it prepared. */
typedef struct cpu_step {
    const cpu_kernel *kernel;
    void *state;
} cpu_step;

static sib_code cpu_open(const sib_backend_options *options, void **self, sib_error *err)
{
    cpu_self *cpu = mem_calloc(1, sizeof *cpu);
    *self = cpu;
    if (!cpu)
        return err_memory(err, sizeof *cpu, "the cpu backend");
    cpu->pool = options ? options->pool : NULL;
    cpu->packs = options ? options->packs : NULL;
    cpu->file_packs = options && options->file_packs ? options->file_packs : cpu->packs;
    cpu->tuning = options ? options->tuning : NULL;
    cpu->kernels = kernel_table_get();
    cpu->kernel_for = kernel_for;
    cpu->scratch = cpu_scratch_create();
    if (cpu->scratch)
        return SIB_OK;
    mem_free(cpu);
    *self = NULL;
    return err_memory(err, sizeof *cpu, "the cpu backend");
}

static void cpu_close(void **self)
{
    cpu_self *cpu = *self;
    if (cpu)
        cpu_scratch_free(cpu->scratch);
    mem_free(cpu);
    *self = NULL;
}

static bool cpu_claims(const void *self, const node_view *n)
{
    return kernel_for(self, n) != NULL;
}

static sib_code cpu_prepare(void *self, const node_view *n, step *s, sib_error *err)
{
    cpu_step *made = mem_calloc(1, sizeof *made);
    if (!made)
        return err_memory(err, sizeof *made, "a step");
    made->kernel = kernel_for(self, n);
    sib_code code = made->kernel->prepare ? made->kernel->prepare(self, n, &made->state, err) : SIB_OK;
    if (code != SIB_OK) {
        mem_free(made);
        return code;
    }
    s->state = made;
    for (size_t i = 0; i < n->n_in && i < 64 && made->kernel->reads; i++)
        if (n->in[i] && n->in[i]->constant && !made->kernel->reads(made->state, i))
            s->unread |= UINT64_C(1) << i;
    return SIB_OK;
}

static void cpu_release(step *s)
{
    cpu_step *made = s->state;
    if (made && made->state) {
        if (made->kernel->release)
            made->kernel->release(made->state);
        else
            mem_free(made->state);
    }
    mem_free(made);
    s->state = NULL;
}

static sib_code cpu_run(const step *s, const buffer *const *in, buffer *const *out,
                        const struct sib_cancel *cancel, sib_error *err)
{
    const cpu_step *made = s->state;
    cpu_call c = {.view = &s->view,
                  .node = s->view.node,
                  .self = s->self,
                  .state = made->state,
                  .in = in,
                  .out = out,
                  .cancel = cancel,
                  .err = err};
    return made->kernel->run(&c);
}

/* The kernel's name in cpu.def, or its method. */
static const char *kernel_text(const cpu_kernel *kernel, const void *state)
{
    static const struct {
        const cpu_kernel *kernel;
        const char *name;
    } names[] = {
#define CPU_OP(domain, name, kernel) {&kernel, #kernel},
#define CPU_MILLI(name, kernel)      {&kernel, #kernel},
#include "backend/cpu/cpu.def"
#undef CPU_OP
#undef CPU_MILLI
    };
    const void *head_state = NULL;
    const cpu_kernel *head = kernel->head ? kernel->head(state, &head_state) : NULL;
    if (head) { /* which has none itself */
        kernel = head;
        state = head_state;
    }
    const char *method = kernel->method ? kernel->method(state) : NULL;
    if (method)
        return method;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].kernel == kernel)
            return names[i].name + strlen("cpu_");
    return NULL;
}

static const char *cpu_step_kernel(const step *s)
{
    const cpu_step *made = s->state;
    return kernel_text(made->kernel, made->state);
}

const sib_backend backend_cpu = {
    .name = "cpu",
    .description = "fast kernels for this machine's processors",
    .open = cpu_open,
    .close = cpu_close,
    .claims = cpu_claims,
    .prepare = cpu_prepare,
    .release = cpu_release,
    .run = cpu_run,
    .kernel = cpu_step_kernel,
};
