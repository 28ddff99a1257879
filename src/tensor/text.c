#include "tensor/text.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/c_locale.h"
#include "base/error.h"
#include "base/size.h"
#include "tensor/convert.h"
#include "tensor/dtype.h"
#include "tensor/float_formats.h"
#include "tensor/tensor.h"
#include "tensor/walk.h"

#include <ctype.h>
#include <errno.h>
#include <fenv.h>
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Reading -------------------------------------------------------------------------------------- */

/* A number as the nearest double, and rounded to odd, so that rounding the latter again to a narrower type
   gives the correctly rounded value of the text. */
typedef struct text_number {
    double nearest[2], odd[2]; /* real and imaginary part */
    bool is_integer, negative;
    uint64_t magnitude; /* where is_integer: exact */
} text_number;

#if defined(FE_UPWARD)
static double strtod_rounding(const char *s, int direction)
{
    int before = fegetround();
    fesetround(direction);
    double x = strtod(s, NULL);
    fesetround(before);
    return x;
}

/* The doubles that s lies between, equal where it is one. */
static void read_bounds(const char *s, double nearest, double *below, double *above)
{
    (void)nearest;
    *below = strtod_rounding(s, FE_DOWNWARD);
    *above = strtod_rounding(s, FE_UPWARD);
}
#else
/* Where there is one rounding, as in WebAssembly, a longer double says on which side s lies. */
_Static_assert(LDBL_MANT_DIG >= 2 * DBL_MANT_DIG, "more digits than two doubles have between them");
static void read_bounds(const char *s, double nearest, double *below, double *above)
{
    const long double x = strtold(s, NULL);
    *below = (long double)nearest <= x ? nearest : nextafter(nearest, -INFINITY);
    *above = (long double)nearest >= x ? nearest : nextafter(nearest, INFINITY);
}
#endif

/* Reads a number. Returns false where s does not begin with one. */
static bool read_real(const char *s, char **end, double *nearest, double *odd)
{
    *nearest = strtod(s, end);
    if (*end == s)
        return false;
    double below, above;
    read_bounds(s, *nearest, &below, &above);
    *odd = below == above || (format_bits_of(below) & 1) || isnan(below) ? below : above;
    return true;
}

static const char *skip_space(const char *s)
{
    /* A NUL is no space. NOLINTNEXTLINE(clang-analyzer-core.uninitialized.ArraySubscript) */
    while (isspace((unsigned char)*s))
        s++;
    return s;
}

/* float8e8m0 rounds up, so a decimal slightly above a power of two, as most shortest decimals are, would
   read as the next one; its texts are those of the double instead. */
static bool reads_as_double(sib_dtype dtype)
{
    return dtype == SIB_F64 || dtype == SIB_F8E8M0;
}

/* Reads all of s as a decimal or hexadecimal integer whose magnitude fits in 64 bits. */
static bool read_integer(const char *s, text_number *out)
{
    out->negative = *s == '-';
    s += *s == '-' || *s == '+';
    bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    s += hex ? 2 : 0;
    if (hex ? !isxdigit((unsigned char)*s) : !isdigit((unsigned char)*s))
        return false;
    char *end;
    errno = 0;
    out->magnitude = strtoull(s, &end, hex ? 16 : 10);
    return errno == 0 && *skip_space(end) == '\0';
}

/* Reads all of s as a number: "re", and where complex is true also "re+imj" and "imj". */
static bool read_number(const char *s, bool complex, text_number *out)
{
    char *end;
    s = skip_space(s);
    memset(out, 0, sizeof *out);
    out->is_integer = read_integer(s, out);
    if (!read_real(s, &end, &out->nearest[0], &out->odd[0]))
        return false;
    if (complex && *end == 'j') {
        out->nearest[1] = out->nearest[0];
        out->odd[1] = out->odd[0];
        out->nearest[0] = out->odd[0] = 0;
        end++;
    } else if (complex && (*end == '+' || *end == '-')) {
        const char *imaginary = end;
        if (!read_real(imaginary, &end, &out->nearest[1], &out->odd[1]) || *end++ != 'j')
            return false;
    }
    return *skip_space(end) == '\0';
}

/* Stores an exact integer as element i of an integer tensor. */
static void store_integer(const text_number *x, sib_tensor *to, size_t i, sib_overflow overflow)
{
    uint64_t wrapped = x->negative ? 0 - x->magnitude : x->magnitude;
    bool below_i64 = x->negative && x->magnitude > UINT64_C(1) << 63;
    if (below_i64 && overflow == SIB_OVERFLOW_SATURATE)
        convert_block(SIB_F64, x->odd, 0, to->dtype, to->data, i, 1, overflow);
    else
        convert_block(x->negative && !below_i64 ? SIB_I64 : SIB_U64, &wrapped, 0, to->dtype, to->data, i, 1,
                      overflow);
}

