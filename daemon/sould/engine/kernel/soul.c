// What a soul adds to the MLP: gate += (A_g x) B_g, up += (A_u x) B_u, x += (A_d gate) B_d, all
// f32. A and B are (rank, features): A's rows are dotted with the input, times how far the rank is
// open to the token, and B's are added up.
//
// The input of gate and up is shared out by rows of A, and costs a barrier. That of down needs
// none: whoever made some rows of gate multiplies them at once, while they are in its cache,
// and the parts are added up in the order of the items, so that the sum does not depend on
// which thread was quicker. A norm between gate and down has to see all rows first: there it is
// as with gate and up.
#include "pass.h"

static float dot(const float *a, const float *x, int64_t n) {
    vf s0 = {0}, s1 = {0};
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        s0 += load(a + i) * load(x + i);
        s1 += load(a + i + LANES) * load(x + i + LANES);
    }
    float total = sum(s0 + s1);
    for (; i < n; i++) total += a[i] * x[i];
    return total;
}

// How far each rank is open to each token; `x`: what goes into the MLP.
static void read_scope(Pass *p, const float *x, int me, int n) {
    int64_t D = p->body->d_model, R = p->R;
    for (int64_t r = me; r < R; r += n) {
        const float *scope = p->call->soul->scope + r * (D + 1);
        for (int64_t t = 0; t < p->T; t++) {
            float open = dot(scope, x + t * padded(D), D) + scope[D];
            p->soul_open[t * padded(R) + r] = open < 0 ? 0 : open > 1 ? 1 : open;
        }
    }
}

// Whether a rank does anything to a token from this layer on, as far as is known by now.
static bool is_open(const Pass *p, int64_t layer, int64_t t, int64_t r) {
    return layer < p->call->soul->scope_layer || p->soul_open[t * padded(p->R) + r] != 0;
}

// Rows of both A are dealt to the threads like cards. In the layer of the scope itself other threads
// may still be reading it.
void soul_gate_up_in(Pass *p, int64_t layer, const float *x, int me, int n) {
    const SoulLayer *l = &p->call->soul->layers[layer];
    int64_t D = p->body->d_model, R = p->R;
    if (layer == p->call->soul->scope_layer) read_scope(p, x, me, n);
    for (int64_t i = me; i < 2 * R; i += n) {
        const float *a = l->a[i < R ? SOUL_GATE : SOUL_UP] + i % R * D;
        float *out = (i < R ? p->soul_gate : p->soul_up) + i % R;
        bool is_read = layer == p->call->soul->scope_layer;
        for (int64_t t = 0; t < p->T; t++)
            out[t * padded(R)] =
                is_read || is_open(p, layer, t, i % R) ? dot(a, x + t * padded(D), D) : 0;
    }
    team_wait(p->team, n);
}

// A_d times rows [first, last) of the finished gate.
void soul_down_part(Pass *p, int64_t layer, int64_t item, int64_t first, int64_t last) {
    const float *a = p->call->soul->layers[layer].a[SOUL_DOWN];
    int64_t F = p->body->d_ff, R = p->R;
    float *out = p->soul_parts + item * p->T * padded(R);
    for (int64_t r = 0; r < R; r++)
        for (int64_t t = 0; t < p->T; t++)
            out[t * padded(R) + r] =
                is_open(p, layer, t, r)
                    ? dot(a + r * F + first, p->gate + t * padded(F) + first, last - first)
                    : 0;
}

const float *soul_down_in(Pass *p, int me) {
    int64_t size = p->T * padded(p->R);
    float *sums = p->soul_down + me * size;
    memcpy(sums, p->soul_parts, (size_t)size * sizeof(float));
    for (int64_t item = 1; item < p->gate_items; item++) {
        const float *part = p->soul_parts + item * size;
        for (int64_t i = 0; i < size; i++) sums[i] += part[i];
    }
    return sums;
}

const float *soul_down_all(Pass *p, int64_t layer, const float *x, int me, int n) {
    const float *a = p->call->soul->layers[layer].a[SOUL_DOWN];
    int64_t F = p->body->d_ff, R = p->R;
    for (int64_t r = me; r < R; r += n)
        for (int64_t t = 0; t < p->T; t++)
            p->soul_down[t * padded(R) + r] =
                is_open(p, layer, t, r) ? dot(a + r * F, x + t * padded(F), F) : 0;
    team_wait(p->team, n);
    return p->soul_down;
}

// Adds inner B, as far as it is open, to rows [first, last) of what B belongs to.
void soul_add(Pass *p, int64_t layer, enum SoulMatrix which, const float *inner, int64_t first,
              int64_t last) {
    const Body *body = p->body;
    const Soul *soul = p->call->soul;
    const float *b = soul->layers[layer].b[which];
    const float *open = layer < soul->scope_layer ? NULL : p->soul_open;
    int64_t rows = which == SOUL_DOWN ? body->d_model : body->d_ff, R = p->R;
    float *y = which == SOUL_DOWN ? p->x : which == SOUL_UP ? p->up : p->gate;
    float weights[R];
    const float *rows_of_b[R];  // of the ranks that are open, with their weights
    for (int64_t t = 0; t < p->T; t++, y += padded(rows), inner += padded(R)) {
        int64_t n_open = 0;
        for (int64_t r = 0; r < R; r++) {
            float weight = open ? inner[r] * open[t * padded(R) + r] : inner[r];
            if (weight == 0) continue;
            weights[n_open] = weight;
            rows_of_b[n_open++] = b + r * rows;
        }
        if (!n_open) continue;
        int64_t i = first;
        for (; i + 4 * LANES <= last; i += 4 * LANES) {
            vf s[4];
            UNROLL for (int j = 0; j < 4; j++) s[j] = load(y + i + j * LANES);
            for (int64_t k = 0; k < n_open; k++)
                UNROLL for (int j = 0; j < 4; j++)
                    s[j] += weights[k] * load(rows_of_b[k] + i + j * LANES);
            UNROLL for (int j = 0; j < 4; j++) store(y + i + j * LANES, s[j]);
        }
        for (; i < last; i++)
            for (int64_t k = 0; k < n_open; k++) y[i] += weights[k] * rows_of_b[k][i];
    }
}
