/* Files changed as only chance changes them, the same on every machine for one seed. */
#ifndef TESTS_ONNX_MUTATE_H
#define TESTS_ONNX_MUTATE_H

#include "check.h"

/* Changes the n bytes of a protobuf message one to four times: bits flipped, the end cut off, two fields of one message
   exchanged, a length or another number replaced by an extreme one, a field removed, a field repeated. data must have
   room for mutate_room(n). Returns the bytes that there are then. what (size): a sentence on what was done. */
size_t mutate_room(size_t n);
size_t mutate(check_random *r, uint8_t *data, size_t n, char *what, size_t size);

/* The same once, mostly so that the file can still be read: an element of a tensor or an attribute becomes an extreme or
   small one, or a field (a node, an attribute, a tensor, a word) is replaced by one of the same number of another file,
   donor (n_donor). */
size_t mutate_meaning(check_random *r, uint8_t *data, size_t n, const uint8_t *donor, size_t n_donor,
                      char *what, size_t size);

/* Makes input `index` of a model's graph an initializer: value (n_value) is a TensorProto of its name. Returns the bytes
   that there are then, n_value + 60 more at most; n where there is no such input. */
size_t mutate_bake(uint8_t *data, size_t n, size_t index, const uint8_t *value, size_t n_value);

#endif