static void store_number(const text_number *x, sib_tensor *to, size_t i, sib_overflow overflow)
{
    sib_dtype_kind kind = sib_dtype_get_kind(to->dtype);
    if (x->is_integer && (kind == SIB_KIND_INT || kind == SIB_KIND_UINT))
        store_integer(x, to, i, overflow);
    else if (kind == SIB_KIND_COMPLEX)
        convert_block(SIB_C128, to->dtype == SIB_C128 ? x->nearest : x->odd, 0, to->dtype, to->data, i, 1,
                      overflow);
    else
        convert_block(SIB_F64, reads_as_double(to->dtype) ? x->nearest : x->odd, 0, to->dtype, to->data, i, 1,
                      overflow);
}

/* Max bytes of a string in a message. */
#define TEXT_SHOWN 40

static sib_code no_number(sib_str s, uint64_t i, sib_error *err)
{
    char shown[TEXT_SHOWN + 1];
    size_t n = size_min(s.length, TEXT_SHOWN);
    for (size_t k = 0; k < n; k++)
        shown[k] = iscntrl((unsigned char)s.data[k]) ? '?' : s.data[k];
    shown[n] = '\0';
    return err_set(err, SIB_ERR_VALUE, "element %" PRIu64 " is '%s'%s, expected a number", i, shown,
                   n < s.length ? "..." : "");
}

/* Converts one string to element i. */
static sib_code read_element(sib_str s, sib_tensor *to, uint64_t i, sib_overflow overflow, sib_error *err)
{
    char small[256], *text = small;
    text_number x;
    if (s.length >= sizeof small && !(text = mem_alloc(s.length + 1, 1)))
        return err_memory(err, s.length + 1, "a number as text");
    if (s.length > 0)
        memcpy(text, s.data, s.length);
    text[s.length] = '\0';
    bool good = !memchr(text, '\0', s.length) &&
                read_number(text, sib_dtype_get_kind(to->dtype) == SIB_KIND_COMPLEX, &x);
    if (text != small)
        mem_free(text);
    if (!good)
        return no_number(s, i, err);
    store_number(&x, to, (size_t)i, overflow);
    return SIB_OK;
}

/* ---- Writing -------------------------------------------------------------------------------------- */

/* Significant decimal digits that distinguish any two doubles. */
#define DIGITS_MAX 17

/* True where text, read as dtype, gives x. */
static bool reads_back(const char *text, sib_dtype dtype, double x)
{
    char *end;
    double nearest = 0, odd = 0;
    read_real(text, &end, &nearest, &odd);
    const float_format *f = format_of(dtype);
    if (reads_as_double(dtype))
        return nearest == x;
    double read =
        dtype == SIB_F32 ? (double)(float)odd : format_decode(f, format_encode(f, odd, SIB_OVERFLOW_IEEE));
    return read == x;
}

/* Adds one to the last digit of "d.dddde+XX". Returns false where all are 9: the sum has fewer digits. */
static bool next_decimal(char *text)
{
    char *at = strchr(text, 'e') - 1;
    for (; at >= text && (*at == '9' || *at == '.'); at--)
        *at = *at == '9' ? '0' : '.';
    if (at < text)
        return false;
    ++*at;
    return true;
}

/* Finds the fewest digits of a positive finite x as "d.dddde+XX". For each length it tries the nearest
   decimal and the one above: next to a power of two, where the spacing below is half as large, only that
   may read back. */
static void shortest(double x, sib_dtype dtype, char text[TEXT_MAX])
{
    for (int digits = 1; digits <= DIGITS_MAX; digits++) {
        snprintf(text, TEXT_MAX, "%.*e", digits - 1, x);
        if (reads_back(text, dtype, x) || (next_decimal(text) && reads_back(text, dtype, x)))
            return;
    }
}

/* Rewrites "d.dddde+XX" without an exponent, from 0.0001 up to 16 digits. Returns the length. */
static size_t plain(const char *scientific, char out[TEXT_MAX])
{
    char digits[DIGITS_MAX + 1];
    int n = 0, exponent = atoi(strchr(scientific, 'e') + 1);
    for (const char *s = scientific; *s != 'e'; s++)
        if (*s != '.')
            digits[n++] = *s;
    SIB_ASSERT(n > 0); /* it begins with a digit */
    while (n > 1 && digits[n - 1] == '0')
        n--;
    int written;
    if (exponent < -4 || exponent >= 16)
        written = snprintf(out, TEXT_MAX, "%c%s%.*se%+03d", digits[0], n > 1 ? "." : "", n - 1, digits + 1,
                           exponent);
    else if (exponent < 0)
        written = snprintf(out, TEXT_MAX, "0.%.*s%.*s", -exponent - 1, "0000", n, digits);
    else if (n <= exponent + 1)
        written = snprintf(out, TEXT_MAX, "%.*s%.*s", n, digits, exponent + 1 - n, "0000000000000000");
    else
        written = snprintf(out, TEXT_MAX, "%.*s.%.*s", exponent + 1, digits, n - exponent - 1,
                           digits + exponent + 1);
    return (size_t)written;
}

