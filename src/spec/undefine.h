/* Ends an inclusion of spec.def; may be included again. */
#undef SPEC
#undef END
#undef INT
#undef FLAG
#undef FLOAT
#undef NUMBER
#undef DTYPE
#undef WORD
#undef TEXT
#undef INTS
#undef FLOATS
#undef STRINGS
#undef TENSOR
#undef GRAPH
#undef TYPE
#undef PART
#undef ALSO
