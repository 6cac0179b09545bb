// One forward pass of a body over the next T tokens of a conversation, in one call.
//
// The pass is a row of phases. Threads share out the items of a phase by a counter (one whose
// core is taken by somebody else then does less) and meet at a barrier after it. What is too
// small to share (the norms of a single token) every thread does for itself instead, into its
// own row of a buffer: on small bodies it is the barriers that cost.
#include <stddef.h>

#include "pass.h"

#define SPLIT_POSITIONS 128  // one token: a thread more for every so many positions

// Rows of one item. One token waits for memory, which likes long runs: two items a thread.
// Many tokens wait for arithmetic: smaller items, shared out more evenly.
static int64_t item_rows(const Pass *p, int64_t threads, int64_t rows) {
    int64_t items = threads * (p->T == 1 ? 2 : 8);
    return max((rows + items - 1) / items, 16);
}

static int64_t gate_rows(const Pass *p, int64_t threads) {
    return item_rows(p, threads, 2 * p->body->d_ff);
}

static int64_t gate_items(const Pass *p, int64_t threads) {
    int64_t step = gate_rows(p, threads);
    return (p->body->d_ff + step - 1) / step;
}

// Lays the buffers into scratch and returns the bytes they take (scratch may be NULL).
static int64_t lay_out(Pass *p, int64_t threads, uint8_t *scratch) {
    const Body *b = p->body;
    int64_t used = 0, rows = max(p->T, threads) + TOKENS_PAD;
    int64_t parts = max(threads, p->T == 1 ? 0 : threads * QUERY_TOKENS) * b->n_heads;
#define TAKE(field, count) \
    (p->field = (void *)(scratch + used), \
     used += ((count) * (int64_t)sizeof *p->field + ALIGN - 1) / ALIGN * ALIGN)
    TAKE(counters, b->n_layers * PHASES + 1);
    TAKE(x, rows * padded(b->d_model));
    TAKE(normed, rows * padded(b->d_model));
    TAKE(q, rows * padded(p->d_q));
    TAKE(k, rows * padded(p->d_kv));
    TAKE(v, rows * padded(p->d_kv));
    TAKE(heads, rows * padded(p->d_q));
    TAKE(gate, rows * padded(b->d_ff));
    TAKE(up, rows * padded(b->d_ff));
    TAKE(soul_open, rows * padded(p->R));
    TAKE(soul_gate, rows * padded(p->R));
    TAKE(soul_up, rows * padded(p->R));
    TAKE(soul_parts, gate_items(p, threads) * p->T * padded(p->R));
    TAKE(soul_down, threads * p->T * padded(p->R));
    TAKE(inner, threads * padded(b->d_ff));
    p->rounded.stride = rounded_stride(max(b->d_ff, max(b->d_model, p->d_q)));
    TAKE(rounded.whole, rows * p->rounded.stride);
    TAKE(rounded.steps, rows);
    TAKE(rounded.sums, rows);
    TAKE(angles, p->T * b->head_dim);
    TAKE(queries, threads * QUERY_TOKENS * p->G * b->head_dim);
    TAKE(partial, parts * b->head_dim);
    TAKE(softmax, parts);
#undef TAKE
    return used;
}

static void set_sizes(Pass *p, int64_t rank) {
    const Body *b = p->body;
    p->R = rank;
    p->G = b->n_heads / b->n_kv_heads;
    p->d_q = b->n_heads * b->head_dim;
    p->d_kv = b->n_kv_heads * b->head_dim;
}

static void rms_norm(const float *x, const float *weight, int64_t n, double eps, float *out) {
    float scale = norm_scale(x, n, eps);
    for (int64_t i = 0; i < n; i++) out[i] = x[i] * scale * weight[i];
}

// Norms of every token; returns where this thread finds them. One token: each its own copy.
static const float *normalise(Pass *p, const float *weight, int me, int n) {
    const Body *b = p->body;
    int64_t D = b->d_model, stride = padded(D);
    if (p->T == 1) {
        rms_norm(p->x, weight, D, b->norm_eps, p->normed + me * stride);
        return p->normed + me * stride;
    }
    for (int64_t t = me; t < p->T; t += n)
        rms_norm(p->x + t * stride, weight, D, b->norm_eps, p->normed + t * stride);
    team_wait(p->team, n);
    return p->normed;
}

// Rounds one vector into this thread's own row.
static Rounded round_own(Pass *p, const float *x, int64_t size, int me) {
    const Rounded *r = &p->rounded;
    Rounded own = {r->whole + me * r->stride, r->steps + me, r->sums + me, r->stride};
    round_vector(x, size, own.whole, own.steps, own.sums);
    return own;
}

