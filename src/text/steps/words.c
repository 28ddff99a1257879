#include "text/steps/words.h"

#include "base/alloc.h"
#include "base/error.h"

sib_code words_add(word_list *l, size_t at, size_t size, sib_error *err)
{
    if (!size)
        return SIB_OK;
    if (l->n == l->room) {
        size_t room = l->room + l->room / 2 + 64;
        word *words = mem_realloc(l->words, room, sizeof *words);
        if (!words)
            return err_memory(err, room * sizeof *words, "words");
        l->words = words;
        l->room = room;
    }
    l->words[l->n++] = (word){at, size};
    return SIB_OK;
}

void words_free(word_list *l)
{
    mem_free(l->words);
    buffer_free(&l->own);
    *l = (word_list){0};
}
