/* The number of threads does not change the result. */
#include "reference.h"

TEST(same_bits)
{
    static const sib_conv1d_spec shapes[] = {
        {1, 96, 700, 100, 3, 2, 1, 1, 1, true}, {2, 12, 64, 12, 3, 2, 1, 1, 3, false},
        {1, 5000, 40, 7, 3, 1, 1, 1, 1, false}, /* sums that take more than one flush */
        {1, 30, 5, 900, 2, 1, 0, 1, 1, true},   {1, 64, 1000, 64, 5, 1, 2, 2, 64, true},
        {3, 7, 333, 13, 4, 3, 2, 3, 1, true},   {1, 1, 1, 1, 1, 1, 0, 1, 1, true},
    };
    static const sib_dtype dtypes[] = {SIB_F32, SIB_F16, SIB_BF16};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t d = 0; d < 3; d++) {
            conv_case c;
            case_make(&c, shapes[i], dtypes[d], i + 40);
            size_t bytes = c.n_y * c.element;
            case_run(&c, NULL, true);
            void *alone = malloc(bytes);
            assert_non_null(alone);
            memcpy(alone, c.y, bytes);
            for (unsigned threads = 1; threads <= 4; threads++) {
                sib_pool *pool;
                sib_error err = SIB_ERROR_INIT;
                CHECK_OK(sib_pool_create(threads, &pool, &err), err);
                case_run(&c, pool, true);
                for (size_t at = 0; at < bytes; at++)
                    if (((unsigned char *)alone)[at] != ((unsigned char *)c.y)[at])
                        fail_msg("shape %zu, dtype %zu, %u threads: element %zu differs", i, d, threads,
                                 at / c.element);
                sib_pool_free(&pool);
            }
            free(alone);
            case_free(&c);
        }
}
