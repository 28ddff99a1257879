/* Random mutations of files, the same on every machine for one seed. */
#ifndef TESTS_ONNX_MUTATE_H
#define TESTS_ONNX_MUTATE_H

#include "check.h"

/* Mutates the n bytes of a protobuf message one to four times: bits flipped, the end truncated, two fields of
   one message swapped, a length or another number replaced by an extreme one, a field removed, a field
   repeated. data must have room for mutate_room(n). Returns the new number of bytes. what (size): describes
   the mutations. */
size_t mutate_room(size_t n);
size_t mutate(check_random *r, uint8_t *data, size_t n, char *what, size_t size);

/* The same once, mostly such that the file stays readable: an element of a tensor or an attribute becomes an
   extreme or small one, or a field (a node, an attribute, a tensor, a string) is replaced by one of the same
   number from another file, donor (n_donor). */
size_t mutate_meaning(check_random *r, uint8_t *data, size_t n, const uint8_t *donor, size_t n_donor,
                      char *what, size_t size);

/* Makes input `index` of a model's graph an initializer: value (n_value) is a TensorProto of its name.
   Returns the new number of bytes, at most n_value + 60 more; n if there is no such input. */
size_t mutate_bake(uint8_t *data, size_t n, size_t index, const uint8_t *value, size_t n_value);

#endif
