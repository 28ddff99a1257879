/* Classes of characters for pre-tokenizers: letter, number, white space, other. */
#ifndef TEXT_CLASSES_H
#define TEXT_CLASSES_H

#include "text/chars/utf8.h"

typedef enum text_class { CLASS_OTHER, CLASS_LETTER, CLASS_NUMBER, CLASS_SPACE } text_class;

/* One byte per character up to U+10FFFF, and for UTF8_BROKEN, which is other. Filled on the first call;
   thread-safe. */
const uint8_t *classes_table(void);

/* Returns the class of the first character of s (n bytes, n > 0), and its bytes in *length. */
static inline text_class class_at(const uint8_t *table, const char *s, size_t n, size_t *length)
{
    return (text_class)table[utf8_next(s, n, length)];
}

#endif
