/* Counts the threads that a program of tests and the library in it start (the linker's --wrap=pthread_create). */
#ifndef TESTS_THREADS_H
#define TESTS_THREADS_H

unsigned threads_started(void);

#endif
