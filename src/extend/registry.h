/* The registry behind the public handle. */
#ifndef EXTEND_REGISTRY_H
#define EXTEND_REGISTRY_H

#include "extend/extend.h"
#include "onnx/onnx.h"

/* Another reference; NULL for NULL. */
sib_registry *registry_keep(sib_registry *r);
/* Registered backend i; NULL where i is out of range, or r is NULL. */
const sib_backend *registry_backend(const sib_registry *r, size_t i);
/* The functions that were registered as text: a list to be released with mem_free. r: may be NULL. Errors:
   SIB_ERR_MEMORY. */
sib_code registry_functions(const sib_registry *r, onnx_more *out, sib_error *err);
/* For ops_resolve. */
op_finder registry_finder(const sib_registry *r);

#endif