static size_t write_real(double x, sib_dtype dtype, char out[TEXT_MAX])
{
    char scientific[TEXT_MAX];
    const char *sign = signbit(x) ? "-" : "";
    if (isnan(x) || isinf(x) || x == 0)
        return (size_t)snprintf(out, TEXT_MAX, "%s%s", isnan(x) ? "" : sign,
                                isnan(x)   ? "nan"
                                : isinf(x) ? "inf"
                                           : "0");
    shortest(fabs(x), dtype, scientific);
    size_t at = *sign != '\0';
    out[0] = '-';
    return at + plain(scientific, out + at);
}

/* Formats element i. */
static size_t write_number(sib_dtype dtype, const void *data, size_t i, char out[TEXT_MAX])
{
    const dtype_row *row = dtype_info(dtype);
    double parts[2];
    int64_t integer;
    if (row->kind == SIB_KIND_FLOAT) {
        convert_to_doubles(dtype, data, i, 1, CONVERT_REAL_PART, parts);
        return write_real(parts[0], dtype, out);
    }
    if (row->kind == SIB_KIND_COMPLEX) {
        sib_dtype part = dtype == SIB_C64 ? SIB_F32 : SIB_F64;
        char imaginary[TEXT_MAX];
        convert_to_doubles(part, data, 2 * i, 2, CONVERT_REAL_PART, parts);
        size_t n = write_real(parts[0], part, out);
        write_real(parts[1], part, imaginary);
        return n + (size_t)snprintf(out + n, TEXT_MAX - n, "%s%.*sj", *imaginary == '-' ? "" : "+", 30,
                                    imaginary);
    }
    convert_block(dtype, data, i, dtype == SIB_U64 ? SIB_U64 : SIB_I64, &integer, 0, 1, SIB_OVERFLOW_IEEE);
    return (size_t)(dtype == SIB_U64 ? snprintf(out, TEXT_MAX, "%" PRIu64, (uint64_t)integer)
                                     : snprintf(out, TEXT_MAX, "%" PRId64, integer));
}

/* ---- Calls ---------------------------------------------------------------------------------------- */

sib_code text_from_number(sib_dtype dtype, const void *data, char text[TEXT_MAX], size_t *length,
                          sib_error *err)
{
    c_locale l;
    sib_code code = c_locale_enter(&l, err);
    if (code != SIB_OK)
        return code;
    *length = write_number(dtype, data, 0, text);
    c_locale_leave(&l);
    return SIB_OK;
}

static sib_code look(const struct sib_cancel *cancel, sib_error *err)
{
    return cancel_is_set(cancel) ? err_set(err, SIB_ERR_CANCELLED, "the conversion was cancelled") : SIB_OK;
}

static sib_code write_all(const sib_tensor *t, sib_tensor *to, const struct sib_cancel *cancel,
                          sib_error *err)
{
    char scratch[WALK_SCRATCH], text[TEXT_MAX];
    tensor_walk walk;
    size_t n;
    sib_str *out = (sib_str *)to->data;
    walk_begin(&walk, t);
    for (const void *next = walk_next(&walk, scratch, &n); n > 0; next = walk_next(&walk, scratch, &n)) {
        for (size_t i = 0; i < n; i++) {
            size_t length = write_number(t->dtype, next, i, text);
            sib_code code = look(cancel, err);
            if (code == SIB_OK)
                code = tensor_put_string(out++, (sib_str){text, length}, err);
            if (code != SIB_OK)
                return code;
        }
    }
    return SIB_OK;
}

static sib_code read_all(const sib_tensor *t, sib_tensor *to, sib_overflow overflow,
                         const struct sib_cancel *cancel, sib_error *err)
{
    tensor_walk walk;
    size_t bytes = 0;
    dtype_bytes(to->dtype, to->count, &bytes);
    memset(to->data, 0, bytes); /* packed elements do not write the padding of the last byte */
    walk_begin(&walk, t);
    for (uint64_t i = 0; i < t->count; i++) {
        sib_str s;
        walk_copy(&walk, &s, 1);
        sib_code code = look(cancel, err);
        if (code == SIB_OK)
            code = read_element(s, to, i, overflow, err);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

sib_code text_convert(const sib_tensor *t, sib_tensor *to, sib_overflow overflow,
                      const struct sib_cancel *cancel, sib_error *err)
{
    c_locale l;
    sib_code code = c_locale_enter(&l, err);
    if (code != SIB_OK)
        return code;
    code = to->dtype == SIB_STRING ? write_all(t, to, cancel, err) : read_all(t, to, overflow, cancel, err);
    c_locale_leave(&l);
    return code;
}
