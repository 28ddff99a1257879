/* Writing to the caller's log. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/error.h"

static inline bool log_wants(const sib_logger *l, sib_log_level level)
{
    return l->write && level <= l->level;
}

/* Does nothing where the caller does not want messages of this level. Messages are cut at 1,000 bytes. */
void log_write(const sib_logger *l, sib_log_level level, const char *format, ...) ERR_PRINTF(3, 4);

/* Writes a failure of `what` and returns its code. code: SIB_OK writes nothing. */
sib_code log_failure(const sib_logger *l, const char *what, sib_code code, const sib_error *err);

#endif
