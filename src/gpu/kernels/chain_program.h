/* Programs of elementwise functions: instructions that all threads read, so that no branch diverges. They are the
   kernel `chain`, or what a kernel does with its result before it writes it (finish.h).

   From CHAIN_DIMS on the result's dims, the slowest first; from CHAIN_STRIDES on RANK strides per buffer, in
   elements, 0 where it is broadcast; from CHAIN_CODE on instructions of CHAIN_WORDS words: the operation, the type of
   its operands (of memory for load and store), the type of its result, then its result's and operands' registers; for
   load and store the first operand is the buffer. */
#ifndef GPU_KERNELS_CHAIN_PROGRAM_H
#define GPU_KERNELS_CHAIN_PROGRAM_H

#define CHAIN_RANK    6
#define CHAIN_DIMS    0u
#define CHAIN_STRIDES 8u
#define CHAIN_CODE    64u
#define CHAIN_WORDS   8u

#define CHAIN_LOAD       0u
#define CHAIN_STORE      1u
#define CHAIN_NEG        2u
#define CHAIN_ABS        3u
#define CHAIN_SIGN       4u
#define CHAIN_FLOOR      5u
#define CHAIN_CEIL       6u
#define CHAIN_ROUND      7u
#define CHAIN_SQRT       8u
#define CHAIN_EXP        9u
#define CHAIN_LOG        10u
#define CHAIN_SIN        11u
#define CHAIN_COS        12u
#define CHAIN_TAN        13u
#define CHAIN_ASIN       14u
#define CHAIN_ACOS       15u
#define CHAIN_ATAN       16u
#define CHAIN_SINH       17u
#define CHAIN_COSH       18u
#define CHAIN_TANH       19u
#define CHAIN_ASINH      20u
#define CHAIN_ACOSH      21u
#define CHAIN_ATANH      22u
#define CHAIN_ERF        23u
#define CHAIN_LOG1P      24u
#define CHAIN_EXPM1      25u
#define CHAIN_NOT        26u
#define CHAIN_IS_NAN     27u
#define CHAIN_IS_INF     28u
#define CHAIN_ADD        29u
#define CHAIN_SUB        30u
#define CHAIN_MUL        31u
#define CHAIN_DIV        32u
#define CHAIN_POW        33u
#define CHAIN_MIN        34u
#define CHAIN_MAX        35u
#define CHAIN_AND        36u
#define CHAIN_OR         37u
#define CHAIN_XOR        38u
#define CHAIN_EQUAL      39u
#define CHAIN_LESS       40u
#define CHAIN_LESS_EQUAL 41u
#define CHAIN_WHERE      42u
#define CHAIN_CAST       43u
#define CHAIN_TANH_1     44u /* 1 + tanh */
#define CHAIN_ERF_1      45u /* 1 + erf */
#define CHAIN_VALUE      46u /* the first operand's number is the value's bits in a register */

#endif
