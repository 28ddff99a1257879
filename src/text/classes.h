/* What pre-tokenizers ask of a character: letter, number, white space, or anything else. */
#ifndef TEXT_CLASSES_H
#define TEXT_CLASSES_H

#include "text/utf8.h"

typedef enum text_class { CLASS_OTHER, CLASS_LETTER, CLASS_NUMBER, CLASS_SPACE } text_class;

/* A byte a character up to U+10FFFF, and UTF8_BROKEN, which is other. Filled once, at the first call; thread-safe. */
const uint8_t *classes_table(void);

/* The class of the character at the start of s: (n bytes, n > 0), *length its bytes. */
static inline text_class class_at(const uint8_t *table, const char *s, size_t n, size_t *length)
{
    return (text_class)table[utf8_next(s, n, length)];
}

#endif
