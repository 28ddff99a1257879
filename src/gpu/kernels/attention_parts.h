/* What attention_row leaves of some of the keys, for rows one after another: words of float32, then its sums of v. */
#ifndef GPU_KERNELS_ATTENTION_PARTS_H
#define GPU_KERNELS_ATTENTION_PARTS_H

#define ATTENTION_PART_LARGEST 0u /* score */
#define ATTENTION_PART_SUM     1u /* of exponentials */
#define ATTENTION_PART_SHOWN   2u /* 0: all of its keys are hidden */
#define ATTENTION_PART_V       3u

#endif
