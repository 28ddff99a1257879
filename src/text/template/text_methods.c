/* Methods of texts, as Python's str has them, and the filters that are the same. */
#include "base/size.h"
#include "text/chars/chars.h"
#include "text/chars/utf8.h"
#include "text/template/characters.h"
#include "text/template/run.h"

#include <utf8proc.h>

/* ---- Stripping ------------------------------------------------------------------------------------------ */

/* Whether the character of n bytes at `at` is one of `set`; set NULL: a blank. */
static bool in_set(const char *at, size_t n, const sib_str *set)
{
    size_t blank = space_at((sib_str){at, n}, 0);
    return set ? text_find(*set, (sib_str){at, n}, 0) != SIZE_MAX : blank == n;
}

static sib_str strip(sib_str s, const sib_str *set, bool left, bool right)
{
    size_t n;
    while (left && s.length && (utf8_next(s.data, s.length, &n), in_set(s.data, n, set)))
        s = str_from(s, n);
    while (right && s.length) {
        size_t from = utf8_before(s.data, s.length);
        if (!in_set(s.data + from, s.length - from, set))
            break;
        s.length = from;
    }
    return s;
}

static value stripped(run *r, call *c, bool left, bool right)
{
    sib_str s = tpl_str(r, c->self), set = {"", 0};
    bool given = c->has[0] && c->args[0].kind != VALUE_NONE;
    if (given)
        set = call_text(r, c, 0, "");
    return tpl_charge(r, s.length / 16 * (1 + set.length / 16))
               ? value_text(strip(s, given ? &set : NULL, left, right))
               : value_none();
}

static value text_strip(run *r, call *c)
{
    return stripped(r, c, true, true);
}

static value text_lstrip(run *r, call *c)
{
    return stripped(r, c, true, false);
}

static value text_rstrip(run *r, call *c)
{
    return stripped(r, c, false, true);
}

/* ---- Case ----------------------------------------------------------------------------------------------- */

typedef enum letter_case {
    CASE_UPPER,
    CASE_LOWER,
    CASE_TITLE,  /* str.title: letters behind what is no letter */
    CASE_WORDS,  /* Jinja's filter: characters behind blanks and opening brackets */
    CASE_CAPITAL /* the first character */
} letter_case;

/* Simple mappings of single characters: U+00DF stays what it is. */
static value in_case(run *r, sib_str s, letter_case kind)
{
    char *made = tpl_take(r, 2 * s.length + 1, 1);
    size_t used = 0;
    bool begins = true;
    if (!made || !tpl_charge(r, s.length / 8))
        return value_none();
    for (size_t i = 0, n; i < s.length; i += n) {
        uint32_t c = utf8_next(s.data + i, s.length - i, &n);
        bool upper = kind == CASE_UPPER || (begins && kind != CASE_LOWER);
        utf8proc_int32_t to =
            upper ? utf8proc_toupper((utf8proc_int32_t)c) : utf8proc_tolower((utf8proc_int32_t)c);
        char bytes[4];
        size_t size = utf8_put((uint32_t)to, bytes);
        if (used + size > 2 * s.length)
            break;
        memcpy(made + used, bytes, size);
        used += size;
        bool letter = utf8proc_category((utf8proc_int32_t)c) >= UTF8PROC_CATEGORY_LU &&
                      utf8proc_category((utf8proc_int32_t)c) <= UTF8PROC_CATEGORY_LO;
        bool opens = c < 128 && c ? strchr("-({[<", (int)c) != NULL : false;
        begins = (kind == CASE_TITLE && !letter) || (kind == CASE_WORDS && (opens || space_at(s, i)));
    }
    return value_text((sib_str){made, used});
}

static value text_upper(run *r, call *c)
{
    return in_case(r, tpl_str(r, c->self), CASE_UPPER);
}

static value text_lower(run *r, call *c)
{
    return in_case(r, tpl_str(r, c->self), CASE_LOWER);
}

static value text_title(run *r, call *c)
{
    return in_case(r, tpl_str(r, c->self), CASE_TITLE);
}

static value filter_title(run *r, call *c)
{
    return in_case(r, tpl_str(r, c->self), CASE_WORDS);
}

static value text_capitalize(run *r, call *c)
{
    return in_case(r, tpl_str(r, c->self), CASE_CAPITAL);
}

/* ---- Parts ---------------------------------------------------------------------------------------------- */

/* A text, or any of a tuple of texts, at the beginning or end. */
static value at_edge(run *r, call *c, bool end)
{
    const value one = c->args[0], *all = one.kind == VALUE_LIST ? one.list->items : &one;
    size_t n = one.kind == VALUE_LIST ? one.list->n : 1;
    sib_str s = c->self.text;
    for (size_t i = 0; i < n; i++) {
        if (all[i].kind != VALUE_TEXT)
            return tpl_fail(r, SIB_ERR_VALUE, "'%s' takes a text, and this is %s", c->name,
                            tpl_kind_name(all[i]));
        sib_str part = all[i].text;
        if (s.length >= part.length &&
            str_same(part, (sib_str){end ? s.data + s.length - part.length : s.data, part.length}))
            return value_bool(true);
    }
    return value_bool(false);
}

