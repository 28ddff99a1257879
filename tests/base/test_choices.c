/* Choices of kernels: remembered in the process and in a file, which is checked when read and never spoilt. */
#include "base/choices.h"
#include "check_memory.h"
#include "folder.h"
#include "keeps.h"

#include <pthread.h>
#include <sys/stat.h>

TEST_FIXTURE(make_folder, drop_folder)
TEST_KEEPS("the choices of the process")

#define HEAD "sibyl tuning 1\n"

static const char *path; /* of the test's file */

static void begin(const char *name)
{
    path = in_folder(name);
}

static void write_text(const char *text, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_true(f && fwrite(text, 1, n, f) == n && fclose(f) == 0);
}

static void expect_text(const char *expected)
{
    char text[8192];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(text, expected);
}

static choices *opened(const char *file)
{
    sib_error err = SIB_ERROR_INIT;
    choices *c = NULL;
    CHECK_OK(choices_open(file, &c, &err), err);
    return c;
}

static void refused(const char *text, size_t n, sib_code code, const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    choices *c = NULL;
    write_text(text, n);
    CHECK_FAILS(choices_open(path, &c, &err), code, err, words);
    assert_null(c);
}

TEST(remembered_in_the_file_and_in_the_process)
{
    sib_error err = SIB_ERROR_INIT;
    char name[CHOICES_NAME];
    begin("new");
    choices *c = opened(path), *none = opened(NULL);
    assert_false(choices_find(c, "one two", name));
    CHECK_OK(choices_add(c, "one two", "fast", &err), err);
    CHECK_OK(choices_add(c, "one two", "fast", &err), err);
    CHECK_OK(choices_add(c, "one three", "slow", &err), err);
    expect_text(HEAD "one two fast\none three slow\n");
    assert_true(choices_find(c, "one two", name));
    assert_string_equal(name, "fast");
    assert_true(choices_find(none, "one three", name));
    assert_string_equal(name, "slow");
    choices_close(&c);
    choices_close(&none);
    /* what a file says comes before what the process knows */
    const char *by_hand = HEAD "# by hand\n\none two slow\none two other\n";
    write_text(by_hand, strlen(by_hand));
    c = opened(path);
    assert_true(choices_find(c, "one two", name));
    assert_string_equal(name, "other");
    assert_true(choices_find(c, "one three", name));
    CHECK_OK(choices_add(c, "one three", name, &err), err);
    expect_text(HEAD "# by hand\n\none two slow\none two other\none three slow\n");
    choices_close(&c);
}

TEST(damaged_files_are_refused_and_left_alone)
{
    begin("damaged");
    refused("PK\3\4", 4, SIB_ERR_FORMAT, "is not a tuning file");
    refused("sibyl tuning 2\n", 15, SIB_ERR_FORMAT, "is not a tuning file");
    refused("sibyl tuning 1", 14, SIB_ERR_FORMAT, "is not a tuning file");
    refused(HEAD "one two fas", strlen(HEAD) + 11, SIB_ERR_FORMAT, "line 2 is cut off");
    expect_text(HEAD "one two fas");
    refused(HEAD "one two fast\nword\n", strlen(HEAD) + 18, SIB_ERR_FORMAT, "line 3 is not a key");
    refused(HEAD "one two \n", strlen(HEAD) + 9, SIB_ERR_FORMAT, "line 2 is not a key");
    refused(HEAD " two\n", strlen(HEAD) + 5, SIB_ERR_FORMAT, "line 2 is not a key");
    refused(HEAD "one\0two fast\n", strlen(HEAD) + 13, SIB_ERR_FORMAT, "line 2 has a byte");
    refused(HEAD "one\ttwo fast\n", strlen(HEAD) + 13, SIB_ERR_FORMAT, "line 2 has a byte");
    refused(HEAD "one \xc3\xa9\n", strlen(HEAD) + 7, SIB_ERR_FORMAT, "line 2 has a byte");
}

