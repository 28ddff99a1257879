/* Values shown and written. */
#ifndef CLI_VALUE_WORDS_H
#define CLI_VALUE_WORDS_H

#include <sibyl/sibyl.h>
#include <stdio.h>

/* "float32 (2, 3)", "sequence of 2", "nothing" in text (size). Returns text. */
const char *value_type_words(const sib_value *v, char *text, size_t size);

/* One line: type, smallest, largest, mean and the first elements. */
void value_show(const char *name, const sib_value *v, FILE *out);

/* Writes FOLDER/NAME.npy, or NAME.pb for what is no tensor. Says on stderr what is wrong and returns
   false. */
bool value_write(const char *folder, const char *name, const sib_value *v);

#endif
