/* Files changed as only chance changes them, the same on every machine for one seed. */
#ifndef TESTS_ONNX_MUTATE_H
#define TESTS_ONNX_MUTATE_H

#include "check.h"

/* Changes the n bytes of a protobuf message one to four times: bits flipped, the end cut off, two fields of one message
   exchanged, a length or another number replaced by an extreme one, a field removed, a field repeated. data must have
   room for mutate_room(n). Returns the bytes that there are then. what (size): a sentence on what was done. */
size_t mutate_room(size_t n);
size_t mutate(check_random *r, uint8_t *data, size_t n, char *what, size_t size);

#endif
