/* Functions written in ONNX's textual syntax, as the FunctionProto that a file would hold. */
#ifndef ONNX_TEXT_FUNCTION_H
#define ONNX_TEXT_FUNCTION_H

#include <sibyl/tensor.h>

typedef struct text_function {
    sib_str domain, name; /* "" is ai.onnx; live as long as the call of the sink, as do the bytes */
    sib_str bytes;        /* the FunctionProto */
} text_function;

typedef sib_code (*text_function_sink)(void *context, const text_function *f, sib_error *err);

/* Max bytes of a text, nesting of graphs, and bytes of a name. */
#define TEXT_FUNCTION_BYTES (16u << 20)
#define TEXT_FUNCTION_DEPTH 16
#define TEXT_FUNCTION_NAME  256

/* Gives each function of the text to the sink, whose failures end the reading. label: names the text. What a
   body reads must be defined before it in the text.
   Errors: SIB_ERR_FORMAT with line and column, SIB_ERR_UNSUPPORTED, SIB_ERR_SIZE, SIB_ERR_MEMORY, those of the
   sink. */
sib_code text_functions_read(sib_str text, const char *label, text_function_sink sink, void *context,
                             sib_error *err);

#endif
