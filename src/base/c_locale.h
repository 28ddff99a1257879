/* The locale of C on the calling thread: numbers with a point, whatever locale the program has set. */
#ifndef BASE_C_LOCALE_H
#define BASE_C_LOCALE_H

#include <locale.h>
#include <sibyl/base.h>

typedef struct c_locale {
    locale_t c, before;
} c_locale;

/* Errors: SIB_ERR_MEMORY; then there is nothing to leave. */
sib_code c_locale_enter(c_locale *l, sib_error *err);
void c_locale_leave(c_locale *l);

#endif
