/* A small model with something of every kind. */
#ifndef TESTS_ONNX_SAMPLE_H
#define TESTS_ONNX_SAMPLE_H

#include "bytes.h"

bytes sample_model(void);

#endif
