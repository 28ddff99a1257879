#include "base/c_locale.h"

#include "base/error.h"

sib_code c_locale_enter(c_locale *l, sib_error *err)
{
    l->c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (l->c == (locale_t)0)
        return err_set(err, SIB_ERR_MEMORY, "out of memory: the locale of C");
    l->before = uselocale(l->c);
    return SIB_OK;
}

void c_locale_leave(c_locale *l)
{
    uselocale(l->before);
    freelocale(l->c);
}
