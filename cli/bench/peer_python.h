/* Where a Python is looked for that has what others are measured with. */
#ifndef CLI_PEER_PYTHON_H
#define CLI_PEER_PYTHON_H

#include <stddef.h>

#define PEER_PYTHONS 4

/* Pythons in order of choice: $SIBYL_PYTHON alone where it is set, else those of virtual environments
   beside the build, else "python3". Fills paths and returns how many; each is released with free. */
size_t peer_pythons(char *paths[PEER_PYTHONS]);

#endif
