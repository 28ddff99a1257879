#include "text/steps/words.h"

#include "base/alloc.h"
#include "base/array.h"

sib_code words_add(word_list *l, size_t at, size_t size, sib_error *err)
{
    return size ? ARRAY_PUSH(l->words, l->n, l->capacity, "words", err, (word){at, size}) : SIB_OK;
}

void words_free(word_list *l)
{
    mem_free(l->words);
    buf_free(&l->own);
    *l = (word_list){0};
}
