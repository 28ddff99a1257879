/* Tests every entry of the tables of kernels at every CPU level that runs here; see trial.h. --bench [WORDS]
   instead prints the time of each entry, or of those whose names contain WORDS. */
#include "tables.h"
#include "trial.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const trial_family *const families[] = {
    &family_table,
    &family_mel,
    &family_tile,
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

static const char *slot_at(const named_table *t, const trial_row *row, size_t slot)
{
    return (const char *)t + row->offset + slot * sizeof(any_function);
}

/* True if table `at` has a function in this slot that no earlier table has; earlier ones were tested
   already. */
static bool is_new(size_t at, const trial_row *row, size_t slot)
{
    static const any_function none;
    const char *here = slot_at(&tables[at], row, slot);
    bool there = memcmp(here, &none, sizeof none) != 0;
    for (size_t i = 0; i < at && there; i++)
        there = memcmp(slot_at(&tables[i], row, slot), here, sizeof none) != 0;
    return there;
}

static void start(trial *t, const trial_row *row, size_t table, size_t slot, size_t round)
{
    t->tables = &tables[table];
    t->k = &tables[table].table;
    t->row = row;
    t->slot = slot;
    t->round = round;
    t->r.state = (round + 1) * UINT64_C(0x9E3779B97F4A7C15) + slot + 1;
    t->n_blocks = 0;
}

static trial the_trial; /* its blocks are shared by all rows */

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    trial_fail_at(&the_trial, info->si_addr);
}

/* Quick runs take every length, and a fifth of the rounds of random ones: of each slot others. */
static bool left_out(size_t slot, size_t round)
{
    return check_quick() && round >= TRIAL_SHORT && (round + slot) % 5;
}

static void run_row(void **state)
{
    const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    const trial_row *row = *state;
    trial *t = &the_trial;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    for (size_t slot = 0; slot < slots_of(row); slot++)
        for (size_t round = 0; round < (row->rounds ? row->rounds : TRIAL_ROUNDS); round++)
            for (size_t table = 0; table < n_tables; table++)
                if (is_new(table, row, slot) && !left_out(slot, round)) {
                    start(t, row, table, slot, round);
                    row->run(t);
                }
}

/* Every pointer-sized slot of the tables is an entry with a generator, or a size that belongs to one. */
static void every_entry_has_a_row(void **state)
{
    static const char *by[sizeof(named_table)];
    const char *last = "none";
    (void)state;
    for (size_t f = 0; f < COUNT(families); f++)
        for (size_t i = 0; i < families[f]->n; i++)
            for (size_t b = 0; b < families[f]->rows[i].bytes; b++)
                by[families[f]->rows[i].offset + b] = families[f]->rows[i].name;
    for (size_t at = offsetof(named_table, table); at < sizeof(named_table); at += sizeof(any_function)) {
        if (!by[at])
            fail_msg("the entry at byte %zu of the tables, behind %s, has no row in tests/kernel", at, last);
        last = by[at];
    }
}

static void table_of_this_machine(void **state)
{
    (void)state;
    const kernel_table *t = kernel_table_get();
    assert_ptr_equal(t, kernel_table_get());
    assert_int_equal(t->level, cpu_level_chosen());
    for (size_t i = 1; i < n_levels; i++) /* each has its own, not the portable one */
        assert_true(tables[i].tile.block != tables[0].tile.block);
}

/* ---- Faults -------------------------------------------------------------------------------------------- */

static void read_too_far(trial *t)
{
    const volatile char *x = trial_bytes(t, 100, 1);
    if (t->round == 3)
        (void)x[104];
}

static const trial_row faulty = {
    "faulty", offsetof(named_table, tile.block), sizeof(any_function), read_too_far, NULL, 0};

static int run_faulty(void)
{
    const struct CMUnitTest test = {.name = "faulty", .test_func = run_row, .initial_state = (void *)&faulty};
    return _cmocka_run_group_tests("faults", &test, 1, NULL, NULL);
}

static void a_fault_is_located(void **state)
{
    char text[2000];
    int ends[2], status;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        _exit(run_faulty());
    }
    close(ends[1]);
    FILE *out = fdopen(ends[0], "r");
    assert_non_null(out);
    text[fread(text, 1, sizeof text - 1, out)] = 0;
    fclose(out);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    if (!strstr(text, "faulty at c, round 3: a fault at byte 104 of block 0, which has 100"))
        fail_msg("%s", text);
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
                   (int)(40 > strlen(row->name) ? 40 - strlen(row->name) : 1), name, t->tables->name, each,
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
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_fault_is_located);
    for (size_t f = 0; f < COUNT(families); f++)
        for (size_t i = 0; i < families[f]->n; i++)
            if (families[f]->rows[i].run)
                tests[n++] = (struct CMUnitTest){.name = families[f]->rows[i].name,
                                                 .test_func = run_row,
                                                 .initial_state = (void *)&families[f]->rows[i]};
    return _cmocka_run_group_tests("kernel table", tests, n, NULL, NULL);
}
