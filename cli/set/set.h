/* --manifest: a command's work on the items that manifests list, in shards that run apart, may be killed at any time and are
   begun again by the same call. docs/scale.md describes the folder that it makes. */
#ifndef CLI_SET_H
#define CLI_SET_H

#include "messages.h"
#include "options.h"

typedef struct set_settings {
    cli_list manifests;
    const char *shard; /* or NULL */
    double tar;        /* MB of a tar; 0: files */
} set_settings;

/* Three rows; the settings hold a set_settings called `set`. */
#define OPT_SET                                                                                              \
    OPT_LIST("manifest", set.manifests, "FILE",                                                              \
             "work on the items that FILE lists, into the folder of -o; may be given several times",         \
             .more =                                                                                         \
                 "A line is a file's name, or a JSON object with \"audio_filepath\" or \"file\"; names are " \
                 "also looked for beside FILE. Each item's files go to DIR/ITEM.ENDING, and a line about "   \
                 "them to DIR/manifest-I-of-N.jsonl, which is there when the shard is done. An item that "   \
                 "fails has a line with its error, and makes the exit code 1. The same call again keeps "    \
                 "what is made from the same input by the same options, by SHA-256, and makes the rest."),   \
        OPT_TEXT("shard", set.shard, "I/N",                                                                  \
                 "of the manifest's items make each N-th from item I on, counted from 0",                    \
                 .more = "Default: what a Slurm array (SLURM_ARRAY_TASK_ID), Open MPI "                      \
                         "(OMPI_COMM_WORLD_RANK) or an indexed job of Kubernetes (JOB_COMPLETION_INDEX, "    \
                         "with N in SIBYL_SHARDS) says, else 0/1."),                                         \
        OPT_NUMBER("tar", set.tar, "MB", 0, 8000,                                                            \
                   "of a manifest's items, write tars of about MB megabytes (WebDataset) in place of files", \
                   .above = true)

typedef struct set_work {
    const struct cli_command *command;
    const void *settings; /* that the command's options were read into */
    const char *model;    /* file that the items run through, where no option names it; or NULL */
    const set_settings *set;
    const char *folder;         /* of -o, or NULL */
    const char *const *endings; /* of an item's files, without a dot; ends with NULL */
    /* Makes PATH.ENDING for each ending from the file `item`, and adds what is known of them to the item's line of the
       manifest. Returns false, with a line on stderr, on failure. */
    bool (*make)(void *context, const char *item, const char *path, json_t *record);
    void *context;
} set_work;

/* Whether the settings ask for a set. */
bool set_wanted(const set_settings *s);
/* Returns CLI_DONE, or CLI_USAGE with a line on stderr where options do not go together. n: operands but for a model;
   folder: of -o. */
int set_check(const struct cli_command *command, const set_settings *s, int n, const char *folder);
/* Works on the shard. Returns an exit code. */
int set_run(const set_work *w);
void set_settings_free(set_settings *s);

#endif
