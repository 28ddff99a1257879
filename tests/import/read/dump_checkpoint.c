/* dump_checkpoint OUT.npz PATH...: writes the weights of a checkpoint as arrays, and its facts as lines of
   JSON, so that other programs can compare them with what they wrote. Types unknown to NumPy, and blocks,
   become float32. */
#include "import/read/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_text(sib_str s)
{
    putchar('"');
    for (size_t i = 0; i < s.length; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c < 32 || c == '"' || c == '\\')
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void print_fact(const fact *f)
{
    printf("[");
    print_text(f->key);
    printf(f->list ? ", [" : ", ");
    for (size_t i = 0; i < f->n; i++) {
        if (i)
            printf(", ");
        if (f->kind == FACT_INT)
            printf("%lld", (long long)f->ints[i]);
        else if (f->kind == FACT_FLOAT)
            printf("%.17g", f->floats[i]);
        else if (f->kind == FACT_BOOL)
            printf(f->bools[i] ? "true" : "false");
        else
            print_text(f->strings[i]);
    }
    printf(f->list ? "]]\n" : "]\n");
}

static sib_dtype as_array(const weight *w)
{
    switch (w->format->dtype) {
    case SIB_DTYPE_UNKNOWN:
    case SIB_BF16:
    case SIB_F8E4M3FN:
    case SIB_F8E4M3FNUZ:
    case SIB_F8E5M2:
    case SIB_F8E5M2FNUZ:
    case SIB_F8E8M0:
        return SIB_F32;
    default:
        return w->format->dtype;
    }
}

static sib_code read_all(const checkpoint *c, sib_npz_entry *entries, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < checkpoint_weights(c) && code == SIB_OK; i++) {
        const weight *w = checkpoint_weight(c, i);
        sib_dtype dtype = as_array(w);
        entries[i].name = strdup(w->name.data);
        code = sib_tensor_create(dtype, w->rank, w->dims, &entries[i].tensor, err);
        if (code == SIB_OK)
            code = weight_read(w, 0, (size_t)sib_tensor_count(entries[i].tensor), dtype,
                               sib_tensor_data(entries[i].tensor), err);
    }
    return code;
}

int main(int argc, char **argv)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    if (argc < 3) {
        fprintf(stderr, "usage: dump_checkpoint OUT.npz PATH...\n");
        return 2;
    }
    sib_code code = checkpoint_open((const char *const *)argv + 2, (size_t)argc - 2, &c, &err);
    size_t n = code == SIB_OK ? checkpoint_weights(c) : 0;
    sib_npz_entry *entries = calloc(n + 1, sizeof *entries);
    if (code == SIB_OK && entries)
        code = read_all(c, entries, &err);
    if (code == SIB_OK)
        code = sib_npz_save(argv[1], entries, n, false, &err);
    for (size_t i = 0; code == SIB_OK && checkpoint_fact_at(c, i); i++)
        print_fact(checkpoint_fact_at(c, i));
    for (size_t i = 0; entries && i < n; i++) {
        free(entries[i].name);
        sib_tensor_free(&entries[i].tensor);
    }
    free(entries);
    checkpoint_free(&c);
    if (code != SIB_OK)
        fprintf(stderr, "%s\n", err.message);
    return code != SIB_OK;
}
