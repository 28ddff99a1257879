/* What this machine reaches at best, measured when somebody first asks. */
#ifndef SIB_SERVER_PEAKS_H
#define SIB_SERVER_PEAKS_H

#include <sibyl/sibyl.h>

typedef struct peaks peaks;

/* threads: of each run; 0: one per processor that this process may use. */
peaks *peaks_create(unsigned threads);
void peaks_free(peaks **p);
/* The first call measures, for about half a second; those that come meanwhile wait for it, and all have the same figures. A
   failure is not kept. Thread-safe. Errors: those of sib_pool_create and sib_measure_peak. */
sib_code peaks_get(peaks *p, sib_peak *out, sib_error *err);

#endif
