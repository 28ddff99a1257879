/* Numbers of JSON between bounds, as a grammar. */
#ifndef TEXT_CONSTRAIN_NUMBER_GRAMMAR_H
#define TEXT_CONSTRAIN_NUMBER_GRAMMAR_H

#include "text/constrain/json_grammar.h"

#define DECIMAL_DIGITS (JSON_DIGITS + JSON_DECIMALS)
/* Max multipleOf. */
#define NUMBER_MAX_MULTIPLE 10000

/* A number of JSON_DIGITS digits before the point and JSON_DECIMALS behind it. */
typedef struct decimal {
    uint8_t digit[DECIMAL_DIGITS]; /* 0 .. 9 */
    bool negative;
} decimal;

/* The decimal of a text of JSON's form; where it has more decimals, the nearest below it or above it.
   Returns false where it has more digits before the point. */
bool decimal_read(const char *text, bool above, decimal *out);
/* The largest, or the smallest. */
decimal decimal_extreme(bool negative);

/* Numbers from lo to hi, without an exponent: integers, multiples of `multiple` (1: all), or with decimals
   (multiple 0). 0 where there are none. */
uint32_t json_number_between(json_grammar *j, const decimal *lo, const decimal *hi, uint32_t multiple);

#endif
