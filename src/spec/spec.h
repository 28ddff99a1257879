/* A node's attributes as a typed struct of its family, read in one place: their names, kinds, defaults and
   the differences between opsets are rows of spec.def. No other code reads attributes to learn what an
   operator does.

   Each family NAME of spec.def has a struct NAME_spec, a function spec_NAME(node) that fills it, and a table
   spec_table_NAME. Lists, strings, tensors and graphs are borrowed from the node.

   spec_NAME does not fail: an attribute that is absent or not of its row's kind has the default. Errors are
   found by spec_check, which every node passes before it is lowered. */
#ifndef SPEC_SPEC_H
#define SPEC_SPEC_H

#include "base/assert.h"
#include "graph/graph.h"
#include "spec/enums.h"
#include "spec/resize_axis.h"
#include <sibyl/features.h>

/* Lists. v is NULL where the attribute is absent, but not where the list is empty. */
typedef struct spec_ints {
    size_t n;
    const int64_t *v; /* (n) */
} spec_ints;
typedef struct spec_floats {
    size_t n;
    const float *v; /* (n) */
} spec_floats;
typedef struct spec_strings {
    size_t n;
    const sib_str *v; /* (n) */
} spec_strings;

/* The value of an integer that the node does not give and that has no default. */
#define SPEC_ABSENT INT64_MIN

/* ---- Tables ---------------------------------------------------------------------------------------- */

typedef enum spec_kind {
    SPEC_INT,     /* int64_t */
    SPEC_FLAG,    /* bool, from an int */
    SPEC_FLOAT,   /* double */
    SPEC_NUMBER,  /* double, from a float or an int */
    SPEC_DTYPE,   /* sib_dtype, from an int; 0 is SIB_DTYPE_UNKNOWN: not given */
    SPEC_ENUM,    /* an enum, from a string */
    SPEC_TEXT,    /* sib_str */
    SPEC_INTS,    /* spec_ints */
    SPEC_FLOATS,  /* spec_floats */
    SPEC_STRINGS, /* spec_strings */
    SPEC_TENSOR,  /* const sib_tensor *, may be NULL */
    SPEC_GRAPH,   /* graph *, may be NULL */
    SPEC_TYPE,    /* const value_type *, may be NULL */
    SPEC_PART     /* the struct of another family */
} spec_kind;

/* One attribute. Where several rows for the same field apply to a node, the last one counts. */
typedef struct spec_row {
    const char *name; /* NULL: a fixed value of the operator or opset, not an attribute */
    spec_kind kind;
    size_t offset;        /* of the field */
    const char *only;     /* operators that the row applies to, "A|B"; NULL: all of the family */
    int64_t since, until; /* opsets that it applies to; 0: no bound */
    double number;        /* default; the index where the kind is SPEC_ENUM */
    /* default of a text; the choices of an enum, "a|b": "a,b" are two spellings of one, "a:11" is known from
       opset 11 on */
    const char *text;
    double min, max;  /* bounds of a number or of each list item; none unless min < max */
    size_t max_items; /* 0: any number */
    bool required;
    const struct spec_table *part;
} spec_row;

typedef struct spec_table {
    size_t n;
    const spec_row *rows; /* (n) */
} spec_table;

/* Fills the struct of a family. */
void spec_read(const spec_table *t, const node *n, void *out);

/* Errors: SIB_ERR_ARGUMENT, with the attribute's name and what was expected, where a required attribute is
   missing, or one is of another kind, out of range, or none of the choices. The message does not name the
   node. */
sib_code spec_check(const spec_table *t, const node *n, sib_error *err);

/* Of operators without attributes. */
extern const spec_table spec_table_none;

/* ---- Families -------------------------------------------------------------------------------------- */

#define SPEC(family) typedef struct family##_spec {
#define END(family)                                                                                          \
    }                                                                                                        \
    family##_spec;                                                                                           \
    family##_spec spec_##family(const node *n);                                                              \
    extern const spec_table spec_table_##family;
#define INT(family, field, ...)        int64_t field;
#define FLAG(family, field, ...)       bool field;
#define FLOAT(family, field, ...)      double field;
#define NUMBER(family, field, ...)     double field;
#define DTYPE(family, field, ...)      sib_dtype field;
#define ENUM(family, field, type, ...) type field;
#define TEXT(family, field, ...)       sib_str field;
#define INTS(family, field, ...)       spec_ints field;
#define FLOATS(family, field, ...)     spec_floats field;
#define STRINGS(family, field, ...)    spec_strings field;
#define TENSOR(family, field, ...)     const sib_tensor *field;
#define GRAPH(family, field, ...)      graph *field;
#define TYPE(family, field, ...)       const value_type *field;
#define PART(family, other)            other##_spec other;
#define ALSO(family, field, kind, ...)
#include "spec/spec.def"
#include "spec/undefine.h"

/* ---- What several families share ----------------------------------------------------------------------- */

/* Item i of a list, or the fallback if the list has no item i. */
static inline int64_t spec_item(spec_ints list, size_t i, int64_t fallback)
{
    SIB_ASSERT(list.v || !list.n);
    return i < list.n ? list.v[i] : fallback;
}

/* Padding of windows by auto_pad. `windows` windows of `extent` elements, `stride` apart, cover more than an
   axis of `size` elements by the excess (0 where they do not); SAME_UPPER and SAME_LOWER pad by that.
   ConvTranspose crops by it: there the axis is the output, on which each element of the input has a
   window. */
static inline bool spec_pads_same(auto_pad padding)
{
    return padding == PAD_SAME_UPPER || padding == PAD_SAME_LOWER;
}
int64_t spec_pads_excess(int64_t windows, int64_t stride, int64_t extent, int64_t size);
/* The part of the excess before the axis: half; an odd element goes after it for SAME_UPPER, else before. */
int64_t spec_pads_before(auto_pad padding, int64_t excess);
/* Item i of pads, which count without auto_pad only. */
int64_t spec_pads_given(const spatial_spec *s, size_t i);

/* Normalizes an axis in [-rank, rank) to [0, rank). Returns false where it is out of range. */
bool spec_axis(int64_t axis, size_t rank, size_t *out);

/* The axes [*begin, *end), taken as one, of a softmax. Returns false where its axis is out of range. */
bool spec_softmax_axes(const softmax_spec *s, size_t rank, size_t *begin, size_t *end);

/* The front end that the attributes describe. Without win_length, windows are as long as n_fft where that is
   given. Not checked: sib_mel_create does. */
sib_mel_spec spec_front_end(const mel_spec *s);

/* How elements are resampled along each axis. */
resize_rule spec_resize_rule(const resize_spec *s);

#endif
