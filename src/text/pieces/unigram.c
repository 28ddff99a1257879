#include "text/pieces/unigram.h"

#include "text/bpe/bpe.h"
#include "text/chars/utf8.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <math.h>

/* Cost of a character that is not a piece, below the least likely piece (as in SentencePiece). */
#define UNKNOWN_PENALTY 10.0

/* The best segmentation that ends at the node. */
typedef struct node {
    double score;
    uint32_t length; /* of the last piece; 0: not reached */
    int32_t id;
} node;

#define FEW 256 /* pieces up to this many bytes have their nodes on the stack */

/* Above this, single-precision sums are rebased, so that they stay accurate to some thousandths (as in
   SentencePiece). */
#define MAX_SUM 100000.0

static inline double add_score(const unigram *u, double a, double b)
{
    return u->single ? (double)((float)a + (float)b) : a + b;
}

static inline void offer(node *to, double score, uint32_t length, int32_t id)
{
    if (to->length == 0 || score > to->score)
        *to = (node){score, length, id};
}

/* Rebases the scores of all reached nodes from `at` to `end` on the score of `at`. */
static void begin_anew(node *nodes, size_t at, size_t end)
{
    float sum = (float)nodes[at].score;
    for (size_t i = at; i <= end; i++)
        if (nodes[i].length)
            nodes[i].score = (double)((float)nodes[i].score - sum);
}

/* Fills nodes (text.size + 1), which must be zero. */
static void search(const unigram *u, sib_str text, node *nodes)
{
    size_t farthest = 0; /* reached so far */
    for (size_t at = 0, length; at < text.length; at += length) {
        if (u->single && fabs(nodes[at].score) > MAX_SUM)
            begin_anew(nodes, at, farthest);
        double till_here = nodes[at].score;
        bool whole_character = false;
        utf8_next(text.data + at, text.length - at, &length);
        uint32_t place = 0;
        for (size_t end = at;
             end < text.length && (place = trie_child(&u->trie, place, (uint8_t)text.data[end])) != 0;) {
            int32_t id = u->trie.nodes[place].id;
            end++;
            if (id < 0)
                continue;
            offer(&nodes[end], add_score(u, till_here, u->scores[id]), (uint32_t)(end - at), id);
            farthest = size_max(farthest, end);
            whole_character |= end - at == length;
        }
        farthest = size_max(farthest, at + length);
        if (!whole_character)
            offer(&nodes[at + length], add_score(u, till_here, u->unknown_score), (uint32_t)length, -1);
    }
}

static sib_code add_unknown(const unigram *u, sib_str text, token_ids *out, sib_error *err)
{
    int32_t id = u->look_up ? vocab_find(u->model.vocab, text.data, text.length) : -1;
    bool bytes = u->byte_fallback && id < 0;
    for (size_t i = 0; i < text.length && bytes; i++)
        bytes = u->byte_ids[(uint8_t)text.data[i]] >= 0;
    if (!bytes && id < 0 && u->unknown < 0)
        return err_set(err, SIB_ERR_VALUE, "there is no token for '%.*s'", (int)size_min(text.length, 64),
                       text.data);
    if (!bytes)
        return ids_add(out, id >= 0 ? id : u->unknown, err);
    sib_code code = SIB_OK;
    for (size_t i = 0; i < text.length && code == SIB_OK; i++)
        code = ids_add(out, u->byte_ids[(uint8_t)text.data[i]], err);
    return code;
}

/* Appends the best segmentation, after reversing its links. Consecutive unknown pieces become one. */
static sib_code follow(const unigram *u, sib_str text, node *nodes, token_ids *out, sib_error *err)
{
    uint32_t ahead = 0;
    int32_t id = -1;
    for (size_t at = text.length;;) {
        node n = nodes[at];
        nodes[at].length = ahead;
        nodes[at].id = id;
        if (at == 0)
            break;
        ahead = n.length;
        id = n.id;
        at -= n.length;
    }
    sib_code code = SIB_OK;
    for (size_t at = 0; at < text.length && code == SIB_OK;) {
        size_t end = at + nodes[at].length;
        if (nodes[at].id >= 0) {
            code = ids_add(out, nodes[at].id, err);
        } else {
            while (end < text.length && nodes[end].id < 0)
                end += nodes[end].length;
            code = add_unknown(u, (sib_str){text.data + at, end - at}, out, err);
        }
        at = end;
    }
    return code;
}

static sib_code encode(const pretoken_model *m, sib_str piece, token_ids *out, sib_error *err)
{
    const unigram *u = (const unigram *)m;
    node few[FEW + 1], *nodes = few;
    if (piece.length >= UINT32_MAX)
        return err_set(err, SIB_ERR_SIZE, "%zu bytes in one piece of text are too many", piece.length);
    if (piece.length <= FEW)
        memset(few, 0, (piece.length + 1) * sizeof *few);
    else
        nodes = mem_calloc(piece.length + 1, sizeof *nodes);
    if (!nodes)
        return err_memory(err, piece.length * sizeof *nodes, "the pieces of a text");
    search(u, piece, nodes);
    sib_code code = follow(u, piece, nodes, out, err);
    if (nodes != few)
        mem_free(nodes);
    return code;
}

void unigram_init(unigram *u, const vocab *v)
{
    *u = (unigram){.model = {v, encode}, .unknown = -1};
    for (int i = 0; i < 256; i++)
        u->byte_ids[i] = -1;
}

sib_code unigram_index(unigram *u, bool (*takes)(const void *context, int32_t id), const void *context,
                       sib_error *err)
{
    const vocab *v = u->model.vocab;
    trie_key *keys = mem_alloc(v->n, sizeof *keys);
    size_t n = 0;
    double lowest = INFINITY;
    if (!keys)
        return err_memory(err, v->n * sizeof *keys, "a trie");
    for (size_t i = 0; i < v->n; i++) {
        const token *t = vocab_token(v, (int32_t)i);
        if (!t || !t->size || (t->flags & TOKEN_HIDDEN) || (takes && !takes(context, (int32_t)i)))
            continue;
        keys[n++] = (trie_key){vocab_bytes(v, t), (int32_t)i};
        lowest = u->scores[i] < lowest ? u->scores[i] : lowest;
    }
    u->unknown_score = add_score(u, lowest, -UNKNOWN_PENALTY);
    sib_code code = trie_build(&u->trie, keys, n, err);
    mem_free(keys);
    return code;
}

void unigram_free(unigram *u)
{
    trie_free(&u->trie);
    mem_free(u->scores);
    u->scores = NULL;
}
