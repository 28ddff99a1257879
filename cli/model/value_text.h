/* Shows and writes values. */
#ifndef CLI_VALUE_TEXT_H
#define CLI_VALUE_TEXT_H

#include <sibyl/sibyl.h>
#include <stdio.h>

/* "float32 (2, 3)", "sequence of 2", "nothing" in text (size). Returns text. */
const char *value_type_text(const sib_value *v, char *text, size_t size);

/* Prints one line: type, smallest, largest, mean and the first elements. */
void value_show(const char *name, const sib_value *v, FILE *out);

/* Writes a .npy of a tensor, and a protobuf value of that name of others. */
sib_code value_save(const char *path, const char *name, const sib_value *v, sib_error *err);
/* The same into FOLDER/FILE. Returns false, with a line on stderr, on failure. */
bool value_write(const char *folder, const char *file, const char *name, const sib_value *v);

#endif
