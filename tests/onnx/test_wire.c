/* Protobuf's wire format alone: numbers of the maximal length, and truncated or too long ones. */
#include "base/wire.h"
#include "check.h"
#include "onnx/proto.h"

static wire_span span(const void *bytes, size_t n)
{
    return (wire_span){bytes, n};
}

/* Reads the first field of a NodeProto, AttributeProto, ...; returns the failure, or NULL. */
static const char *first(const proto_message *m, const void *bytes, size_t n, wire_field *f)
{
    static wire_reader w;
    wire_open(&w, span(bytes, n), m);
    return wire_next(&w, f) ? NULL : w.failed_at ? w.failure : "";
}

#define FIRST(m, f, ...) first(&(m), (const uint8_t[]){__VA_ARGS__}, sizeof(const uint8_t[]){__VA_ARGS__}, f)

TEST(test_varints)
{
    wire_field f;
    assert_null(FIRST(proto_attribute, &f, 0x18, 0x96, 0x01));
    assert_true(f.number == ATTRIBUTE_I && f.bits == 150);
    assert_null(FIRST(proto_attribute, &f, 0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01));
    assert_true(f.bits == UINT64_MAX);
    /* 11 bytes */
    assert_non_null(strstr(
        FIRST(proto_attribute, &f, 0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01),
        "field 3: a number is cut off or too long"));
    assert_non_null(strstr(FIRST(proto_attribute, &f, 0x18, 0x80), "cut off"));
    /* the same for a length and for a tag; a tag of more than 32 bits */
    assert_non_null(strstr(
        FIRST(proto_attribute, &f, 0x0A, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00),
        "its length goes beyond"));
    assert_non_null(strstr(
        FIRST(proto_attribute, &f, 0x98, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x01),
        "the tag of a field"));
    assert_non_null(
        strstr(FIRST(proto_attribute, &f, 0x98, 0x80, 0x80, 0x80, 0x10, 0x01), "the tag of a field"));
    assert_non_null(strstr(FIRST(proto_attribute, &f, 0x00, 0x01), "number 0"));
    assert_non_null(strstr(FIRST(proto_attribute, &f, 0x1B, 0x01), "wire type"));
}

TEST(test_lengths)
{
    wire_field f;
    wire_reader w;
    assert_null(FIRST(proto_attribute, &f, 0x0A, 0x02, 'a', 'b'));
    assert_true(f.bytes.size == 2 && f.bytes.data[1] == 'b');
    assert_non_null(strstr(FIRST(proto_attribute, &f, 0x0A, 0x03, 'a', 'b'), "its length goes beyond"));
    assert_non_null(strstr(FIRST(proto_attribute, &f, 0x15, 1, 2, 3), "expected 4 bytes"));
    /* empty messages, also at NULL */
    wire_open(&w, span(NULL, 0), &proto_node);
    assert_false(wire_next(&w, &f));
    assert_null(w.failed_at);
    assert_null(FIRST(proto_attribute, &f, 0x0A, 0x00));
    wire_open(&w, f.bytes, &proto_node);
    assert_false(wire_next(&w, &f));
    assert_null(w.failed_at);
}

/* The count of a packed list, SIZE_MAX if it is malformed; all counted items can be read. */
static size_t count_of(const proto_message *m, uint32_t number, const void *bytes, size_t n)
{
    wire_field f = {.number = number, .wire = PROTO_BYTES, .bytes = span(bytes, n)};
    wire_numbers list;
    uint64_t bits;
    wire_numbers_open(&list, m, &f);
    size_t count = wire_numbers_count(&list), read = 0;
    while (count != SIZE_MAX && wire_numbers_next(&list, &bits))
        read++;
    assert_true(count == SIZE_MAX || read == count);
    return count;
}

TEST(test_packed_numbers)
{
    uint8_t bytes[24];
    assert_true(count_of(&proto_attribute, ATTRIBUTE_INTS, NULL, 0) == 0);
    memset(bytes, 0x80, sizeof bytes);
    bytes[9] = 0x01;
    assert_true(count_of(&proto_attribute, ATTRIBUTE_INTS, bytes, 10) == 1);
    assert_true(count_of(&proto_attribute, ATTRIBUTE_INTS, bytes, 9) == SIZE_MAX); /* truncated */
    bytes[9] = 0x80;
    bytes[10] = 0x01; /* 11 bytes */
    assert_true(count_of(&proto_attribute, ATTRIBUTE_INTS, bytes, 11) == SIZE_MAX);
    assert_true(count_of(&proto_attribute, ATTRIBUTE_FLOATS, bytes, 12) == 3);
    assert_true(count_of(&proto_attribute, ATTRIBUTE_FLOATS, bytes, 11) == SIZE_MAX);
    assert_true(count_of(&proto_tensor, TENSOR_DOUBLE_DATA, bytes, 16) == 2);
    assert_true(count_of(&proto_tensor, TENSOR_DOUBLE_DATA, bytes, 12) == SIZE_MAX);
}
