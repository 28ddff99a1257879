/* The messages of ONNX as a table: each field's name here, its number and its wire types. Source:
   onnx.proto and onnx-data.proto of ONNX IR 13. */
#ifndef ONNX_PROTO_H
#define ONNX_PROTO_H

#include "base/wire.h"

#define PROTO_MODEL(F)                                                                                       \
    F(MODEL_IR_VERSION, 1, VARINT)                                                                           \
    F(MODEL_PRODUCER_NAME, 2, BYTES)                                                                         \
    F(MODEL_PRODUCER_VERSION, 3, BYTES)                                                                      \
    F(MODEL_DOMAIN, 4, BYTES)                                                                                \
    F(MODEL_MODEL_VERSION, 5, VARINT)                                                                        \
    F(MODEL_DOC, 6, BYTES)                                                                                   \
    F(MODEL_GRAPH, 7, BYTES)                                                                                 \
    F(MODEL_OPSET, 8, BYTES)                                                                                 \
    F(MODEL_METADATA, 14, BYTES)                                                                             \
    F(MODEL_TRAINING, 20, BYTES)                                                                             \
    F(MODEL_FUNCTION, 25, BYTES)                                                                             \
    F(MODEL_CONFIGURATION, 26, BYTES)

#define PROTO_OPSET(F)                                                                                       \
    F(OPSET_DOMAIN, 1, BYTES)                                                                                \
    F(OPSET_VERSION, 2, VARINT)

#define PROTO_PAIR(F)                                                                                        \
    F(PAIR_KEY, 1, BYTES)                                                                                    \
    F(PAIR_VALUE, 2, BYTES)

#define PROTO_GRAPH(F)                                                                                       \
    F(GRAPH_NODE, 1, BYTES)                                                                                  \
    F(GRAPH_NAME, 2, BYTES)                                                                                  \
    F(GRAPH_INITIALIZER, 5, BYTES)                                                                           \
    F(GRAPH_DOC, 10, BYTES)                                                                                  \
    F(GRAPH_INPUT, 11, BYTES)                                                                                \
    F(GRAPH_OUTPUT, 12, BYTES)                                                                               \
    F(GRAPH_VALUE_INFO, 13, BYTES)                                                                           \
    F(GRAPH_QUANT, 14, BYTES)                                                                                \
    F(GRAPH_SPARSE, 15, BYTES)                                                                               \
    F(GRAPH_METADATA, 16, BYTES)

#define PROTO_NODE(F)                                                                                        \
    F(NODE_INPUT, 1, BYTES)                                                                                  \
    F(NODE_OUTPUT, 2, BYTES)                                                                                 \
    F(NODE_NAME, 3, BYTES)                                                                                   \
    F(NODE_OP_TYPE, 4, BYTES)                                                                                \
    F(NODE_ATTRIBUTE, 5, BYTES)                                                                              \
    F(NODE_DOC, 6, BYTES)                                                                                    \
    F(NODE_DOMAIN, 7, BYTES)                                                                                 \
    F(NODE_OVERLOAD, 8, BYTES)                                                                               \
    F(NODE_METADATA, 9, BYTES)                                                                               \
    F(NODE_DEVICES, 10, BYTES)

#define PROTO_FUNCTION(F)                                                                                    \
    F(FUNCTION_NAME, 1, BYTES)                                                                               \
    F(FUNCTION_INPUT, 4, BYTES)                                                                              \
    F(FUNCTION_OUTPUT, 5, BYTES)                                                                             \
    F(FUNCTION_ATTRIBUTE, 6, BYTES)                                                                          \
    F(FUNCTION_NODE, 7, BYTES)                                                                               \
    F(FUNCTION_DOC, 8, BYTES)                                                                                \
    F(FUNCTION_OPSET, 9, BYTES)                                                                              \
    F(FUNCTION_DOMAIN, 10, BYTES)                                                                            \
    F(FUNCTION_DEFAULT, 11, BYTES)                                                                           \
    F(FUNCTION_VALUE_INFO, 12, BYTES)                                                                        \
    F(FUNCTION_OVERLOAD, 13, BYTES)                                                                          \
    F(FUNCTION_METADATA, 14, BYTES)

