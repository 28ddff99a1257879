/* The files that exporters write beside a decoder: those of Hugging Face's layout, and genai_config.json of
   onnxruntime-genai. */
#ifndef JOB_EXPORTED_FILES_H
#define JOB_EXPORTED_FILES_H

#include <jansson.h>
#include <sibyl/base.h>

typedef struct exported_files {
    const char
        *above; /* from the model's folder to that of the files: "" or "../", for models in a folder onnx/ */
    json_t *genai, *config, *generation, *tokenizer; /* NULL where there is no such file */
    bool has_template;                               /* a chat_template.jinja */
} exported_files;

/* Reads those beside a model. out: exported_files_clear, also after a failure. Errors: SIB_ERR_IO, SIB_ERR_FORMAT
   (a file that is no JSON object), SIB_ERR_MEMORY. */
sib_code exported_files_read(const char *model, exported_files *out, sib_error *err);
void exported_files_clear(exported_files *f);

/* The object of a file of JSON; *out is NULL where there is no such file, otherwise the caller's, also after a failure.
   Errors: likewise. */
sib_code exported_read_object(const char *path, json_t **out, sib_error *err);

/* The decoder that is exported to a folder, as genai_config.json or its name says, or its only .onnx file. *out:
   release with mem_free. Errors: SIB_ERR_IO (no model, or several), SIB_ERR_FORMAT, SIB_ERR_MEMORY. */
sib_code exported_model_in(const char *folder, char **out, sib_error *err);

#endif
