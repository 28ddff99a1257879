/* TEST_KEEPS(what): the library keeps memory for the process in this program's tests, which otherwise fail it (main.c). */
#ifndef TESTS_KEEPS_H
#define TESTS_KEEPS_H

void check_keep_memory(void);

#define TEST_KEEPS(what)                                                                                     \
    __attribute__((constructor)) static void check_add_keeps(void)                                           \
    {                                                                                                        \
        check_keep_memory();                                                                                 \
    }

#endif
