#include "ops/ops.h"

#include "ops/lower/lower.h"

#include <string.h>

#define DOMAIN_ONNX     ""
#define DOMAIN_ML       "ai.onnx.ml"
#define DOMAIN_TRAINING "ai.onnx.preview.training"
#define DOMAIN_PREVIEW  "ai.onnx.preview"
#define DOMAIN_MS       "com.microsoft"
#define DOMAIN_SIBYL    "ai.sibyl"

static const op_def rows[] = {
#define SIB_CONTROL(domain, name, family, since, in_min, in_max, out_min, out_max, control, attributes)      \
    {DOMAIN_##domain,                                                                                        \
     #name,                                                                                                  \
     #family,                                                                                                \
     since,                                                                                                  \
     in_min,                                                                                                 \
     in_max,                                                                                                 \
     out_min,                                                                                                \
     out_max,                                                                                                \
     control,                                                                                                \
     &spec_table_##attributes,                                                                               \
     lower_##domain##_##name,                                                                                \
     OP_BUILT_IN},
#define SIB_OP(domain, name, family, since, in_min, in_max, out_min, out_max, attributes)                    \
    SIB_CONTROL(domain, name, family, since, in_min, in_max, out_min, out_max, CONTROL_NONE, attributes)
#include "ops/ops.def"
#undef SIB_OP
#undef SIB_CONTROL
};

const op_def *ops_find(sib_str domain, sib_str type)
{
    if (str_is(domain, "ai.onnx"))
        domain.length = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_is(type, rows[i].name) && str_is(domain, rows[i].domain))
            return &rows[i];
    return NULL;
}

bool op_repeats(const op_def *op)
{
    return op->control == CONTROL_NONE && op->origin != OP_CALLED && strcmp(op->family, "random") != 0;
}
