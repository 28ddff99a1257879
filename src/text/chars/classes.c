#include "text/chars/classes.h"

#include "text/chars/classes.inc.h"

#include <pthread.h>
#include <string.h>

/* White_Space (PropList.txt), which is \s in regular expressions. */
static const uint32_t SPACES[][2] = {{0x9, 0xD},       {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},
                                     {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
                                     {0x205F, 0x205F}, {0x3000, 0x3000}};

static uint8_t table[UTF8_BROKEN + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_ranges(const uint32_t (*ranges)[2], size_t n, text_class c)
{
    for (size_t i = 0; i < n; i++)
        memset(table + ranges[i][0], (int)c, ranges[i][1] - ranges[i][0] + 1);
}

static void fill(void)
{
    fill_ranges(LETTERS, sizeof LETTERS / sizeof *LETTERS, CLASS_LETTER);
    fill_ranges(NUMBERS, sizeof NUMBERS / sizeof *NUMBERS, CLASS_NUMBER);
    fill_ranges(SPACES, sizeof SPACES / sizeof *SPACES, CLASS_SPACE);
}

const uint8_t *classes_table(void)
{
    pthread_once(&once, fill);
    return table;
}
