/* Ends an inclusion of spec.def, which may then be included again. */
#undef SPEC
#undef END
#undef INT
#undef FLAG
#undef FLOAT
#undef NUMBER
#undef DTYPE
#undef ENUM
#undef TEXT
#undef INTS
#undef FLOATS
#undef STRINGS
#undef TENSOR
#undef GRAPH
#undef TYPE
#undef PART
#undef ALSO