// Rounds x, the input of all of `products`, if one of them needs that; x is the thread's own copy
// where there is one token. All threads call it.
static void round_input(Pass *p, Product *products, int count, const float *x, int me, int n) {
    bool is_needed = false;
    for (int i = 0; i < count; i++) is_needed |= products[i].matrix->format == TERNARY;
    if (!is_needed) return;
    if (p->T == 1) {
        Rounded own = round_own(p, x, products[0].matrix->cols, me);
        for (int i = 0; i < count; i++) products[i].rounded = own;
        return;
    }
    int64_t cols = products[0].matrix->cols, stride = p->rounded.stride;
    for (int64_t t = me; t < p->T; t += n)
        round_vector(x + t * padded(cols), cols, p->rounded.whole + t * stride,
                     p->rounded.steps + t, p->rounded.sums + t);
    for (int i = 0; i < count; i++) products[i].rounded = p->rounded;
    team_wait(p->team, n);
}

// The norm of every token of x, in place; of one token into `out`, the thread's own. Returns it.
static const float *sub_norm(Pass *p, const float *weight, float *x, int64_t size, float *out, int me,
                             int n) {
    if (p->T == 1) {
        rms_norm(x, weight, size, p->body->norm_eps, out);
        return out;
    }
    for (int64_t t = me; t < p->T; t += n)
        rms_norm(x + t * padded(size), weight, size, p->body->norm_eps, x + t * padded(size));
    team_wait(p->team, n);
    return x;
}

// Multiplies the rows of up to three matrices, which share their input, item by item.
static void project(Pass *p, int64_t layer, int phase, const Product *products, int count) {
    int64_t rows = 0;
    for (int i = 0; i < count; i++) rows += products[i].matrix->rows;
    int64_t step = item_rows(p, team_size(p->team), rows);
    int64_t item = claim(p, layer, phase), before = 0;
    for (int i = 0; i < count; i++) {
        int64_t all = products[i].matrix->rows, items = (all + step - 1) / step;
        for (; item < before + items; item = claim(p, layer, phase)) {
            int64_t first = (item - before) * step;
            multiply(&products[i], first, min(first + step, all));
        }
        before += items;
    }
}

static Product product(const Pass *p, const Matrix *m, const float *bias, const float *x, float *y) {
    return (Product){.matrix = m, .bias = bias, .x = x, .y = y, .tokens = p->T,
                     .x_stride = padded(m->cols), .y_stride = padded(m->rows)};
}

// The product whose result goes onto the residual stream.
static Product residual(const Pass *p, const Matrix *m, const float *bias, const float *x) {
    Product add = product(p, m, bias, x, p->x);
    add.add = true;
    return add;
}

static void silu_times(float *gate, const float *up, int64_t n) {
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf g = load(gate + i);
        store(gate + i, g / (1.0f + exp_v(-g)) * load(up + i));
    }
    for (; i < n; i++) gate[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

static void relu2_times(float *gate, const float *up, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float positive = gate[i] < 0 ? 0 : gate[i];
        gate[i] = positive * positive * up[i];
    }
}

static void gate_and_up(Pass *p, int64_t layer, const float *x, int me, int n) {
    const Layer *l = &p->body->layers[layer];
    Product both[] = {product(p, &l->gate, l->gate_bias, x, p->gate),
                      product(p, &l->up, l->up_bias, x, p->up)};
    round_input(p, both, 2, x, me, n);
    bool has_soul = soul_is_in(p, layer);
    int64_t F = p->body->d_ff, step = gate_rows(p, team_size(p->team)), stride = padded(F);
    for (int64_t item; (item = claim(p, layer, GATE_UP)) * step < F;) {
        int64_t first = item * step, last = min(first + step, F);
        multiply(&both[0], first, last);
        multiply(&both[1], first, last);
        if (has_soul) soul_add(p, layer, SOUL_GATE, p->soul_gate, first, last);
        if (has_soul) soul_add(p, layer, SOUL_UP, p->soul_up, first, last);
        for (int64_t t = 0; t < p->T; t++) {
            float *at = p->gate + t * stride + first, *beside = p->up + t * stride + first;
            if (p->body->activation == RELU2) relu2_times(at, beside, last - first);
            else silu_times(at, beside, last - first);
        }
        if (has_soul && !l->mlp_sub_norm) soul_down_part(p, layer, item, first, last);
    }
}