static value text_startswith(run *r, call *c)
{
    return at_edge(r, c, false);
}

static value text_endswith(run *r, call *c)
{
    return at_edge(r, c, true);
}

static value text_removeprefix(run *r, call *c)
{
    sib_str part = call_text(r, c, 0, "");
    bool starts = value_true(at_edge(r, c, false));
    return starts && r->code == SIB_OK ? value_text(str_from(c->self.text, part.length)) : c->self;
}

static value text_removesuffix(run *r, call *c)
{
    sib_str part = call_text(r, c, 0, ""), s = c->self.text;
    bool ends = value_true(at_edge(r, c, true));
    return value_text((sib_str){s.data, s.length - (ends && r->code == SIB_OK ? part.length : 0)});
}

static value text_replace(run *r, call *c)
{
    sib_str s = tpl_str(r, c->self), from = call_text(r, c, 0, ""), to = call_text(r, c, 1, "");
    int64_t left = c->has[2] && c->args[2].kind == VALUE_NONE ? -1 : call_int(r, c, 2, -1);
    byte_buffer made = {.max = MAX_OUTPUT};
    size_t at = 0;
    if (!tpl_charge(r, s.length / 4))
        return value_none();
    for (size_t found; left && made.code == SIB_OK; left--) {
        size_t n = 0; /* of a character, where nothing is replaced everywhere */
        if (!from.length && at < s.length)
            utf8_next(s.data + at, s.length - at, &n);
        found = text_find(s, from, at);
        if (found == SIZE_MAX)
            break;
        buf_add(&made, s.data + at, found - at, r->err);
        buf_add_str(&made, to, r->err);
        at = found + from.length;
        buf_add(&made, s.data + at, n, r->err);
        at += n;
        if (!from.length && !n)
            break;
    }
    buf_add(&made, s.data + at, s.length - at, r->err);
    return tpl_made(r, &made);
}

/* Collects parts of texts. */
typedef struct parts {
    run *r;
    value *items;
    size_t n, capacity;
} parts;

static void parts_add(parts *p, const char *data, size_t n)
{
    if (p->n == p->capacity) {
        size_t more = p->capacity ? 2 * p->capacity : 8;
        value *items = tpl_take(p->r, more, sizeof *items);
        if (!items)
            return;
        if (p->n)
            memcpy(items, p->items, p->n * sizeof *items);
        p->items = items;
        p->capacity = more;
    }
    p->items[p->n++] = value_text((sib_str){data, n});
}

static value parts_list(parts *p)
{
    value_list *l = tpl_list(p->r, p->n);
    if (l && p->n)
        memcpy(l->items, p->items, p->n * sizeof *p->items);
    return value_of_list(l);
}

static value split_at_blanks(run *r, sib_str s, int64_t left)
{
    parts p = {.r = r};
    size_t at = 0, n;
    while (r->code == SIB_OK) {
        while ((n = space_at(s, at)))
            at += n;
        if (at == s.length)
            break;
        size_t end = at;
        if (left-- == 0)
            end = s.length; /* blanks at the end too */
        else
            while (end < s.length && !space_at(s, end))
                end++;
        parts_add(&p, s.data + at, end - at);
        at = end;
    }
    return parts_list(&p);
}

static value text_split(run *r, call *c)
{
    sib_str s = c->self.text, by;
    int64_t left = call_int(r, c, 1, -1);
    parts p = {.r = r};
    if (!tpl_charge(r, s.length / 4))
        return value_none();
    if (!c->has[0] || c->args[0].kind == VALUE_NONE)
        return split_at_blanks(r, s, left);
    by = call_text(r, c, 0, "");
    if (!by.length)
        return tpl_fail(r, SIB_ERR_VALUE, "'split' takes no empty text");
    size_t at = 0;
    for (size_t found; r->code == SIB_OK && left-- && (found = text_find(s, by, at)) != SIZE_MAX;
         at = found + by.length)
        parts_add(&p, s.data + at, found - at);
    parts_add(&p, s.data + at, s.length - at);
    return parts_list(&p);
}

/* The last place where a part stands before `end`. */
static size_t find_last(sib_str s, sib_str part, size_t end)
{
    for (size_t at = end >= part.length ? end - part.length + 1 : 0; at-- > 0;)
        if (!memcmp(s.data + at, part.data, part.length))
            return at;
    return SIZE_MAX;
}

