/* Layout kernels against item-by-item definitions. */
#include "trial.h"

/* A plane within wider rows, flipped vertically in some rounds. */
static void transpose(trial *t)
{
    size_t item = (size_t)1 << t->slot, rows = t->bench ? 64 : trial_pick(t, 1, 131);
    size_t columns = t->bench ? 64 : t->round < TRIAL_SHORT ? t->round + 1 : trial_pick(t, 1, 131);
    size_t wide = columns + trial_pick(t, 0, 5), tall = rows + trial_pick(t, 0, 5);
    bool back = trial_pick(t, 0, 3) == 0;
    const char *src = trial_bytes(t, (rows - 1) * wide + columns, item);
    char *dst = trial_out(t, item, columns, rows, tall, 0);
    const char *first = back ? src + (rows - 1) * wide * item : src;
    ptrdiff_t step = (ptrdiff_t)(wide * item) * (back ? -1 : 1);
    CALL(t, rows * columns,
         layout.transpose[t->slot](first, step, dst, (ptrdiff_t)(tall * item), rows, columns));
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            trial_expect_bits(t, "plane", dst + (j * tall + i) * item,
                              first + (ptrdiff_t)i * step + (ptrdiff_t)(j * item), 1, item);
}

static void repeat(trial *t)
{
    size_t item = (size_t)1 << t->slot, n = trial_length(t) % 700, times = trial_pick(t, 1, 6);
    size_t rows = trial_pick(t, 1, 5), copies = trial_pick(t, 1, 4), line = n * times;
    const char *src = trial_bytes(t, rows * n, item);
    char *dst = trial_out(t, item, rows * copies, line, line, 0);
    CALL(t, rows * copies * line, layout.repeat[t->slot](src, dst, rows, n, times, copies));
    for (size_t r = 0; r < rows * copies; r++)
        for (size_t i = 0; i < line; i++)
            trial_expect_bits(t, "repeated", dst + (r * line + i) * item,
                              src + (r / copies * n + i / times) * item, 1, item);
}

static void stream(trial *t)
{
    size_t n = trial_length(t);
    const char *src = trial_bytes(t, n, 1);
    char *dst = trial_out(t, 1, 1, n, n, 0);
    CALL(t, n, layout.stream(dst, src, n));
    t->k->layout.stream_end();
    trial_expect_bits(t, "copied", dst, src, n, 1);
}

static void item_name(size_t slot, char *text, size_t size)
{
    snprintf(text, size, "[%d bytes]", 1 << slot);
}

static const trial_row rows[] = {ENTRIES(layout.transpose, transpose, item_name),
                                 ENTRIES(layout.repeat, repeat, item_name), ENTRY(layout.stream, stream),
                                 DATA(layout.stream_end)};
const trial_family family_layout = {"layout", rows, COUNT(rows)};
