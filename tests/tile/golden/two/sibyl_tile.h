/* What a call of sibyl_tile.xclbin takes and gives. Made together with the program: its batch is set nowhere else.

   A recording of n samples is laid out once: its samples 200 down to 1, its n samples, its samples n - 2 down to n - 201,
   then zeros. Call k gets the SIBYL_TILE_SAMPLES samples from k * SIBYL_TILE_STEP on; of its results, the first
   SIBYL_TILE_BATCH frames count. After the last call every value below the maximum of all - SIBYL_TILE_RANGE is raised to
   that. */
#ifndef SIBYL_TILE_H
#define SIBYL_TILE_H

#define SIBYL_TILE_BATCH   7    /* frames of a call that count */
#define SIBYL_TILE_MOVED   8    /* frames that it moves */
#define SIBYL_TILE_STEP    1120 /* samples from call to call */
#define SIBYL_TILE_SAMPLES 1520 /* int16 in */
#define SIBYL_TILE_RESULTS 640  /* int8 out: (frames, bands) */
#define SIBYL_TILE_BANDS   80
#define SIBYL_TILE_SCALE   64  /* a result is a feature times this */
#define SIBYL_TILE_RANGE   128 /* 2.0 */

#endif
