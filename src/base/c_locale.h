/* Sets the C locale on the calling thread: numbers have a decimal point, whatever the program's locale. */
#ifndef BASE_C_LOCALE_H
#define BASE_C_LOCALE_H

#include <locale.h>
#include <sibyl/base.h>

typedef struct c_locale {
    locale_t c, before;
} c_locale;

/* Errors: SIB_ERR_MEMORY; c_locale_leave must then not be called. */
sib_code c_locale_enter(c_locale *l, sib_error *err);
void c_locale_leave(c_locale *l);

#endif
