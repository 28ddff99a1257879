/* Helpers for files that must be read, and files that must be rejected. */
#ifndef TESTS_ONNX_READING_H
#define TESTS_ONNX_READING_H

#include "bytes.h"
#include "onnx/onnx.h"

/* Reads and verifies a model; frees the file. */
static inline onnx_model *read_model(bytes file, const sib_open_options *options)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m;
    CHECK_OK(onnx_read_bytes(file.data, file.n, options, &m, &err), err);
    CHECK_OK(graph_verify(m->graph, &err), err);
    b_free(&file);
    return m;
}

static inline void check_refused(bytes file, const sib_open_options *options, sib_code code,
                                 const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m;
    CHECK_FAILS(onnx_read_bytes(file.data, file.n, options, &m, &err), code, err, words);
    assert_null(m);
    b_free(&file);
}

#endif
