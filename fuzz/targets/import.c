/* A folder in Hugging Face's layout: config.json, a line of three dashes, and the weights of its safetensors as folder.h has
   them. Read by whatever recipe it has. */
#include "folder.h"
#include "fuzz.h"

#include <sibyl/import.h>

void fuzz_import(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_import_report *report = NULL;
    size_t n_config, n_weights;
    const uint8_t *weights;
    uint64_t hash = fuzz_hash(data, n);
    fuzz_cut(data, n, "---", &n_config, &weights, &n_weights);
    fuzz_folder_file("config.json", data, n_config);
    fuzz_folder_file("model.safetensors", weights, n_weights);
    sib_cancel *cancel = fuzz_cancel_begin();
    const char *path = fuzz_folder();
    const sib_import_options options = {.cancel = cancel,
                                        .dtype = hash % 3 == 0   ? SIB_F16
                                                 : hash % 3 == 1 ? SIB_I8
                                                                 : SIB_F32,
                                        .opset = hash % 5 == 0 ? 21 : 0,
                                        .check = hash % 16 == 0};
    fuzz_code(sib_import(&path, 1, NULL, &options, &report, &err), &err);
    fuzz_cancel_end(&cancel);
    sib_import_report_free(&report);
}
