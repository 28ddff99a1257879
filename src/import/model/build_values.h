/* What the files of build.h make values with. */
#ifndef IMPORT_BUILD_VALUES_H
#define IMPORT_BUILD_VALUES_H

#include "import/model/build.h"

/* Bytes of a name with its NUL. */
#define BUILD_NAME_BYTES 512

/* "SCOPE/WHAT_N", of the model's arena. */
const char *build_fresh_name(build *b, const char *what);
/* A value of the graph at hand; NO_VALUE after a failure. */
value_id build_new_value(build *b, const char *name, const value_type *type);
/* A constant of the model's file. Takes t over. */
value_id build_constant(build *b, const char *name, sib_tensor *t);
/* The same of elements (dims), which are copied. */
value_id build_constant_of(build *b, const char *name, sib_dtype dtype, size_t rank, const int64_t *dims,
                           const void *elements);

#endif
