#include "onnx/proto.h"

#define PROTO_FIELD_WIRE(field, number, wire) [number] = PROTO_##wire,
#define PROTO_DEFINE(constant, message, fields)                                                              \
    const proto_message constant = {"ONNX model", message, {fields(PROTO_FIELD_WIRE)}};
PROTO_MESSAGES(PROTO_DEFINE)