static void down(Pass *p, int64_t layer, int me, int n) {
    const Layer *l = &p->body->layers[layer];
    const float *x = p->gate, *inner = NULL;
    bool has_soul = soul_is_in(p, layer);
    if (l->mlp_sub_norm)
        x = sub_norm(p, l->mlp_sub_norm, p->gate, p->body->d_ff, p->inner + me * padded(p->body->d_ff),
                     me, n);
    if (has_soul) inner = l->mlp_sub_norm ? soul_down_all(p, layer, x, me, n) : soul_down_in(p, me);
    Product add = residual(p, &l->down, l->down_bias, x);
    round_input(p, &add, 1, x, me, n);
    int64_t D = p->body->d_model, step = item_rows(p, team_size(p->team), D);
    for (int64_t first; (first = claim(p, layer, DOWN) * step) < D;) {
        int64_t last = min(first + step, D);
        multiply(&add, first, last);
        if (has_soul) soul_add(p, layer, SOUL_DOWN, inner, first, last);
    }
}

static void run_layer(Pass *p, int64_t layer, int me, int n) {
    const Layer *l = &p->body->layers[layer];
    const float *x = normalise(p, l->attn_norm, me, n);
    Product qkv[] = {product(p, &l->q, l->q_bias, x, p->q), product(p, &l->k, l->k_bias, x, p->k),
                     product(p, &l->v, l->v_bias, x, p->v)};
    round_input(p, qkv, 3, x, me, n);
    project(p, layer, QKV, qkv, 3);
    team_wait(p->team, n);
    attend(p, layer, me, n);
    team_wait(p->team, n);
    x = attended(p, me);
    if (l->attn_sub_norm) x = sub_norm(p, l->attn_sub_norm, (float *)x, p->d_q, (float *)x, me, n);
    Product out = residual(p, &l->o, l->o_bias, x);
    round_input(p, &out, 1, x, me, n);
    project(p, layer, OUT, &out, 1);
    team_wait(p->team, n);
    x = normalise(p, l->mlp_norm, me, n);
    if (soul_is_in(p, layer)) soul_gate_up_in(p, layer, x, me, n);
    gate_and_up(p, layer, x, me, n);
    team_wait(p->team, n);
    down(p, layer, me, n);
    team_wait(p->team, n);
}

static void embed(Pass *p, int me, int n) {
    const Body *b = p->body;
    int64_t half = b->head_dim / 2;
    for (int64_t t = me; t < p->T; t += n) {
        int64_t token = p->call->tokens[t];
        unpack_to(&b->embed, token, token + 1, p->x + t * padded(b->d_model));
        float *cosine = p->angles + t * b->head_dim;
        for (int64_t i = 0; i < half; i++) {
            double angle = (double)(p->call->position + t) * b->inv_freq[i];
            cosine[i] = (float)(cos(angle) * b->rope_scale);
            cosine[half + i] = (float)(sin(angle) * b->rope_scale);
        }
    }
    team_wait(p->team, n);
}

static void run(void *arg, int me, int n) {
    Pass *p = arg;
    const Body *b = p->body;
    embed(p, me, n);
    for (int64_t layer = 0; layer < b->n_layers; layer++) run_layer(p, layer, me, n);
    float *last = p->normed + me * padded(b->d_model);
    rms_norm(p->x + (p->T - 1) * padded(b->d_model), b->final_norm, b->d_model, b->norm_eps, last);
    Product head = product(p, &b->head, NULL, last, p->call->logits);
    head.tokens = 1;
    if (b->head.format == TERNARY) head.rounded = round_own(p, last, b->d_model, me);
    project(p, b->n_layers, 0, &head, 1);
}

// Bytes of scratch a call of n_tokens with a soul of that rank (0: none) needs.
EXPORT int64_t scratch_bytes(const Body *body, int64_t n_tokens, int64_t threads, int64_t rank) {
    Pass p = {.body = body, .T = n_tokens};
    set_sizes(&p, rank);
    return lay_out(&p, threads, NULL);
}

// Runs the call; returns NULL, or what is wrong with its arguments (then nothing was written).
EXPORT const char *step(Team *team, const Body *body, const Call *call) {
    int64_t threads = team_size(team), stop = call->position + call->n_tokens;
    if (call->n_tokens < 1) return "no tokens";
    if (call->position < 0 || stop > call->capacity) return "the cache is too small";
    for (int64_t t = 0; t < call->n_tokens; t++)
        if (call->tokens[t] < 0 || call->tokens[t] >= body->embed.rows) return "no such token";
    if ((uintptr_t)call->scratch % ALIGN) return "scratch is not aligned";
    Pass p = {.body = body, .call = call, .team = team, .T = call->n_tokens};
    set_sizes(&p, call->soul ? call->soul->rank : 0);
    p.gate_items = gate_items(&p, threads);
    p.splits = min(max(stop / SPLIT_POSITIONS, 1), threads);
    lay_out(&p, threads, call->scratch);
    memset(p.counters, 0, (size_t)(body->n_layers * PHASES + 1) * sizeof *p.counters);
    team_run(team, run, &p);
    return NULL;
}
