/* Round numbers for axes. */
#ifndef DRAWING_TICKS_H
#define DRAWING_TICKS_H

#define TICKS_LABEL 24

/* The smallest 1, 2 or 5 times a power of ten that is at least `min`, which is positive and finite. */
double ticks_step(double min);

/* k * step with as many decimals as step has. */
void ticks_label(char label[TICKS_LABEL], double k, double step);

#endif