#define PROTO_ATTRIBUTE(F)                                                                                   \
    F(ATTRIBUTE_NAME, 1, BYTES)                                                                              \
    F(ATTRIBUTE_F, 2, FIXED32)                                                                               \
    F(ATTRIBUTE_I, 3, VARINT)                                                                                \
    F(ATTRIBUTE_S, 4, BYTES)                                                                                 \
    F(ATTRIBUTE_T, 5, BYTES)                                                                                 \
    F(ATTRIBUTE_G, 6, BYTES)                                                                                 \
    F(ATTRIBUTE_FLOATS, 7, FLOATS)                                                                           \
    F(ATTRIBUTE_INTS, 8, VARINTS)                                                                            \
    F(ATTRIBUTE_STRINGS, 9, BYTES)                                                                           \
    F(ATTRIBUTE_TENSORS, 10, BYTES)                                                                          \
    F(ATTRIBUTE_GRAPHS, 11, BYTES)                                                                           \
    F(ATTRIBUTE_DOC, 13, BYTES)                                                                              \
    F(ATTRIBUTE_TP, 14, BYTES)                                                                               \
    F(ATTRIBUTE_TYPE_PROTOS, 15, BYTES)                                                                      \
    F(ATTRIBUTE_TYPE, 20, VARINT)                                                                            \
    F(ATTRIBUTE_REF, 21, BYTES)                                                                              \
    F(ATTRIBUTE_SPARSE, 22, BYTES)                                                                           \
    F(ATTRIBUTE_SPARSES, 23, BYTES)

#define PROTO_TENSOR(F)                                                                                      \
    F(TENSOR_DIMS, 1, VARINTS)                                                                               \
    F(TENSOR_DATA_TYPE, 2, VARINT)                                                                           \
    F(TENSOR_SEGMENT, 3, BYTES)                                                                              \
    F(TENSOR_FLOAT_DATA, 4, FLOATS)                                                                          \
    F(TENSOR_INT32_DATA, 5, VARINTS)                                                                         \
    F(TENSOR_STRING_DATA, 6, BYTES)                                                                          \
    F(TENSOR_INT64_DATA, 7, VARINTS)                                                                         \
    F(TENSOR_NAME, 8, BYTES)                                                                                 \
    F(TENSOR_RAW_DATA, 9, BYTES)                                                                             \
    F(TENSOR_DOUBLE_DATA, 10, DOUBLES)                                                                       \
    F(TENSOR_UINT64_DATA, 11, VARINTS)                                                                       \
    F(TENSOR_DOC, 12, BYTES)                                                                                 \
    F(TENSOR_EXTERNAL, 13, BYTES)                                                                            \
    F(TENSOR_LOCATION, 14, VARINT)                                                                           \
    F(TENSOR_METADATA, 16, BYTES)

#define PROTO_SPARSE(F)                                                                                      \
    F(SPARSE_VALUES, 1, BYTES)                                                                               \
    F(SPARSE_INDICES, 2, BYTES)                                                                              \
    F(SPARSE_DIMS, 3, VARINTS)

#define PROTO_VALUE_INFO(F)                                                                                  \
    F(INFO_NAME, 1, BYTES)                                                                                   \
    F(INFO_TYPE, 2, BYTES)                                                                                   \
    F(INFO_DOC, 3, BYTES)                                                                                    \
    F(INFO_METADATA, 4, BYTES)

#define PROTO_TYPE(F)                                                                                        \
    F(TYPE_PROTO_TENSOR, 1, BYTES)                                                                           \
    F(TYPE_PROTO_SEQUENCE, 4, BYTES)                                                                         \
    F(TYPE_PROTO_MAP, 5, BYTES)                                                                              \
    F(TYPE_PROTO_DENOTATION, 6, BYTES)                                                                       \
    F(TYPE_PROTO_SPARSE, 8, BYTES)                                                                           \
    F(TYPE_PROTO_OPTIONAL, 9, BYTES)

/* TypeProto.Tensor and TypeProto.SparseTensor. */
#define PROTO_TENSOR_TYPE(F)                                                                                 \
    F(TENSOR_TYPE_ELEM, 1, VARINT)                                                                           \
    F(TENSOR_TYPE_SHAPE, 2, BYTES)

/* TypeProto.Sequence and TypeProto.Optional. */
#define PROTO_WRAP_TYPE(F) F(WRAP_TYPE_ELEM, 1, BYTES)

#define PROTO_MAP_TYPE(F)                                                                                    \
    F(MAP_TYPE_KEY, 1, VARINT)                                                                               \
    F(MAP_TYPE_VALUE, 2, BYTES)

#define PROTO_SHAPE(F) F(SHAPE_DIM, 1, BYTES)

#define PROTO_DIMENSION(F)                                                                                   \
    F(DIMENSION_VALUE, 1, VARINT)                                                                            \
    F(DIMENSION_PARAM, 2, BYTES)                                                                             \
    F(DIMENSION_DENOTATION, 3, BYTES)

#define PROTO_ANNOTATION(F)                                                                                  \
    F(ANNOTATION_TENSOR, 1, BYTES)                                                                           \
    F(ANNOTATION_PARAMETER, 2, BYTES)

