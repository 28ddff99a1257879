/* Compares two models. */
#ifndef TESTS_ONNX_SAME_H
#define TESTS_ONNX_SAME_H

#include "onnx/onnx.h"

#include <stdbool.h>

/* Returns true, or false with a sentence in why (size). Compares names, types, attributes, constants byte by
   byte, nodes in order, subgraphs, metadata; not: opsets beyond the first of a domain, diagnostics. */
bool same_model(const onnx_model *a, const onnx_model *b, char *why, size_t size);

#endif
