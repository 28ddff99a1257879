/* Strings: joining, splitting, normalising, matching, counting n-grams. */
#include "milli/build_values.h"
#include "ops/lower/lower.h"

#include <strings.h>

static mval strings_in(lowering *l, size_t i)
{
    mval x = l_in(l, i);
    if (l_ok(l) && m_dtype(l, x) && m_dtype(l, x) != SIB_STRING)
        return l_fail(l, SIB_ERR_ARGUMENT, "input %zu is of %s, expected strings", i,
                      sib_dtype_name(m_dtype(l, x)));
    return x;
}

/* Z = X and Y concatenated, broadcast. ONNX StringConcat-20. */
void lower_ONNX_StringConcat(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, m_add(l, strings_in(l, 0), strings_in(l, 1)));
}

/* Y[i..., :] = the parts of X[i...], padded with ""; Z[i...] = their number. ONNX StringSplit-20. */
void lower_ONNX_StringSplit(lowering *l, const node *n)
{
    string_split_spec spec = spec_string_split(n);
    mval outs[2];
    l_declare(l, 0, SIB_STRING, 0, NULL);
    l_declare(l, 1, SIB_I64, 0, NULL);
    m_string_split(l, l_in(l, 0), spec.delimiter, spec.maxsplit, outs);
    l_out(l, 0, outs[0]);
    l_out(l, 1, outs[1]);
}

/* Indices of the elements of x [n] where keep is true; if none is, n, the index of an appended "". */
static mval kept_or_one(lowering *l, mval keep)
{
    mval count = m_reduce_axis(l, MILLI_reduce_sum, m_cast(l, keep, SIB_I64), 0, KEEP_DIMS);
    mval flags[2] = {keep, m_equal(l, count, m_scalar_int(l, SIB_I64, 0))};
    mval all = m_concat(l, 2, flags, 0);
    return m_squeeze(l, m_nonzero(l, all), 0);
}

/* Some locales change case differently from Unicode's general rules, the only ones implemented. */
static void check_locale(lowering *l, sib_str locale)
{
    static const char *const special[] = {"tr", "az", "lt"};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (locale.length >= 2 && !strncasecmp(locale.data, special[i], 2) &&
            (locale.length == 2 || locale.data[2] == '_' || locale.data[2] == '-' || locale.data[2] == '.'))
            l_fail(l, SIB_ERR_UNSUPPORTED, "letter case by the rules of locale %.*s is not supported",
                   (int)locale.length, locale.data);
}

/* X without its stop words, and in upper or lower case if asked for; [""] where nothing is left. X is [C] or
   [1, C]. ONNX StringNormalizer-10. */
void lower_ONNX_StringNormalizer(lowering *l, const node *n)
{
    string_normalizer_spec spec = spec_string_normalizer(n);
    mval x = strings_in(l, 0);
    bool lower = spec.case_change_action == CASE_LOWER, upper = spec.case_change_action == CASE_UPPER;
    l_declare(l, 0, SIB_STRING, 0, NULL);
    int rank = m_rank(l, x);
    if (lower || upper)
        check_locale(l, spec.locale);
    if (l_ok(l) && (rank < 1 || rank > 2))
        l_fail(l, SIB_ERR_ARGUMENT, "X has rank %d, expected 1 or 2", rank);
    if (rank == 2)
        x = m_squeeze(l, x, 0);
    if (!l_ok(l))
        return;
    mval words = m_strings(l, spec.stopwords.n, spec.stopwords.v), seen = x,
         none = m_strings(l, 1, &(sib_str){"", 0});
    if (!spec.is_case_sensitive) {
        words = m_string_case(l, words, false);
        seen = m_string_case(l, x, false);
    }
    mval keep = m_less(l, m_lookup(l, seen, words), m_scalar_int(l, SIB_I64, 0));
    mval y = m_gather(l, m_concat(l, 2, (mval[]){x, none}, 0), kept_or_one(l, keep), 0);
    if (lower || upper)
        y = m_string_case(l, y, upper);
    l_out(l, 0, rank == 2 ? m_unsqueeze(l, y, 0) : y);
}

/* Y = whether `pattern` matches all of X. ONNX RegexFullMatch-20. */
void lower_ONNX_RegexFullMatch(lowering *l, const node *n)
{
    l_out(l, 0, m_regex_match(l, l_in(l, 0), spec_regex(n).pattern));
}

/* Y[..., ngram_indexes[i]] += count in X of the i-th n-gram of the pool, with up to max_skip_count tokens
   skipped between its tokens; multiplied by weights in modes IDF and TFIDF. ONNX TfIdfVectorizer-9. */
void lower_ONNX_TfIdfVectorizer(lowering *l, const node *n)
{
    l_declare(l, 0, SIB_F32, 0, NULL);
    l_out(l, 0, m_tfidf(l, l_in(l, 0), n->n_attributes, n->attributes));
}

/* Tokens of each string of X [n] or [n, m], padded to the longest row. The separators split one after the
   other, "" into characters; or the tokens are the matches of tokenexp, both of RE2's syntax. Tokens of fewer
   than mincharnum characters are left out; with mark each row is between \x02 and \x03. com.microsoft
   Tokenizer-1. */
void lower_MS_Tokenizer(lowering *l, const node *n)
{
    tokenizer_spec spec = spec_tokenizer(n);
    l_declare(l, 0, SIB_STRING, 0, NULL);
    if ((spec.separators.n > 0) == (spec.tokenexp.length > 0)) {
        l_fail(l, SIB_ERR_ARGUMENT, "one of separators and tokenexp is needed");
        return;
    }
    l_out(l, 0, m_tokenize(l, strings_in(l, 0), n->n_attributes, n->attributes));
}