#define PROTO_SEQUENCE(F)                                                                                    \
    F(SEQUENCE_NAME, 1, BYTES)                                                                               \
    F(SEQUENCE_ELEM, 2, VARINT)                                                                              \
    F(SEQUENCE_TENSORS, 3, BYTES)                                                                            \
    F(SEQUENCE_SPARSES, 4, BYTES)                                                                            \
    F(SEQUENCE_SEQUENCES, 5, BYTES)                                                                          \
    F(SEQUENCE_MAPS, 6, BYTES)                                                                               \
    F(SEQUENCE_OPTIONALS, 7, BYTES)

/* OptionalProto numbers its fields as SequenceProto does. */
#define PROTO_OPTIONAL(F)                                                                                    \
    F(OPTIONAL_NAME, 1, BYTES)                                                                               \
    F(OPTIONAL_ELEM, 2, VARINT)                                                                              \
    F(OPTIONAL_TENSOR, 3, BYTES)                                                                             \
    F(OPTIONAL_SPARSE, 4, BYTES)                                                                             \
    F(OPTIONAL_SEQUENCE, 5, BYTES)                                                                           \
    F(OPTIONAL_MAP, 6, BYTES)                                                                                \
    F(OPTIONAL_OPTIONAL, 7, BYTES)

#define PROTO_MAP(F)                                                                                         \
    F(MAP_NAME, 1, BYTES)                                                                                    \
    F(MAP_KEY_TYPE, 2, VARINT)                                                                               \
    F(MAP_KEYS, 3, VARINTS)                                                                                  \
    F(MAP_STRING_KEYS, 4, BYTES)                                                                             \
    F(MAP_VALUES, 5, BYTES)

/* All messages: constant, name in error messages, fields. */
#define PROTO_MESSAGES(M)                                                                                    \
    M(proto_model, "ModelProto", PROTO_MODEL)                                                                \
    M(proto_opset, "OperatorSetIdProto", PROTO_OPSET)                                                        \
    M(proto_pair, "StringStringEntryProto", PROTO_PAIR)                                                      \
    M(proto_graph, "GraphProto", PROTO_GRAPH)                                                                \
    M(proto_node, "NodeProto", PROTO_NODE)                                                                   \
    M(proto_function, "FunctionProto", PROTO_FUNCTION)                                                       \
    M(proto_attribute, "AttributeProto", PROTO_ATTRIBUTE)                                                    \
    M(proto_tensor, "TensorProto", PROTO_TENSOR)                                                             \
    M(proto_sparse, "SparseTensorProto", PROTO_SPARSE)                                                       \
    M(proto_value_info, "ValueInfoProto", PROTO_VALUE_INFO)                                                  \
    M(proto_type, "TypeProto", PROTO_TYPE)                                                                   \
    M(proto_tensor_type, "TypeProto.Tensor", PROTO_TENSOR_TYPE)                                              \
    M(proto_wrap_type, "TypeProto.Sequence", PROTO_WRAP_TYPE)                                                \
    M(proto_map_type, "TypeProto.Map", PROTO_MAP_TYPE)                                                       \
    M(proto_shape, "TensorShapeProto", PROTO_SHAPE)                                                          \
    M(proto_dimension, "TensorShapeProto.Dimension", PROTO_DIMENSION)                                        \
    M(proto_annotation, "TensorAnnotation", PROTO_ANNOTATION)                                                \
    M(proto_sequence, "SequenceProto", PROTO_SEQUENCE)                                                       \
    M(proto_optional, "OptionalProto", PROTO_OPTIONAL)                                                       \
    M(proto_map, "MapProto", PROTO_MAP)

#define PROTO_FIELD_ENUM(field, number, wire) field = number,
#define PROTO_DECLARE(constant, name, fields)                                                                \
    enum { fields(PROTO_FIELD_ENUM) };                                                                       \
    extern const proto_message constant;
PROTO_MESSAGES(PROTO_DECLARE)
#undef PROTO_DECLARE
#undef PROTO_FIELD_ENUM

/* AttributeProto.AttributeType: the kinds that the graph cannot hold. */
enum { PROTO_SPARSE_TENSORS = 12, PROTO_TYPE_PROTOS = 14 };

/* SequenceProto.DataType and OptionalProto.DataType; the number of the field with the payload is 2 higher. */
enum { PROTO_ELEM_TENSOR = 1, PROTO_ELEM_SPARSE, PROTO_ELEM_SEQUENCE, PROTO_ELEM_MAP, PROTO_ELEM_OPTIONAL };

/* The newest ModelProto.ir_version of which all fields are known; newer files open with a remark. */
#define PROTO_MAX_IR 13

#endif