TEST(large_files_and_lines_are_refused)
{
    char *text = calloc(1, CHOICES_MAX_BYTES + 2);
    assert_non_null(text);
    begin("large");
    size_t head = strlen(HEAD);
    memcpy(text, HEAD, head);
    memset(text + head, 'x', CHOICES_KEY);
    memcpy(text + head + CHOICES_KEY, " fast\n", 6);
    refused(text, head + CHOICES_KEY + 6, SIB_ERR_FORMAT, "line 2 is not a key");
    memcpy(text + head, "one ", 4);
    memset(text + head + 4, 'x', CHOICES_NAME);
    text[head + 4 + CHOICES_NAME] = '\n';
    refused(text, head + 5 + CHOICES_NAME, SIB_ERR_FORMAT, "line 2 is not a key");
    size_t n = head;
    for (int i = 0; i <= CHOICES_MAX; i++, n += 4)
        memcpy(text + n, "a b\n", 4);
    refused(text, n, SIB_ERR_SIZE, "more than");
    memset(text + head, '\n', CHOICES_MAX_BYTES + 1 - head);
    refused(text, CHOICES_MAX_BYTES + 1, SIB_ERR_SIZE, "is larger than");
    free(text);
}

TEST(files_that_cannot_be_used)
{
    sib_error err = SIB_ERROR_INIT;
    choices *c = NULL;
    char name[CHOICES_NAME];
    begin("none/file");
    c = opened(path);
    CHECK_FAILS(choices_add(c, "lost key", "fast", &err), SIB_ERR_IO, err, "none/file");
    choices_close(&c);
    begin("folder");
    assert_int_equal(mkdir(path, 0700), 0);
    CHECK_FAILS(choices_open(path, &c, &err), SIB_ERR_IO, err, "is no regular file");
    begin("full");
    char *text = malloc(CHOICES_MAX_BYTES);
    assert_non_null(text);
    memset(text, '\n', CHOICES_MAX_BYTES);
    memcpy(text, HEAD, strlen(HEAD));
    write_text(text, CHOICES_MAX_BYTES);
    c = opened(path);
    CHECK_OK(choices_add(c, "no room", "fast", &err), err); /* the process remembers */
    choices_close(&c);
    c = opened(path);
    assert_true(choices_find(c, "no room", name));
    choices_close(&c);
    free(text);
}

/* The longest key and name that there are, as the first line of a file too. */
TEST(the_longest_lines_are_kept)
{
    sib_error err = SIB_ERROR_INIT;
    char key[CHOICES_KEY], name[CHOICES_NAME], found[CHOICES_NAME], text[CHOICES_KEY + CHOICES_NAME + 50];
    begin("longest");
    memset(key, 'k', sizeof key - 1);
    memset(name, 'n', sizeof name - 1);
    key[sizeof key - 1] = name[sizeof name - 1] = '\0';
    choices *c = opened(path);
    CHECK_OK(choices_add(c, key, name, &err), err);
    choices_close(&c);
    snprintf(text, sizeof text, HEAD "%s %s\n", key, name);
    expect_text(text);
    c = opened(path);
    assert_true(choices_find(c, key, found));
    assert_string_equal(found, name);
    choices_close(&c);
}

static void *add_many(void *context)
{
    sib_error err = SIB_ERROR_INIT;
    char key[32], name[CHOICES_NAME];
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "many %d", i);
        choices_begin();
        if (!choices_find(context, key, name))
            CHECK_OK(choices_add(context, key, "fast", &err), err);
        choices_end();
    }
    return NULL;
}

TEST(two_threads_write_whole_lines)
{
    pthread_t threads[2];
    char name[CHOICES_NAME];
    begin("threads");
    choices *c = opened(path);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, c), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    choices_close(&c);
    c = opened(path);
    assert_true(choices_find(c, "many 49", name));
    choices_close(&c);
}
