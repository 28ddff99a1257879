#include "ops/ops.h"

#include "ops/lower/lower.h"

#include <string.h>

#define DOMAIN_ONNX     ""
#define DOMAIN_ML       "ai.onnx.ml"
#define DOMAIN_TRAINING "ai.onnx.preview.training"
#define DOMAIN_PREVIEW  "ai.onnx.preview"
#define DOMAIN_MS       "com.microsoft"
#define DOMAIN_SIBYL    "ai.sibyl"
#define DOMAIN_QONNX    "qonnx.custom_op.general"
#define DOMAIN_CONTRIB  "ai.onnx.contrib"

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

/* Other names of domains: QONNX's quantizers as Brevitas and FINN write them. */
static const struct {
    const char *other, *domain;
} aliases[] = {
    {"ai.onnx", DOMAIN_ONNX},
    {"onnx.brevitas", DOMAIN_QONNX},
    {"finn.custom_op.general", DOMAIN_QONNX},
    {"com.microsoft.extensions", DOMAIN_CONTRIB},
};

const op_def *ops_find(sib_str domain, sib_str type)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (str_is(domain, aliases[i].other))
            domain = str_of(aliases[i].domain);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_is(type, rows[i].name) && str_is(domain, rows[i].domain))
            return &rows[i];
    return NULL;
}

bool op_repeats(const op_def *op)
{
    return op->control == CONTROL_NONE && op->origin != OP_CALLED && strcmp(op->family, "random") != 0;
}
