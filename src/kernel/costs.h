/* Numbers of the models by which one of several kernels is chosen, as measured: a row per class of processors, in
   costs.def. Numbers of one model have one unit; only their proportions matter. */
#ifndef KERNEL_COSTS_H
#define KERNEL_COSTS_H

#include "base/cpu.h"

/* C(name, meaning) */
#define KERNEL_COSTS(C)                                                                                        \
    /* Convolutions with features or pixels in the lanes, in vectors of terms: of a vector of sums that is   \
       transposed, or stored as it is; of pixels where the image was copied, since rows cross cache lines,   \
       and where a row is one vector, since there are hardly enough independent sums, as factors; of         \
       features where there is a single vector of them, as a factor; of a copied row of the image; of a      \
       channel's part of a band that is copied, since it is in a page of its own. And how often channels are \
       read in place (channels times panels of features) from where a copy is faster. */ \
    C(features_transposed)                                                                                     \
    C(features_straight)                                                                                       \
    C(pixels_copied)                                                                                           \
    C(pixels_narrow)                                                                                           \
    C(features_single)                                                                                         \
    C(features_row)                                                                                            \
    C(copied_page)                                                                                             \
    C(pixels_pages)                                                                                            \
    /* Rows of pixels joined to one run, in vectors of terms: a term; a vector that is copied once more. */    \
    C(joined_term)                                                                                             \
    C(joined_copy)                                                                                             \
    /* Few pixels, in half cycles per term: least pixels of a product that reads weights from the L2 cache;  \
       a pixel that is gathered. */ \
    C(few_least)                                                                                               \
    C(few_gathered)                                                                                            \
    /* Planes in the lanes, in cycles: of a vector that is transposed, and a lane of it; padded; of a term   \
       here, and with neighbouring or every other pixel in the lanes, and of windows of 3 x 3; of rows that  \
       are one vector, which is cut, as a factor; of a plane and of a row of it where the image is copied */ \
    C(lanes_vector)                                                                                            \
    C(lanes_lane)                                                                                              \
    C(lanes_padded)                                                                                            \
    C(lanes_term)                                                                                              \
    C(planes_term_3)                                                                                           \
    C(planes_term)                                                                                             \
    C(planes_term_apart)                                                                                       \
    C(planes_narrow)                                                                                           \
    C(planes_plane)                                                                                            \
    C(planes_row)                                                                                              \
    /* Transforms, in nanoseconds: a multiply-add in matrix products, and in the direct sum; a float of the  \
       weights; a float of a transformed tile */ \
    C(winograd_product)                                                                                        \
    C(winograd_direct)                                                                                         \
    C(winograd_weight)                                                                                         \
    C(winograd_place)

typedef struct kernel_costs {
    const char *name; /* of the class */
    cpu_level level;
    const char *vendor; /* as cpu_vendor gives it; NULL: any */
    unsigned family;    /* as cpu_family gives it; 0: any */
#define C(name) double name;
    KERNEL_COSTS(C)
#undef C
} kernel_costs;

/* The first row for this level whose vendor and family are those of this machine; every level has one for any. */
const kernel_costs *kernel_costs_of(cpu_level level);

#endif
