/* What the sections of a document are read with: its memory, its slots, errors with paths, and members. */
#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/size.h"
#include "job/document/doc.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One of the blocks of the document's memory, a linked list. */
typedef struct doc_block {
    struct doc_block *next;
    max_align_t data[];
} doc_block;

void *doc_take(job_doc *d, size_t n, size_t size, sib_error *err)
{
    size_t bytes;
    if (!size_mul(n, size, &bytes) || !size_add(bytes, sizeof(doc_block), &bytes)) {
        err_set(err, SIB_ERR_SIZE, "job '%s': %zu items are too many", d->name, n);
        return NULL;
    }
    doc_block *block = mem_calloc(1, bytes);
    if (!block) {
        err_memory(err, bytes, "a job's document");
        return NULL;
    }
    block->next = d->blocks;
    d->blocks = block;
    return block->data;
}

uint32_t doc_slot(job_doc *d, sib_port_type type, sib_error *err)
{
    size_t wanted = (size_t)d->n_slots + 1;
    if (ARRAY_RESERVE(d->types, d->type_capacity, wanted, "slots of a job", err) != SIB_OK ||
        ARRAY_RESERVE(d->literals, d->literal_capacity, wanted, "slots of a job", err) != SIB_OK)
        return NO_SLOT;
    d->types[d->n_slots] = type;
    d->literals[d->n_slots] = NULL;
    return d->n_slots++;
}

void job_doc_free(job_doc **d)
{
    if (!d || !*d)
        return;
    for (uint32_t i = 0; i < (*d)->n_slots; i++)
        job_value_release((*d)->literals[i]);
    mem_free((*d)->literals);
    mem_free((*d)->types);
    for (doc_block *b = (*d)->blocks, *next; b; b = next) {
        next = b->next;
        mem_free(b);
    }
    json_decref((*d)->root);
    mem_free(*d);
    *d = NULL;
}

sib_code doc_fault(const job_doc *d, sib_error *err, sib_code code, const char *path, const char *format, ...)
{
    char words[sizeof d->fault->message];
    va_list list;
    va_start(list, format);
    vsnprintf(words, sizeof words, format, list);
    va_end(list);
    if (d->fault && !d->fault->message[0]) {
        snprintf(d->fault->path, sizeof d->fault->path, "%s", path);
        snprintf(d->fault->message, sizeof d->fault->message, "%s", words);
    }
    return err_set(err, code, "job '%s': %s: %s", d->name, path, words);
}

/* ---- Structure ----------------------------------------------------------------------------------------- */

sib_code doc_object(const job_doc *d, const json_t *around, const char *path, const char *name, json_t **out,
                    size_t *n, sib_error *err)
{
    char where[256];
    *out = json_object_get(around, name);
    *n = json_object_size(*out);
    snprintf(where, sizeof where, "%s/%s", path, name);
    return *out && !json_is_object(*out) ? doc_fault(d, err, SIB_ERR_FORMAT, where, "expected an object")
                                         : SIB_OK;
}

sib_code doc_text(const job_doc *d, const json_t *around, const char *path, const char *name,
                  const char **out, sib_error *err)
{
    char where[256];
    const json_t *j = json_object_get(around, name);
    *out = json_string_value(j);
    snprintf(where, sizeof where, "%s/%s", path, name);
    return j && !*out ? doc_fault(d, err, SIB_ERR_FORMAT, where, "expected a string") : SIB_OK;
}

static sib_code unknown_member(const job_doc *d, const char *path, const char *key, const char *const *names,
                               sib_error *err)
{
    char known[256] = "";
    for (size_t i = 0, used = 0; names[i] && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", names[i]);
    return doc_fault(d, err, SIB_ERR_FORMAT, path, "unknown member '%s' (known: %s)", key, known);
}

sib_code doc_only(const job_doc *d, const json_t *object, const char *path, const char *const *names,
                  sib_error *err)
{
    const char *key;
    json_t *item;
    if (!json_is_object(object))
        return doc_fault(d, err, SIB_ERR_FORMAT, path, "expected an object");
    json_object_foreach((json_t *)object, key, item)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], key))
            i++;
        if (!names[i])
            return unknown_member(d, path, key, names, err);
    }
    return SIB_OK;
}

sib_code doc_name(const job_doc *d, const char *path, const char *name, sib_error *err)
{
    return name[0] && !strpbrk(name, "./[]*?$")
               ? SIB_OK
               : doc_fault(d, err, SIB_ERR_FORMAT, path,
                           "'%s' is not a valid name: it is empty or has one of ./[]*?$", name);
}
