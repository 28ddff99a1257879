/* The tables made from spec.def and the functions that read by them. */
#include "spec/spec.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#define REQUIRED         .required = true
#define OPTIONAL         .required = false
#define SINCE(opset)     .since = (opset)
#define UNTIL(opset)     .until = (opset)
#define ONLY(operators)  .only = (operators)
#define RANGE(low, high) .min = (low), .max = (high)
#define AT_LEAST(low)    RANGE(low, 0x1p63)
#define MAX_ITEMS(count) .max_items = (count)

#define ROW(family, field, which, ...)                                                                       \
    {.name = #field, .kind = SPEC_##which, .offset = offsetof(family##_spec, field), __VA_ARGS__},
#define SPEC(family) static const spec_row family##_rows[] = {
#define END(family)                                                                                          \
    }                                                                                                        \
    ;                                                                                                        \
    const spec_table spec_table_##family = {sizeof family##_rows / sizeof *family##_rows, family##_rows};
#define INT(family, field, ...)    ROW(family, field, INT, .number = __VA_ARGS__)
#define FLAG(family, field, ...)   ROW(family, field, FLAG, .number = __VA_ARGS__)
#define FLOAT(family, field, ...)  ROW(family, field, FLOAT, .number = __VA_ARGS__)
#define NUMBER(family, field, ...) ROW(family, field, NUMBER, .number = __VA_ARGS__)
#define DTYPE(family, field, ...)  ROW(family, field, DTYPE, .number = __VA_ARGS__)
#define ENUM(family, field, type, choices, ...)                                                              \
    ROW(family, field, ENUM, .text = choices, .number = __VA_ARGS__)
#define TEXT(family, field, ...)    ROW(family, field, TEXT, .text = __VA_ARGS__)
#define INTS(family, field, ...)    ROW(family, field, INTS, __VA_ARGS__)
#define FLOATS(family, field, ...)  ROW(family, field, FLOATS, __VA_ARGS__)
#define STRINGS(family, field, ...) ROW(family, field, STRINGS, __VA_ARGS__)
#define TENSOR(family, field, ...)  ROW(family, field, TENSOR, __VA_ARGS__)
#define GRAPH(family, field, ...)   ROW(family, field, GRAPH, __VA_ARGS__)
#define TYPE(family, field, ...)    ROW(family, field, TYPE, __VA_ARGS__)
#define PART(family, other)         ROW(family, other, PART, .part = &spec_table_##other)
#define ALSO(family, field, which, ...)                                                                      \
    {.kind = SPEC_##which, .offset = offsetof(family##_spec, field), .name = __VA_ARGS__},
#include "spec/spec.def"
#include "spec/undefine.h"

#define SPEC(family)                                                                                         \
    family##_spec spec_##family(const node *n)                                                               \
    {                                                                                                        \
        family##_spec out;                                                                                   \
        memset(&out, 0, sizeof out);                                                                         \
        spec_read(&spec_table_##family, n, &out);                                                            \
        return out;                                                                                          \
    }
#define END(family)
#define INT(...)
#define FLAG(...)
#define FLOAT(...)
#define NUMBER(...)
#define DTYPE(...)
#define ENUM(...)
#define TEXT(...)
#define INTS(...)
#define FLOATS(...)
#define STRINGS(...)
#define TENSOR(...)
#define GRAPH(...)
#define TYPE(...)
#define PART(...)
#define ALSO(...)
#include "spec/spec.def"
#include "spec/undefine.h"

const spec_table spec_table_none = {0, NULL};
