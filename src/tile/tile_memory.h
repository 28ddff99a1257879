/* Data memory of a tile that the fixed-point kernel needs, in bytes. tests/tile/memory.py measures it in the
   compiled object, for each compiler that it finds at -Os, -O2 and -O3, and fails where more is used. */
#ifndef TILE_TILE_MEMORY_H
#define TILE_TILE_MEMORY_H

/* Constants, including those of one bank. */
#define TILE_CONSTANT_BYTES_80  1984
#define TILE_CONSTANT_BYTES_128 2240

/* State from frame to frame: tile_state. The kernel has no variables of its own. */
#define TILE_STATE_BYTES 4

/* Max stack of the entries tile_frames_int16 and tile_frames_int8, over the entire call graph. */
#define TILE_STACK_BYTES_INT16 2944
#define TILE_STACK_BYTES_INT8  3200

/* Code of the kernel at -O2, in a tile's program memory. The compilers are those for other processors: none
   for AIE2 was at hand, whose instructions are wider, so build.sh looks at its object's size. */
#define TILE_PROGRAM_BYTES 3712

#endif
