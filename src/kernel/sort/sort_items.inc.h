/* Sorting of items: distinct numbers in the wanted order. Included with:

       ITEM       the type
       LESS(a, b) a comes before b
       DIGIT(a, i) the i-th digit of 8 bits for radix sort, DIGITS of them from the lowest on
       NAMED(x)   x with the type's name

   Where the cancel is set the items are left in any order, some of them twice. */

static void NAMED(insert_all)(ITEM *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        ITEM v = items[i];
        size_t at = i;
        for (; at > 0 && LESS(v, items[at - 1]); at--)
            items[at] = items[at - 1];
        items[at] = v;
    }
}

#define RUN 16 /* items that are sorted by insertion */

/* items, scratch: (n); the result is in items. */
static void NAMED(merge_sort)(ITEM *items, size_t n, ITEM *scratch)
{
    ITEM *from = items, *to = scratch;
    for (size_t at = 0; at < n; at += RUN)
        NAMED(insert_all)(items + at, size_min(RUN, n - at));
    for (size_t run = RUN; run < n; run *= 2) {
        for (size_t at = 0; at < n; at += 2 * run) {
            size_t middle = size_min(at + run, n), end = size_min(at + 2 * run, n), left = at, right = middle;
            for (size_t i = at; i < end; i++) {
                bool takes_left = right == end || (left < middle && LESS(from[left], from[right]));
                to[i] = from[takes_left ? left++ : right++];
            }
        }
        ITEM *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, n * sizeof *items);
}

/* Radix sort from the lowest digit; digits that all items share are skipped. Items must already be ordered by
   the bits below the digits. */
static void NAMED(radix_sort)(ITEM *items, size_t n, ITEM *scratch, const struct sib_cancel *cancel)
{
    ITEM *from = items, *to = scratch;
    for (unsigned d = 0; d < DIGITS && !cancel_is_set(cancel); d++) {
        size_t starts[256] = {0}, sum = 0;
        FOR_PARTS (cancel, i, 0, n)
            starts[DIGIT(from[i], d)]++;
        if (starts[DIGIT(from[0], d)] == n)
            continue;
        for (size_t b = 0; b < 256; b++) {
            size_t count = starts[b];
            starts[b] = sum;
            sum += count;
        }
        FOR_PARTS (cancel, i, 0, n)
            to[starts[DIGIT(from[i], d)]++] = from[i];
        ITEM *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        FOR_PARTS (cancel, i, 0, n)
            items[i] = from[i];
}

static void NAMED(sort)(ITEM *items, size_t n, ITEM *scratch, const struct sib_cancel *cancel)
{
    if (n < 1024)
        NAMED(merge_sort)(items, n, scratch);
    else
        NAMED(radix_sort)(items, n, scratch, cancel);
}

/* A heap with the last item in order on top. */
static void NAMED(sink)(ITEM *heap, size_t n, size_t at)
{
    ITEM v = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && LESS(heap[child], heap[child + 1]))
            child++;
        if (!LESS(v, heap[child]))
            break;
        heap[at] = heap[child];
    }
    heap[at] = v;
}

/* Moves the first k of the n items, in order, to the front. */
static void NAMED(first)(ITEM *items, size_t n, size_t k, ITEM *scratch, const struct sib_cancel *cancel)
{
    if (cancel_is_set(cancel))
        return;
    if (k > n / 4) {
        NAMED(sort)(items, n, scratch, cancel);
        return;
    }
    if (k <= FEW) {
        NAMED(insert_all)(items, k);
        FOR_PARTS (cancel, i, k, k ? n : 0) {
            ITEM v = items[i];
            size_t at = k - 1;
            if (!LESS(v, items[at]))
                continue;
            for (; at > 0 && LESS(v, items[at - 1]); at--)
                items[at] = items[at - 1];
            items[at] = v;
        }
        return;
    }
    for (size_t i = k / 2; i > 0 && !cancel_is_set(cancel); i--)
        NAMED(sink)(items, k, i - 1);
    FOR_PARTS (cancel, i, k, n)
        if (LESS(items[i], items[0])) {
            items[0] = items[i];
            NAMED(sink)(items, k, 0);
        }
    NAMED(sort)(items, k, scratch, cancel);
}

#undef ITEM
#undef LESS
#undef DIGIT
#undef DIGITS
#undef NAMED
#undef RUN
