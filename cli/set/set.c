#include "set/set.h"

#include "command.h"
#include "files.h"
#include "interrupt.h"
#include "set/checksum.h"
#include "set/items.h"
#include "set/outputs.h"
#include "set/records.h"

#include <stdlib.h>

typedef struct shard_run {
    const set_work *w;
    set_shard shard;
    set_items items;
    set_records records;
    set_outputs outputs;
    char options[SIB_SHA256_TEXT];
    uint64_t made, kept, failed;
} shard_run;

bool set_wanted(const set_settings *s)
{
    return s->manifests.n > 0;
}

int set_check(const cli_command *command, const set_settings *s, int n, const char *folder)
{
    if (!set_wanted(s))
        return s->shard || s->tar > 0
                   ? cli_usage(command, "--%s is for --manifest", s->shard ? "shard" : "tar")
                   : CLI_DONE;
    if (n)
        return cli_usage(command, "--manifest lists what is worked on: give no other names");
    if (!folder)
        return cli_usage(command, "--manifest needs a folder for what is made, -o DIR");
    return CLI_DONE;
}

void set_settings_free(set_settings *s)
{
    free(s->manifests.items);
}

/* ---- An item ---- */

static bool is_kept(const shard_run *r, const json_t *before, const json_t *record)
{
    return json_equal(json_object_get(before, "item"), json_object_get(record, "item")) &&
           json_equal(json_object_get(before, "checksum"), json_object_get(record, "checksum")) &&
           set_outputs_has(&r->outputs, before);
}

/* The line of an item that failed: with the error that was printed last. */
static void list_failure(shard_run *r, json_t *record)
{
    json_object_del(record, "checksum");
    json_object_set_new(record, "error", cli_json_text(cli_last_failure()));
    r->failed++;
}

/* Returns false where the shard cannot go on. */
static bool make(shard_run *r, json_t *record)
{
    if (!r->w->make(r->w->context, r->items.path, r->outputs.made, record)) {
        if (interrupt_came())
            return false;
        list_failure(r, record);
        return true;
    }
    r->made++;
    return set_outputs_take(&r->outputs, r->items.name, r->w->endings, record);
}

/* The item that was read, which has number n. Likewise. */
static bool work_on(shard_run *r, uint64_t n)
{
    char checksum[SIB_SHA256_TEXT];
    json_t *record = json_pack("{s:I, s:o}", "n", (json_int_t)n, "item", cli_json_text(r->items.name));
    json_t *before = set_record_of(&r->records, n);
    bool going = true;
    if (!r->items.path)
        cli_fail("%s: %s", r->items.name, r->items.error);
    if (r->items.path && set_item_checksum(r->options, r->items.path, checksum)) {
        json_object_set_new(record, "checksum", json_string(checksum));
        if (is_kept(r, before, record)) {
            json_object_update(record, before);
            r->kept++;
        } else
            going = make(r, record);
    } else
        list_failure(r, record);
    json_decref(before);
    if (!going) {
        json_decref(record);
        return false;
    }
    set_record_put(&r->records, record);
    return !set_outputs_settled(&r->outputs) || set_records_write(&r->records);
}

/* ---- A shard ---- */

static bool work_on_all(shard_run *r)
{
    uint64_t skip = (uint64_t)r->shard.index, n = skip;
    bool failed = false;
    while (set_items_next(&r->items, skip, &failed)) {
        if (!work_on(r, n))
            return false;
        skip = (uint64_t)r->shard.count - 1;
        n += skip + 1;
    }
    return !failed && set_outputs_settle(&r->outputs) && set_records_commit(&r->records);
}

static void see(const json_t *record, void *outputs)
{
    set_outputs_number(outputs, record);
}

static bool begin(shard_run *r)
{
    const set_work *w = r->w;
    if (!set_shard_find(w->set->shard, &r->shard) || !file_folder_ready(w->folder) ||
        !set_items_begin(&r->items, &w->set->manifests) ||
        !set_options_checksum(w->command, w->settings, w->model, r->options))
        return false;
    char *name = cli_format("%s/manifest-%05ld-of-%05ld.jsonl", w->folder, r->shard.index, r->shard.count);
    const bool begun = set_records_begin(&r->records, name) &&
                       set_outputs_begin(&r->outputs, w->folder, &r->shard, (uint64_t)(w->set->tar * 1e6));
    free(name);
    if (begun && w->set->tar > 0)
        set_records_each(&r->records, see, &r->outputs);
    return begun;
}

static void report(const shard_run *r, bool done, double seconds)
{
    const uint64_t all = r->made + r->kept + r->failed;
    if (r->shard.from)
        printf("shard %ld/%ld (%s): ", r->shard.index, r->shard.count, r->shard.from);
    printf("%llu items in %.2f s: %llu made, %llu kept, %llu failed%s\n", (unsigned long long)all, seconds,
           (unsigned long long)r->made, (unsigned long long)r->kept, (unsigned long long)r->failed,
           done ? "" : "; not finished: the same call makes the rest");
}

int set_run(const set_work *w)
{
    sib_timer timer = sib_timer_start();
    shard_run r = {.w = w};
    bool done = false;
    if (begin(&r)) {
        done = work_on_all(&r);
        report(&r, done, sib_timer_seconds(&timer));
    }
    set_outputs_end(&r.outputs);
    set_records_end(&r.records);
    set_items_end(&r.items);
    return done && !r.failed ? CLI_DONE : CLI_FAILED;
}
