// The state of one call, between step.c and attention.c.
#pragma once

#include <math.h>

#include "kernel.h"

#define QUERY_TOKENS 4  // tokens of one attention item: they go over the same keys

enum Counted { QKV, ATTEND, OUT, GATE_UP, DOWN, PHASES };  // counted phases of a layer

// Softmax over the positions seen so far: the largest score and the sum of e^(score - peak).
typedef struct {
    float peak, total;
} Softmax;

// Hands out the items of one phase.
typedef struct {
    _Alignas(ALIGN) atomic_long next;
} Counter;

// One call under way, seen by all threads. Rows of a buffer are padded() floats apart.
typedef struct {
    const Body *body;
    const Call *call;
    Team *team;
    int64_t T, G, R, d_q, d_kv;
    int64_t splits;  // parts of the context that T = 1 attends to apart
    float *x, *normed, *q, *k, *v, *heads, *gate, *up, *angles, *queries, *partial;
    float *soul_open;            // of every token, once it was read
    float *soul_gate, *soul_up;  // A x of every token
    float *soul_parts;           // A_down gate, of each GATE_UP item's rows alone: (item, T, R)
    float *soul_down;            // their sums, each thread its own (T, R)
    int64_t gate_items;
    float *inner;     // gate after its sub-norm, of one token, each thread its own
    Rounded rounded;  // what goes into ternary matrices; of one token each thread its own
    Softmax *softmax;
    Counter *counters;
} Pass;

INLINE int64_t padded(int64_t floats) { return (floats + 15) / 16 * 16; }
INLINE int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

// The next item of a counted phase, or a number past its last.
INLINE int64_t claim(Pass *p, int64_t layer, int phase) {
    Counter *c = &p->counters[layer * PHASES + phase];
    return atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed);
}

// RMSNorm's factor of n numbers, its weight aside.
INLINE float norm_scale(const float *x, int64_t n, double eps) {
    vf squares = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) squares += load(x + i) * load(x + i);
    float total = sum(squares);
    for (; i < n; i++) total += x[i] * x[i];
    return 1.0f / sqrtf(total / (float)n + (float)eps);
}

// Attention of the call's tokens in one layer: appends to the cache, returns where this thread
// finds the heads' outputs (T, H E). All threads call both; between them is a barrier.
void attend(Pass *p, int64_t layer, int me, int n);
const float *attended(Pass *p, int me);

// The soul's part of the MLP (soul.c), where it has one. `inner`: A x of every token.
enum SoulMatrix { SOUL_GATE, SOUL_UP, SOUL_DOWN };
static inline bool soul_is_in(const Pass *p, int64_t layer) {
    return p->R && layer >= p->call->soul->first;
}
void soul_gate_up_in(Pass *p, int64_t layer, const float *x, int me, int n);
void soul_down_part(Pass *p, int64_t layer, int64_t item, int64_t first, int64_t last);
const float *soul_down_in(Pass *p, int me);
// The same where down's input x is not what soul_down_part saw: all of it, with a barrier.
const float *soul_down_all(Pass *p, int64_t layer, const float *x, int me, int n);
void soul_add(Pass *p, int64_t layer, enum SoulMatrix which, const float *inner, int64_t first,
              int64_t last);
