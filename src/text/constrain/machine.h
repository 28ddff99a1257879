/* A grammar as a machine that reads bytes. A state is the set of places in the grammar, each with its
   calls, at which a text may be; states and what follows each byte are found as they are met, and kept. */
#ifndef TEXT_CONSTRAIN_MACHINE_H
#define TEXT_CONSTRAIN_MACHINE_H

#include "text/constrain/grammar.h"

/* Max places of a state, those passed through without a byte too. */
#define MACHINE_MAX_PLACES 8192u
/* Max states kept: an error within the tokens of one step, and machine_tidy forgets all but one above half
   of it. */
#define MACHINE_MAX_STATES 16384u

#define MACHINE_DEAD    0u
#define MACHINE_UNKNOWN UINT16_MAX

/* A call under way. Frame 0 is the text itself. */
typedef struct machine_frame {
    uint32_t after, count; /* the node that it returns to, with this counter */
    uint32_t parent, depth;
} machine_frame;

typedef struct machine_place {
    uint32_t node, count, frame;
} machine_place;

typedef struct machine_state {
    size_t first; /* in places */
    uint32_t n, hash;
    uint16_t next[256]; /* the state behind each byte, MACHINE_UNKNOWN where nobody has asked */
    uint64_t *tokens;   /* the user's: freed with the state */
    bool complete;      /* the text may end here */
    bool closed;        /* nothing may follow */
} machine_state;

typedef struct machine {
    const grammar *g;
    machine_frame *frames; /* (n_frames) */
    size_t n_frames, frames_capacity;
    machine_place *places; /* (n_places) of all states, sorted within each */
    size_t n_places, places_capacity;
    machine_state *states; /* (n_states) the dead one first */
    size_t n_states, states_capacity;
    uint32_t *frame_slots, *state_slots; /* hash tables of indices + 1, 0: free */
    size_t n_frame_slots;
    machine_place *work;            /* (MACHINE_MAX_PLACES) places met on the way to a state */
    uint16_t *work_slots, *work_at; /* a hash table of them, and the slot of each */
} machine;

/* A machine at the beginning of a text: *start. g must outlive it. machine_end in both cases. Errors:
   SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code machine_begin(machine *m, const grammar *g, uint32_t *start, sib_error *err);
void machine_end(machine *m);

/* The state behind a byte, after whose failure no further step may be made; MACHINE_DEAD where the byte
   cannot follow. Pointers to states are then no longer valid. Errors: SIB_ERR_SIZE (too many places or
   states), SIB_ERR_MEMORY. */
sib_code machine_step(machine *m, uint32_t state, uint8_t byte, uint32_t *next, sib_error *err);

/* Forgets all other states where there are many; *state is another number then. */
sib_code machine_tidy(machine *m, uint32_t *state, sib_error *err);

#endif
