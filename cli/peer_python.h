/* Finds a Python that has the packages that Sibyl is compared with. */
#ifndef CLI_PEER_PYTHON_H
#define CLI_PEER_PYTHON_H

#include <stddef.h>

#define PEER_PYTHONS 4

/* Pythons in order of preference: only $SIBYL_PYTHON if it is set, else those of virtual environments next to
   the build, else "python3". Fills paths and returns how many; each is released with free. */
size_t peer_pythons(char *paths[PEER_PYTHONS]);

#endif