static value text_rsplit(run *r, call *c)
{
    sib_str s = c->self.text, by = call_text(r, c, 0, "");
    int64_t left = call_int(r, c, 1, -1);
    if (!by.length)
        return tpl_fail(r, SIB_ERR_UNSUPPORTED, "'rsplit' without a text is not built");
    parts p = {.r = r};
    size_t end = s.length, at;
    if (!tpl_charge(r, s.length / 4 * (1 + by.length / 16)))
        return value_none();
    while (r->code == SIB_OK && left-- && (at = find_last(s, by, end)) != SIZE_MAX) {
        parts_add(&p, s.data + at + by.length, end - at - by.length);
        end = at;
    }
    parts_add(&p, s.data, end);
    for (size_t i = 0; i < p.n / 2; i++) {
        value other = p.items[i];
        p.items[i] = p.items[p.n - 1 - i];
        p.items[p.n - 1 - i] = other;
    }
    return parts_list(&p);
}

/* The end of the line that begins at `at`. */
static size_t line_end(sib_str s, size_t at)
{
    while (at < s.length && s.data[at] != '\n' && s.data[at] != '\r')
        at++;
    return at;
}

static value text_splitlines(run *r, call *c)
{
    sib_str s = c->self.text;
    parts p = {.r = r};
    for (size_t at = 0; at < s.length && tpl_charge(r, 1);) {
        size_t end = line_end(s, at), n = 1;
        if (end < s.length && s.data[end] == '\r' && end + 1 < s.length && s.data[end + 1] == '\n')
            n = 2;
        parts_add(&p, s.data + at, end - at);
        at = end + n;
    }
    return parts_list(&p);
}

/* ---- Looking -------------------------------------------------------------------------------------------- */

static value text_find_method(run *r, call *c)
{
    sib_str part = call_text(r, c, 0, "");
    size_t at = tpl_charge(r, c->self.text.length / 16) ? text_find(c->self.text, part, 0) : SIZE_MAX;
    return value_int(at == SIZE_MAX ? -1 : (int64_t)characters((sib_str){c->self.text.data, at}));
}

static value text_count(run *r, call *c)
{
    sib_str part = call_text(r, c, 0, ""), s = c->self.text;
    int64_t n = 0;
    if (!part.length)
        return value_int((int64_t)characters(s) + 1);
    for (size_t at = 0; tpl_charge(r, s.length / 64) && (at = text_find(s, part, at)) != SIZE_MAX;
         at += part.length)
        n++;
    return value_int(n);
}

static bool all_of(sib_str s, bool (*is)(uint32_t c))
{
    for (size_t i = 0, n; i < s.length; i += n)
        if (!is(utf8_next(s.data + i, s.length - i, &n)))
            return false;
    return s.length;
}

static bool is_letter(uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

static bool is_digit(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ND;
}

static value text_isalpha(run *r, call *c)
{
    (void)r;
    return value_bool(all_of(c->self.text, is_letter));
}

static value text_isdigit(run *r, call *c)
{
    (void)r;
    return value_bool(all_of(c->self.text, is_digit));
}

static value text_isspace(run *r, call *c)
{
    (void)r;
    return value_bool(c->self.text.length && !strip(c->self.text, NULL, true, false).length);
}

static value text_join(run *r, call *c)
{
    const value_list *l = tpl_items(r, c->args[0]);
    byte_buffer made = {.max = MAX_OUTPUT};
    for (size_t i = 0; l && i < l->n && r->code == SIB_OK; i++) {
        if (l->items[i].kind != VALUE_TEXT)
            tpl_fail(r, SIB_ERR_VALUE, "'join' takes texts, and this is %s", tpl_kind_name(l->items[i]));
        if (i)
            buf_add_str(&made, c->self.text, r->err);
        print_value(r, &made, l->items[i]);
    }
    return tpl_made(r, &made);
}

const routine text_methods[] = {{"strip", "| chars", text_strip},
                                {"lstrip", "| chars", text_lstrip},
                                {"rstrip", "| chars", text_rstrip},
                                {"upper", "", text_upper},
                                {"lower", "", text_lower},
                                {"title", "", text_title},
                                {"capitalize", "", text_capitalize},
                                {"startswith", "prefix", text_startswith},
                                {"endswith", "suffix", text_endswith},
                                {"removeprefix", "prefix", text_removeprefix},
                                {"removesuffix", "suffix", text_removesuffix},
                                {"replace", "old new | count", text_replace},
                                {"split", "| sep maxsplit", text_split},
                                {"rsplit", "| sep maxsplit", text_rsplit},
                                {"splitlines", "", text_splitlines},
                                {"find", "sub", text_find_method},
                                {"count", "sub", text_count},
                                {"isalpha", "", text_isalpha},
                                {"isdigit", "", text_isdigit},
                                {"isspace", "", text_isspace},
                                {"join", "iterable", text_join},
                                {0}};

const routine text_filters[] = {{"trim", "| chars", text_strip},
                                {"upper", "", text_upper},
                                {"lower", "", text_lower},
                                {"title", "", filter_title},
                                {"capitalize", "", text_capitalize},
                                {"replace", "old new | count", text_replace},
                                {0}};
