/* Choices that were made by measuring: which of several kernels is the fastest, by a key that holds the processor and
   all else that the answer depends on. The process remembers them, and a file where one is named. */
#ifndef BASE_CHOICES_H
#define BASE_CHOICES_H

#include "base/error.h"

/* Max bytes of a key and of a name, each with its NUL; of a file; of lines that are kept. */
#define CHOICES_KEY       256
#define CHOICES_NAME      32
#define CHOICES_MAX_BYTES (1 << 20)
#define CHOICES_MAX       8192

typedef struct choices choices;

/* path: a file of the form that docs/tuning.md defines; one that does not exist is made by the first choice. NULL: the
   process's memory alone. A file that cannot be written is read all the same, and what is measured is not kept there.
   out: owned by the caller, choices_close(&c). Errors: SIB_ERR_IO, SIB_ERR_FORMAT (it is no such file, or is damaged;
   it is left as it is), SIB_ERR_SIZE (it is too large), SIB_ERR_MEMORY. */
sib_code choices_open(const char *path, choices **out, sib_error *err);
void choices_close(choices **c);

/* Measurements of a process are made one after another: begin waits until no other thread measures. */
void choices_begin(void);
void choices_end(void);

/* Fills `name` and returns true where a choice is known: from the file, else from this process. Thread-safe. */
bool choices_find(choices *c, const char *key, char name[CHOICES_NAME]);
/* Remembers a choice, and appends it to the file where that lacks it. key and name: printable ASCII; the name has no blank. Thread-safe.
   Errors: SIB_ERR_IO (the file could not be written), SIB_ERR_MEMORY. */
sib_code choices_add(choices *c, const char *key, const char *name, sib_error *err);

#endif
