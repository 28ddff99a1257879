/* A folder of several files, each behind a line `=== NAME`: shards of a checkpoint and their index, a LoRA adapter in
   adapter/, which is merged, the configuration of an exported model. Imported, and opened as a job. */
#include "folder.h"
#include "fuzz.h"

#include <sibyl/build.h>
#include <sibyl/import.h>
#include <sibyl/job.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FILES 12
#define MAX_NAME  60
#define ADAPTER   "adapter"
#define MARK      "=== "

/* The line's name, where it begins a file: of letters, digits and ._- alone, in the folder or in ADAPTER. */
static int name_of(const uint8_t *line, size_t n, char name[MAX_NAME + 1])
{
    const char *rest = name;
    if (n <= sizeof MARK - 1 || n > sizeof MARK - 1 + MAX_NAME || memcmp(line, MARK, sizeof MARK - 1) != 0)
        return 0;
    n -= sizeof MARK - 1;
    memcpy(name, line + sizeof MARK - 1, n);
    name[n] = '\0';
    if (!strncmp(name, ADAPTER "/", sizeof ADAPTER))
        rest += sizeof ADAPTER;
    return *rest && *rest != '.' && strlen(name) == n &&
           strspn(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(rest);
}

/* Writes the files. Returns nonzero where one of them is of an adapter. */
static int write_files(const uint8_t *data, size_t n)
{
    char name[MAX_NAME + 1] = "", next[MAX_NAME + 1], path[100];
    size_t begin = 0, files = 0;
    int adapter = 0;
    snprintf(path, sizeof path, "%s/" ADAPTER, fuzz_folder());
    mkdir(path, 0700);
    for (size_t at = 0, end; at <= n; at = end + 1) {
        const uint8_t *stop = at < n ? memchr(data + at, '\n', n - at) : NULL;
        end = stop ? (size_t)(stop - data) : n;
        if (end < n && !name_of(data + at, end - at, next))
            continue;
        if (*name && files++ < MAX_FILES)
            fuzz_folder_file(name, data + begin, (end == n ? n : at) - begin);
        adapter |= !strncmp(name, ADAPTER "/", sizeof ADAPTER);
        memcpy(name, next, sizeof name);
        begin = end + 1;
        if (end == n)
            break;
    }
    return adapter;
}

/* model.onnx: logits [B, S, 8] of input_ids [B, S]. */
static sib_code write_model(sib_error *err)
{
    static const char *const symbols[] = {"B", "S"}, *const in[] = {"table", "input_ids"},
                             *const out[] = {"logits"};
    static const int64_t dims[] = {8, 8}, any[] = {-1, -1};
    static float table[64];
    const sib_build_node node = {
        .type = "Gather", .n_inputs = 2, .n_outputs = 1, .inputs = in, .outputs = out};
    char path[100];
    sib_build *b = NULL;
    sib_model *m = NULL;
    sib_tensor *t = NULL;
    sib_code code = sib_tensor_wrap(SIB_F32, 2, dims, NULL, table, NULL, NULL, &t, err);
    if (code == SIB_OK)
        code = sib_build_create(20, &b, err);
    if (code == SIB_OK)
        code = sib_build_constant(b, "table", t, err);
    if (code == SIB_OK)
        code = sib_build_input(b, "input_ids", SIB_I64, 2, any, symbols, err);
    if (code == SIB_OK)
        code = sib_build_add(b, &node, err);
    if (code == SIB_OK)
        code = sib_build_output(b, "logits", err);
    if (code == SIB_OK)
        code = sib_build_model(&b, &m, err);
    snprintf(path, sizeof path, "%s/model.onnx", fuzz_folder());
    if (code == SIB_OK)
        code = sib_model_save(m, path, NULL, err);
    sib_tensor_free(&t);
    sib_build_free(&b);
    sib_model_free(&m);
    return code;
}

void fuzz_folder_of_files(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT, of_job = SIB_ERROR_INIT;
    sib_import_report *report = NULL;
    sib_job *job = NULL;
    char *text = NULL;
    char lora[100];
    const char *path = fuzz_folder();
    snprintf(lora, sizeof lora, "%s/" ADAPTER, path);
    fuzz_folder_clear();
    if (write_model(&err) != SIB_OK)
        fuzz_fail("no model: %s", err.message);
    const int adapter = write_files(data, n);
    sib_cancel *cancel = fuzz_cancel_begin();
    const sib_import_options options = {.cancel = cancel, .lora = adapter ? lora : NULL, .check = true};
    fuzz_code(sib_import(&path, 1, NULL, &options, &report, &err), &err);
    fuzz_cancel_end(&cancel);
    sib_import_report_free(&report);
    const sib_job_options job_options = {.threads = 1, .backends = "ref"};
    fuzz_code(sib_job_describe(path, &job_options, &text, &of_job), &of_job);
    sib_free(text);
    of_job = (sib_error)SIB_ERROR_INIT;
    fuzz_code(sib_job_open(path, &job_options, &job, &of_job), &of_job);
    sib_job_free(&job);
}
