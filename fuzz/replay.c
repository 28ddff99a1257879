/* Runs a target on files: fuzz_replay TARGET FILE|FOLDER... Seeds and files that were findings once are kept in
   corpus/TARGET; a finding ends the process, as a file that takes too long does. */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FUZZ_TARGET(name, function, mutator, max_bytes) {#name, function, max_bytes},
static const fuzz_target targets[] = {
#include "targets.def"
};
enum { N_TARGETS = sizeof targets / sizeof *targets };

/* Seconds of wall time for a file, on a busy machine and under sanitizers. */
#define MAX_SECONDS 60

static char doing[4096];

static void on_alarm(int number)
{
    (void)number;
    static const char words[] = "took too long: ";
    if (write(2, words, sizeof words - 1) < 0 || write(2, doing, strlen(doing)) < 0 || write(2, "\n", 1) < 0)
        _exit(4);
    _exit(3);
}

static int run_file(const fuzz_target *target, const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(target->max_bytes + 1);
    if (!f || !data) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(data);
        if (f)
            fclose(f);
        return 1;
    }
    size_t n = fread(data, 1, target->max_bytes + 1, f);
    fclose(f);
    snprintf(doing, sizeof doing, "%s", path);
    alarm(MAX_SECONDS);
    fuzz_one(target, data, n);
    alarm(0);
    free(data);
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The files of a folder in the order of their names. */
static int run_folder(const fuzz_target *target, const char *folder, unsigned *n_files)
{
    enum { MAX_FILES = 65536 };
    DIR *dir = opendir(folder);
    char **paths = calloc(MAX_FILES, sizeof *paths), path[4096];
    int bad = !dir || !paths;
    size_t n = 0;
    for (struct dirent *e; !bad && n < MAX_FILES && (e = readdir(dir));)
        if (e->d_name[0] != '.' && snprintf(path, sizeof path, "%s/%s", folder, e->d_name) < (int)sizeof path)
            bad = !(paths[n++] = strdup(path));
    if (n)
        qsort(paths, n, sizeof *paths, compare);
    for (size_t i = 0; i < n; i++) {
        bad = bad || run_file(target, paths[i]);
        free(paths[i]);
    }
    *n_files += (unsigned)n;
    free(paths);
    if (dir)
        closedir(dir);
    return bad;
}

int main(int argc, char **argv)
{
    const fuzz_target *target = NULL;
    for (size_t i = 0; argc > 2 && i < N_TARGETS; i++)
        if (!strcmp(targets[i].name, argv[1]))
            target = &targets[i];
    if (!target) {
        fprintf(stderr, "usage: %s TARGET FILE|FOLDER...; the targets are", argv[0]);
        for (size_t i = 0; i < N_TARGETS; i++)
            fprintf(stderr, " %s", targets[i].name);
        fputs("\n", stderr);
        return 2;
    }
    signal(SIGALRM, on_alarm);
    unsigned n_files = 0;
    int bad = 0;
    for (int i = 2; i < argc && !bad; i++) {
        struct stat what;
        if (stat(argv[i], &what) == 0 && S_ISDIR(what.st_mode))
            bad = run_folder(target, argv[i], &n_files);
        else
            bad = run_file(target, argv[i]), n_files++;
    }
    printf("%s: %u files\n", target->name, n_files);
    return bad || !n_files;
}
