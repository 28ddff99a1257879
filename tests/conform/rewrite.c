/* rewrite SOURCE TARGET: copies the cases below SOURCE to TARGET, with each model read and written again
   (every other one with its weights in a second file) and the data linked. `sibyl conform TARGET` then shows
   that written models run alike. */
#include <sibyl/sibyl.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_LIMIT 6

static size_t written, failed;

static void rewrite_model(const char *from, const char *to)
{
    sib_model *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    const char *external = written % 2 ? "weights.bin" : NULL;
    if (sib_model_open(from, NULL, &m, &err) == SIB_OK && sib_model_save(m, to, external, &err) == SIB_OK)
        written++;
    else {
        fprintf(stderr, "%s: %s\n", from, err.message);
        failed++;
    }
    sib_model_free(&m);
}

static void walk(const char *from, const char *to, int depth)
{
    DIR *d = depth < DEPTH_LIMIT ? opendir(from) : NULL;
    if (mkdir(to, 0777) != 0 && errno != EEXIST)
        failed++;
    for (struct dirent *e; d && (e = readdir(d));) {
        char source[4096], target[4096], absolute[PATH_MAX];
        struct stat st;
        if (e->d_name[0] == '.')
            continue;
        snprintf(source, sizeof source, "%s/%s", from, e->d_name);
        snprintf(target, sizeof target, "%s/%s", to, e->d_name);
        if (stat(source, &st) != 0)
            failed++;
        else if (!strcmp(e->d_name, "model.onnx"))
            rewrite_model(source, target);
        else if (S_ISDIR(st.st_mode) && strncmp(e->d_name, "test_data_set", 13) != 0)
            walk(source, target, depth + 1);
        else if (!realpath(source, absolute) || symlink(absolute, target) != 0)
            failed++;
    }
    if (d)
        closedir(d);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s SOURCE TARGET\n", argv[0]);
        return 2;
    }
    walk(argv[1], argv[2], 0);
    printf("%zu models rewritten, %zu failed\n", written, failed);
    return failed || !written;
}
