/* Tests every entry of the kernel table at every CPU level that runs here; see trial.h. --bench [WORDS]
   instead prints the time of each entry, or of those whose names contain WORDS. */
#include "tables.h"
#include "trial.h"

static const trial_family *const families[] = {
    &family_table,
#define SIB_KERNELS(name) &family_##name,
#include "kernel/families.def"
#undef SIB_KERNELS
};

/* ---- Rows ---------------------------------------------------------------------------------------------- */

typedef void (*any_function)(void);

static size_t slots_of(const trial_row *row)
{
    return row->bytes / sizeof(any_function);
}

static const char *slot_at(const kernel_table *k, const trial_row *row, size_t slot)
{
    return (const char *)k + row->offset + slot * sizeof(any_function);
}

/* True if table `at` has a function in this slot that no earlier table has; earlier ones were tested
   already. */
static bool is_new(size_t at, const trial_row *row, size_t slot)
{
    static const any_function none;
    const char *here = slot_at(&tables[at].table, row, slot);
    bool there = memcmp(here, &none, sizeof none) != 0;
    for (size_t i = 0; i < at && there; i++)
        there = memcmp(slot_at(&tables[i].table, row, slot), here, sizeof none) != 0;
    return there;
}

static void start(trial *t, const trial_row *row, size_t table, size_t slot, size_t round)
{
    t->k = &tables[table].table;
    t->level = tables[table].name;
    t->row = row;
    t->slot = slot;
    t->round = round;
    t->r.state = (round + 1) * UINT64_C(0x9E3779B97F4A7C15) + slot + 1;
    t->n_blocks = 0;
}

static trial the_trial; /* its blocks are shared by all rows */

static void run_row(void **state)
{
    const trial_row *row = *state;
    trial *t = &the_trial;
    for (size_t slot = 0; slot < slots_of(row); slot++)
        for (size_t round = 0; round < (row->rounds ? row->rounds : TRIAL_ROUNDS); round++)
            for (size_t table = 0; table < n_tables; table++)
                if (is_new(table, row, slot)) {
                    start(t, row, table, slot, round);
                    row->run(t);
                }
}

/* Every pointer-sized slot of the table is an entry with a generator, or a size that belongs to one. */
static void every_entry_has_a_row(void **state)
{
    static const char *by[sizeof(kernel_table)];
    const char *last = "none";
    (void)state;
    for (size_t f = 0; f < COUNT(families); f++)
        for (size_t i = 0; i < families[f]->n; i++)
            for (size_t b = 0; b < families[f]->rows[i].bytes; b++)
                by[families[f]->rows[i].offset + b] = families[f]->rows[i].name;
    for (size_t at = 0; at < sizeof(kernel_table); at += sizeof(any_function)) {
        if (!by[at])
            fail_msg("the entry at byte %zu of the kernel table, behind %s, has no row in tests/kernel", at,
                     last);
        last = by[at];
    }
}

static void table_of_this_machine(void **state)
{
    (void)state;
    const kernel_table *t = kernel_table_get();
    assert_ptr_equal(t, kernel_table_get());
    assert_int_equal(t->level, cpu_level_chosen());
}

/* ---- Times --------------------------------------------------------------------------------------------- */

static void bench_row(const trial_family *family, const trial_row *row)
{
    trial *t = &the_trial;
    t->bench = true;
    for (size_t slot = 0; slot < slots_of(row); slot++) {
        double portable = 0;
        char name[80] = "";
        if (row->name_slot)
            row->name_slot(slot, name, sizeof name);
        else if (slots_of(row) > 1)
            snprintf(name, sizeof name, "[%zu]", slot);
        for (size_t table = 0; table < n_tables; table++) {
            if (!is_new(table, row, slot))
                continue;
            start(t, row, table, slot, TRIAL_ROUNDS);
            row->run(t);
            double each = t->best / (double)(t->elements ? t->elements : 1);
            portable = table ? portable : each;
            printf("%-16s %s%-*s %-30s %10.3f %8.2f\n", family->name, row->name,
                   (int)(40 > strlen(row->name) ? 40 - strlen(row->name) : 1), name, t->level, each,
                   portable / each);
        }
    }
}

static int bench(const char *words)
{
    printf("%-16s %-40s %-30s %10s %8s\n", "family", "entry", "level", "ns/element", "ratio");
    for (size_t f = 0; f < COUNT(families); f++)
        for (size_t i = 0; i < families[f]->n; i++)
            if (families[f]->rows[i].run && strstr(families[f]->rows[i].name, words))
                bench_row(families[f], &families[f]->rows[i]);
    return 0;
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[512];
    size_t n = 0;
    make_tables();
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return bench(argc > 2 ? argv[2] : "");
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_entry_has_a_row);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(table_of_this_machine);
    for (size_t f = 0; f < COUNT(families); f++)
        for (size_t i = 0; i < families[f]->n; i++)
            if (families[f]->rows[i].run)
                tests[n++] = (struct CMUnitTest){.name = families[f]->rows[i].name,
                                                 .test_func = run_row,
                                                 .initial_state = (void *)&families[f]->rows[i]};
    return _cmocka_run_group_tests("kernel table", tests, n, NULL, NULL);
}
