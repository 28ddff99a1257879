/* What the fixed-point kernel takes of a tile's data memory, in bytes. tests/tile/memory.py measures it in
   the compiled object, for each compiler that it finds at -Os, -O2 and -O3, and fails where more is taken
   than is said here. */
#ifndef TILE_TILE_MEMORY_H
#define TILE_TILE_MEMORY_H

/* Constants, with those of one bank. */
#define TILE_CONSTANT_BYTES_80  1984
#define TILE_CONSTANT_BYTES_128 2240

/* What lasts from frame to frame: tile_state. The kernel has no variables of its own. */
#define TILE_STATE_BYTES 4

/* Deepest stack from the entries tile_frames_int16 and tile_frames_int8, over the whole call graph. */
#define TILE_STACK_BYTES_INT16 2944
#define TILE_STACK_BYTES_INT8  3200

#endif
