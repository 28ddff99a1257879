#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

const char *sib_log_level_name(sib_log_level level)
{
    switch (level) {
#define SIB_LOG_NAME(constant, number, name, text)                                                           \
    case constant:                                                                                           \
        return name;
        SIB_LOG_LEVELS(SIB_LOG_NAME)
#undef SIB_LOG_NAME
    default:
        return NULL;
    }
}

void log_write(const sib_logger *l, sib_log_level level, const char *format, ...)
{
    char text[1000];
    va_list list;
    if (!log_wants(l, level))
        return;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    l->write(l->context, level, text);
}

sib_code log_failure(const sib_logger *l, const char *what, sib_code code, const sib_error *err)
{
    if (code != SIB_OK)
        log_write(l, SIB_LOG_ERROR, "%s: %s", what, err ? err->message : sib_code_text(code));
    return code;
}
