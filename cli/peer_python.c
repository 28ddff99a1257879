#include "peer_python.h"

#include "messages.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As built and as copied to the top of the build folder. */
static const char *const relative[PEER_PYTHONS - 1] = {"/../../venv/bin/python", "/venv/bin/python",
                                                       "/../venv/bin/python"};

size_t peer_pythons(char *paths[PEER_PYTHONS])
{
    const char *named = getenv("SIBYL_PYTHON");
    char self[3500];
    size_t n = 0;
    if (named) {
        paths[0] = cli_format("%s", named);
        return 1;
    }
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; slash && i < sizeof relative / sizeof *relative; i++) {
        char *path = cli_format("%s%s", self, relative[i]);
        if (access(path, X_OK) == 0)
            paths[n++] = path;
        else
            free(path);
    }
    paths[n++] = cli_format("python3");
    return n;
}
