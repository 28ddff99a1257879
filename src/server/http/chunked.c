#include "server/http/chunked.h"

#define MAX_DIGITS 15   /* of a size, so that it fits */
#define MAX_EXTRA  8192 /* bytes of extensions and trailers, which are thrown away */

static int digit_of(char byte)
{
    return byte >= '0' && byte <= '9'   ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
           : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                        : -1;
}

static chunked_place after_size(chunked *c, char byte)
{
    int digit = digit_of(byte);
    if (digit >= 0) {
        c->left = c->left << 4 | (unsigned)digit;
        return ++c->digits <= MAX_DIGITS ? CHUNK_SIZE : CHUNK_WRONG;
    }
    if (!c->digits)
        return CHUNK_WRONG;
    return byte == '\r' ? CHUNK_SIZE_LF : byte == ';' ? CHUNK_EXTENSION : CHUNK_WRONG;
}

/* Inside an extension or a trailer: stays there until the line ends. */
static chunked_place after_extra(chunked *c, char byte, chunked_place here, chunked_place end)
{
    if (byte == '\r')
        return end;
    return ++c->extra > MAX_EXTRA || ((unsigned char)byte < ' ' && byte != '\t') ? CHUNK_WRONG : here;
}

static chunked_place after_line(chunked *c)
{
    c->digits = 0;
    return c->left ? CHUNK_DATA : CHUNK_TRAILER;
}

static chunked_place after_byte(chunked *c, char byte)
{
    switch (c->place) {
    case CHUNK_SIZE:
        return after_size(c, byte);
    case CHUNK_EXTENSION:
        return after_extra(c, byte, CHUNK_EXTENSION, CHUNK_SIZE_LF);
    case CHUNK_SIZE_LF:
        return byte == '\n' ? after_line(c) : CHUNK_WRONG;
    case CHUNK_DATA_CR:
        return byte == '\r' ? CHUNK_DATA_LF : CHUNK_WRONG;
    case CHUNK_DATA_LF:
        return byte == '\n' ? CHUNK_SIZE : CHUNK_WRONG;
    case CHUNK_TRAILER:
        return after_extra(c, byte, CHUNK_TRAILER_LINE, CHUNK_LAST_LF);
    case CHUNK_TRAILER_LINE:
        return after_extra(c, byte, CHUNK_TRAILER_LINE, CHUNK_TRAILER_LF);
    case CHUNK_TRAILER_LF:
        return byte == '\n' ? CHUNK_TRAILER : CHUNK_WRONG;
    case CHUNK_LAST_LF:
        return byte == '\n' ? CHUNK_ENDED : CHUNK_WRONG;
    default:
        return c->place;
    }
}

size_t chunked_read(chunked *c, const char *data, size_t size, const char **piece, size_t *n)
{
    size_t at = 0;
    *piece = data;
    *n = 0;
    while (at < size && c->place < CHUNK_ENDED) {
        if (c->place != CHUNK_DATA) {
            c->place = after_byte(c, data[at++]);
            continue;
        }
        *piece = data + at;
        *n = c->left < size - at ? (size_t)c->left : size - at;
        c->left -= *n;
        if (!c->left)
            c->place = CHUNK_DATA_CR;
        return at + *n;
    }
    return at;
}
