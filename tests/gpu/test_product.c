/* Products of tiles in shared memory (dialect/product.h): who has which sum, and what threads hand to the instruction
   that CUDA's dialect uses. */
#include "gpu/dialect/host.h"

#include "gpu/dialect/types.h"

#include "gpu/dialect/math.h"

#include "gpu/dialect/product.h"

#include "check.h"

#define THREADS 64
#define HIGH    2u
#define WIDE    3u
#define DEEP    16u
#define SUMS    (4u * HIGH * WIDE)
#define ROWS    (16u * HIGH)
#define COLUMNS (8u * WIDE)

SHARED(f32, cells_a, ROWS *DEEP)
SHARED(f32, cells_b, 2 * DEEP * COLUMNS)

KERNEL_ARGS(product, u32 unused;)

/* The first 32 threads multiply a by the first half of b, the others by the second. */
#define CELL_A(row, k)    SHARED_GET(cells_a, (row)*DEEP + (k))
#define CELL_B(k, column) SHARED_GET(cells_b, (thread / 32u * DEEP + (k)) * COLUMNS + (column))

/* Buffers: 0 a, 1 b, 2 both products, 3 how many threads had each sum. */
KERNEL(product)
{
    (void)args;
    EACH_THREAD
    {
        for (u32 i = thread; i < ROWS * DEEP; i += THREADS)
            SHARED_SET(cells_a, i, LOAD_F32(0, T_F32, i));
        for (u32 i = thread; i < 2 * DEEP * COLUMNS; i += THREADS)
            SHARED_SET(cells_b, i, LOAD_F32(1, T_F32, i));
    }
    BARRIER;
    EACH_THREAD
    {
        f32 part[SUMS];
        BLOCK_PRODUCT(part, HIGH, WIDE, DEEP, CELL_A, CELL_B, false, false)
        for (u32 i = 0; i < SUMS; i++) {
            const u32 to = (thread / 32u * ROWS + BLOCK_ROW(i, WIDE)) * COLUMNS + BLOCK_COLUMN(i, WIDE);
            SET_WORD(2, to, f32_to_bits(part[i]));
            SET_WORD(3, to, WORD(3, to) + 1u);
        }
    }
    BARRIER;
}

TEST(test_product)
{
    static uint32_t a[ROWS * DEEP], b[2 * DEEP * COLUMNS], c[2 * ROWS * COLUMNS], times[2 * ROWS * COLUMNS];
    check_random r = {7};
    for (size_t i = 0; i < sizeof a / sizeof *a; i++)
        a[i] = f32_to_bits((f32)check_uniform(&r));
    for (size_t i = 0; i < sizeof b / sizeof *b; i++)
        b[i] = f32_to_bits((f32)check_uniform(&r));
    host_group g = {.words = {a, b, c, times},
                    .n_words = {sizeof a / 4, sizeof b / 4, sizeof c / 4, sizeof times / 4},
                    .phase = 1,
                    .first_phase = 1};
    gpu_product_group(&g, (gpu_product_args){0});
    assert_null(g.fault);
    for (u32 e = 0; e < 2 * ROWS * COLUMNS; e++) {
        const u32 half = e / (ROWS * COLUMNS), row = e / COLUMNS % ROWS, column = e % COLUMNS;
        double sum = 0;
        for (u32 k = 0; k < DEEP; k++)
            sum += (double)bits_to_f32(a[row * DEEP + k]) *
                   (double)bits_to_f32(b[(half * DEEP + k) * COLUMNS + column]);
        assert_int_equal(times[e], 1);
        assert_true(fabs((double)bits_to_f32(c[e]) - sum) < 1e-5);
    }
}

/* mma.m16n8k8 as NVIDIA's PTX ISA has it: of lane = 4 group + place, a's items are (group, place), (group + 8, place),
   (group, place + 4), (group + 8, place + 4), b's (place, group), (place + 4, group), and sums (group, 2 place),
   (group, 2 place + 1), and those 8 rows below. */
TEST(test_fragments)
{
    f32 a[16][8], b[8][8], given_a[16][8], given_b[8][8];
    check_random r = {8};
    for (u32 i = 0; i < 128; i++)
        a[i / 8][i % 8] = (f32)(check_u64(&r) % 100);
    for (u32 i = 0; i < 64; i++)
        b[i / 8][i % 8] = (f32)(check_u64(&r) % 100);
    for (u32 thread = 0; thread < 32; thread++) {
        const u32 group = thread / 4, place = thread % 4;
        for (u32 i = 0; i < 4; i++)
            given_a[group + i % 2 * 8][place + i / 2 * 4] = a[FRAGMENT_ROW(i)][FRAGMENT_A_K(i)];
        for (u32 i = 0; i < 2; i++)
            given_b[place + i * 4][group] = b[FRAGMENT_B_K(i)][FRAGMENT_COLUMN];
    }
    for (u32 thread = 0; thread < 32; thread++)
        for (u32 i = 0; i < 4; i++) {
            const u32 row = thread / 4 + i / 2 * 8, column = thread % 4 * 2 + i % 2;
            f32 sum = 0, expected = 0;
            assert_int_equal(BLOCK_ROW(i, 1u), row);
            assert_int_equal(BLOCK_COLUMN(i, 1u), column);
            for (u32 k = 0; k < 8; k++) {
                sum += given_a[row][k] * given_b[k][column];
                expected += a[row][k] * b[k][column];
            }
            assert_true(sum == expected); /* of integers */
        }
}
