/* Choices by measuring, for kernels that have several ways: see base/choices.h. */
#ifndef CPU_TUNING_H
#define CPU_TUNING_H

#include "backend/cpu/cpu.h"

/* Writes the beginning of a key, "AuthenticAMD-25-17 avx512 t2 ", and returns its length. */
size_t cpu_tuning_key(const cpu_self *self, char key[CHOICES_KEY]);
/* Reports a name in the file that no way has. */
sib_code cpu_tuning_unknown(const char *key, const char *name, sib_error *err);

#endif
