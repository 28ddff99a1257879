/* A small model in which a bit of everything stands. */
#ifndef TESTS_ONNX_SAMPLE_H
#define TESTS_ONNX_SAMPLE_H

#include "bytes.h"

bytes sample_model(void);

#endif
