/* Writes seeds of the targets that the tests have files for: fuzz_seeds FOLDER FILE.cases... makes FOLDER/TARGET/NAME of
   the tests' checkpoints, tokenizers and operator cases. */
#include "seeds.h"
#include "import/read/torch_files.h"
#include "ops/case.h"

#include <sys/stat.h>
#include <unistd.h>

/* Larger ones make slow inputs and say no more. */
#define MAX_BYTES 3000

static const char *out;

void write_seed(const char *target, const char *name, const void *data, size_t n)
{
    char path[4096];
    if (n > MAX_BYTES)
        return;
    mkdir(out, 0777);
    snprintf(path, sizeof path, "%s/%s", out, target);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", out, target, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f)) {
        fprintf(stderr, "%s: cannot be written\n", path);
        exit(1);
    }
}

/* ---- Checkpoints ---------------------------------------------------------------------------- */

static void write_checkpoints(void)
{
    static const char *const targets[][2] = {
        {"safetensors", "safetensors"}, {"whisper", "ggml"},   {"rwkv", "ggml"}, {"gguf", "gguf"},
        {"torch", "pytorch"},           {"pytorch", "pytorch"}};
    const char *name;
    for (size_t i = 0;; i++) {
        bytes b = file_sample(i, &name);
        if (!b.data)
            return;
        char file[100];
        snprintf(file, sizeof file, "sample_%zu", i);
        for (size_t k = 0; k < sizeof targets / sizeof *targets; k++)
            if (strstr(name, targets[k][0])) {
                write_seed(targets[k][1], file, b.data, b.n);
                break;
            }
        b_free(&b);
    }
}

/* ---- Models ------------------------------------------------------------------------------------------------ */

static char *temporary(void)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/temporary", out);
    return path;
}

/* Appends the file that was written at the temporary path as a field of a message. */
static void append(bytes *b, unsigned field)
{
    static uint8_t data[1 << 16];
    FILE *f = fopen(temporary(), "rb");
    assert_non_null(f);
    size_t n = fread(data, 1, sizeof data, f);
    fclose(f);
    b_raw(b, field, data, n);
}

/* A session's message: the model, and the values of its inputs. */
static void write_case(const op_case *c, case_mode mode)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m = NULL;
    bytes b = {0};
    char name[300];
    if (case_model(c, mode, &m, &err) != SIB_OK || onnx_write_file(m, temporary(), NULL, &err) != SIB_OK) {
        onnx_free(&m);
        return;
    }
    append(&b, 1);
    const uint8_t *model = b.data + 1;
    while (*model++ & 0x80) {
    }
    snprintf(name, sizeof name, "%s_%s_%u_%d", c->domain.length ? c->domain.data : "ai.onnx", c->name.data,
             c->line, (int)mode);
    write_seed("onnx", name, model, b.n - (size_t)(model - b.data));
    for (size_t i = 0, k = 0; i < c->n_in; i++) {
        char input[48];
        snprintf(input, sizeof input, "x%zu", i);
        if (k >= m->graph->inputs.n || c->in[i].omitted)
            continue;
        sib_str is = m->graph->values[m->graph->inputs.ids[k]].name;
        if (is.length != strlen(input) || memcmp(is.data, input, is.length))
            continue;
        k++;
        if (onnx_write_value(temporary(), c->in[i].value, input, &err) == SIB_OK)
            append(&b, 2);
    }
    write_seed("session", name, b.data, b.n);
    b_free(&b);
    onnx_free(&m);
}

typedef struct visited {
    unsigned line, n;
    char name[100];
} visited;

/* Of each line one case, in a mode that goes round. */
static bool visit(void *context, const op_case *c)
{
    visited *v = context;
    if (c->line == v->line)
        return true;
    v->line = c->line;
    write_case(c, (case_mode)(v->n++ % CASE_FOLDED));
    return true;
}

static bool malformed(void *context, const char *file, unsigned line, const char *words)
{
    (void)context;
    fprintf(stderr, "%s:%u: %s\n", file, line, words);
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER FILE.cases...\n", argv[0]);
        return 2;
    }
    out = argv[1];
    write_checkpoints();
    write_tokenizers();
    for (int i = 2; i < argc; i++) {
        sib_error err = SIB_ERROR_INIT;
        visited v = {0};
        const case_visitor visitor = {visit, malformed, &v};
        if (case_each(argv[i], &visitor, &err) != SIB_OK) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
    }
    unlink(temporary());
    return 0;
}
