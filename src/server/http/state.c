#include "server/http/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

sib_code server_fail(sib_error *err, sib_code code, const char *format, ...)
{
    if (err && err->code == SIB_OK) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
        err->code = code;
        err->offset = SIB_NO_OFFSET;
    }
    return code;
}

const char *server_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

bool server_ready(struct server *s)
{
    return !atomic_load(&s->stopping) && work_takes(s->work, LANE_WRITE) && work_takes(s->work, LANE_TEXT);
}
