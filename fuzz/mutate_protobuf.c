/* Protobuf, by the mutations of the tests. */
#include "mutate.h"
#include "onnx/mutate.h"

size_t mutate_protobuf(uint8_t *data, size_t n, size_t room, const uint8_t *other, size_t n_other,
                       unsigned seed)
{
    check_random r = {((uint64_t)seed << 20) + 0x9E3779B9u};
    char what[200];
    uint8_t *work = malloc(mutate_room(n));
    if (!work)
        return n;
    memcpy(work, data, n);
    for (int i = 0; i < 4; i++)
        check_u64(&r);
    /* without another input, its own fields in other places */
    size_t made = check_u64(&r) % 3 == 0 ? mutate(&r, work, n, what, sizeof what)
                                         : mutate_meaning(&r, work, n, other ? other : data,
                                                          other ? n_other : n, what, sizeof what);
    if (made > 0 && made <= room) {
        memcpy(data, work, made);
        n = made;
    }
    free(work);
    return n;
}
