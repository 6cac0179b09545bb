// Attention of a few query heads over one key/value head, positions in blocks, softmax online
// (Milakov and Gimelshein 2018): nothing of the size of the context is ever stored.
#include "pass.h"

#define POSITIONS 64  // keys and values of 64 floats, looked at together, fit the L1 cache

// scores[j] = q . k[j]
static void score(const float *q, const float *k, int64_t n, int64_t E, float *scores) {
    int64_t j = 0, e;
    for (; j + 4 <= n; j += 4, k += 4 * E) {  // four at a time hide the latency of the sums
        vf s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
        for (e = 0; e + LANES <= E; e += LANES) {
            vf part = load(q + e);
            s0 += part * load(k + e);
            s1 += part * load(k + E + e);
            s2 += part * load(k + 2 * E + e);
            s3 += part * load(k + 3 * E + e);
        }
        float t0 = sum(s0), t1 = sum(s1), t2 = sum(s2), t3 = sum(s3);
        for (; e < E; e++) {
            t0 += q[e] * k[e];
            t1 += q[e] * k[E + e];
            t2 += q[e] * k[2 * E + e];
            t3 += q[e] * k[3 * E + e];
        }
        scores[j] = t0;
        scores[j + 1] = t1;
        scores[j + 2] = t2;
        scores[j + 3] = t3;
    }
    for (; j < n; j++, k += E) {
        vf s = {0};
        for (e = 0; e + LANES <= E; e += LANES) s += load(q + e) * load(k + e);
        float total = sum(s);
        for (; e < E; e++) total += q[e] * k[e];
        scores[j] = total;
    }
}

// acc = acc * keep + sum over j of p[j] v[j]
static void mix(const float *p, const float *v, int64_t n, int64_t E, float keep, float *acc) {
    int64_t e = 0;
    for (; e + 4 * LANES <= E; e += 4 * LANES) {
        vf even[4], odd[4];
        int64_t j = 0;
        UNROLL for (int i = 0; i < 4; i++) {
            even[i] = load(acc + e + i * LANES) * keep;
            odd[i] = (vf){0};
        }
        for (; j + 2 <= n; j += 2) {
            const float *at = v + j * E + e;
            UNROLL for (int i = 0; i < 4; i++) even[i] += p[j] * load(at + i * LANES);
            UNROLL for (int i = 0; i < 4; i++) odd[i] += p[j + 1] * load(at + E + i * LANES);
        }
        if (j < n)
            UNROLL for (int i = 0; i < 4; i++) even[i] += p[j] * load(v + j * E + e + i * LANES);
        UNROLL for (int i = 0; i < 4; i++) store(acc + e + i * LANES, even[i] + odd[i]);
    }
    for (; e + LANES <= E; e += LANES) {
        vf s = load(acc + e) * keep;
        for (int64_t j = 0; j < n; j++) s += p[j] * load(v + j * E + e);
        store(acc + e, s);
    }
    for (; e < E; e++) {
        float s = acc[e] * keep;
        for (int64_t j = 0; j < n; j++) s += p[j] * v[j * E + e];
        acc[e] = s;
    }
}

// Adds n <= POSITIONS positions of keys and values (n, E) to one query's attention: acc is the
// sum of the values so far, each times e^(score - peak).
static void attend_block(const float *q, const float *k, const float *v, int64_t n, int64_t E,
                         Softmax *state, float *acc) {
    float p[POSITIONS + LANES];
    score(q, k, n, E, p);
    for (int64_t j = n; j < n + LANES; j++) p[j] = -INFINITY;
    vf top = splat(state->peak), total = {0};
    for (int64_t j = 0; j < n; j += LANES) {
        vf s = load(p + j);
        top = choose(s > top, s, top);
    }
    float peak = state->peak;
    for (int i = 0; i < LANES; i++) peak = top[i] > peak ? top[i] : peak;
    for (int64_t j = 0; j < n; j += LANES) {
        vf e = exp_v(load(p + j) - peak);  // lanes past n: e^-87, nothing beside the peak's 1
        store(p + j, e);
        total += e;
    }
    float keep = expf(state->peak - peak);
    state->peak = peak;
    state->total = state->total * keep + sum(total);
    mix(p, v, n, E, keep, acc);
}

// Rotates one head by its token's angles, after its norm if it has one.
static void place(const Pass *p, const float *in, const float *norm, int64_t t, float scale,
                  float *restrict out) {
    int64_t E = p->body->head_dim, half = E / 2;
    const float *cosine = p->angles + t * E, *sine = cosine + half;
    if (norm) scale *= norm_scale(in, E, p->body->norm_eps);
    for (int64_t i = 0; i < half; i++) {
        float a = in[i] * scale, b = in[i + half] * scale;
        if (norm) a *= norm[i], b *= norm[i + half];
        out[i] = a * cosine[i] - b * sine[i];
        out[i + half] = b * cosine[i] + a * sine[i];
    }
}

// Writes key and value of token t, head h, where the cache keeps them.
static void append(const Pass *p, int64_t layer, int64_t t, int64_t h) {
    const Call *c = p->call;
    int64_t E = p->body->head_dim, at = (h * c->capacity + c->position + t) * E;
    int64_t from = t * padded(p->d_kv) + h * E;
    place(p, p->k + from, p->body->layers[layer].k_norm, t, 1.0f, c->k[layer] + at);
    memcpy(c->v[layer] + at, p->v + from, (size_t)E * sizeof(float));
}

// Attention of head h's queries of tokens [t0, t1) over positions [start, stop), causal and
// windowed, into `acc` (token, query head, E) and `softmax` (token, query head).
static void attend_item(Pass *p, int64_t layer, int64_t h, int64_t t0, int64_t t1, int64_t start,
                        int64_t stop, float *queries, float *acc, Softmax *softmax) {
    const Call *c = p->call;
    const Layer *l = &p->body->layers[layer];
    int64_t E = p->body->head_dim, G = p->G, window = l->window;
    for (int64_t t = t0; t < t1; t++)
        for (int64_t g = 0; g < G; g++) {
            int64_t i = (t - t0) * G + g;
            place(p, p->q + t * padded(p->d_q) + (h * G + g) * E, l->q_norm, t,
                  1.0f / sqrtf((float)E), queries + i * E);
            memset(acc + i * E, 0, (size_t)E * sizeof(float));
            softmax[i] = (Softmax){-INFINITY, 0};
        }
    const float *k = c->k[layer] + h * c->capacity * E, *v = c->v[layer] + h * c->capacity * E;
    for (int64_t block = start; block < stop; block += POSITIONS)
        for (int64_t t = t0; t < t1; t++) {
            int64_t now = c->position + t;
            int64_t from = window ? max(block, now - window + 1) : block;
            int64_t to = min(min(block + POSITIONS, stop), now + 1);
            for (int64_t i = (t - t0) * G; from < to && i < (t - t0 + 1) * G; i++)
                attend_block(queries + i * E, k + from * E, v + from * E, to - from, E,
                             &softmax[i], acc + i * E);
        }
}

static int64_t window_start(const Pass *p, int64_t layer, int64_t token) {
    int64_t window = p->body->layers[layer].window;
    return window ? max(0, p->call->position + token - window + 1) : 0;
}

// One token: the context in p->splits parts per key/value head, merged by merge_heads.
static void attend_one(Pass *p, int64_t layer, int me) {
    int64_t E = p->body->head_dim, K = p->body->n_kv_heads, G = p->G, splits = p->splits;
    int64_t start = window_start(p, layer, 0), stop = p->call->position + 1;
    float *queries = p->queries + me * QUERY_TOKENS * G * E;
    for (int64_t i; (i = claim(p, layer, ATTEND)) < K * splits;) {
        int64_t h = i / splits, part = i % splits, span = stop - start;
        int64_t first = (part * K + h) * G;  // (split, head)
        if (part == splits - 1) append(p, layer, 0, h);
        attend_item(p, layer, h, 0, 1, start + span * part / splits,
                    start + span * (part + 1) / splits, queries, p->partial + first * E,
                    p->softmax + first);
    }
}

// Adds up the parts of attend_one, in this thread's own row; returns it.
static const float *merge_heads(Pass *p, int me) {
    int64_t E = p->body->head_dim, H = p->body->n_heads;
    float *row = p->heads + me * padded(p->d_q);
    for (int64_t h = 0; h < H; h++, row += E) {
        float peak = -INFINITY, total = 0;
        for (int64_t s = 0; s < p->splits; s++) peak = fmaxf(peak, p->softmax[s * H + h].peak);
        memset(row, 0, (size_t)E * sizeof(float));
        for (int64_t s = 0; s < p->splits; s++) {
            const Softmax *part = &p->softmax[s * H + h];
            const float *acc = p->partial + (s * H + h) * E;
            float keep = expf(part->peak - peak);
            total += keep * part->total;
            for (int64_t e = 0; e < E; e++) row[e] += keep * acc[e];
        }
        for (int64_t e = 0; e < E; e++) row[e] /= total;
    }
    return p->heads + me * padded(p->d_q);
}

// Many tokens: items are (tile of tokens, head), the longest contexts first.
static void attend_many(Pass *p, int64_t layer, int me, int n) {
    int64_t E = p->body->head_dim, K = p->body->n_kv_heads, G = p->G;
    int64_t tiles = (p->T + QUERY_TOKENS - 1) / QUERY_TOKENS;
    int64_t own = me * QUERY_TOKENS * G;
    float *acc = p->partial + own * E;
    Softmax *softmax = p->softmax + own;
    for (int64_t t = me; t < p->T; t += n)
        for (int64_t h = 0; h < K; h++) append(p, layer, t, h);
    team_wait(p->team, n);
    for (int64_t i; (i = claim(p, layer, ATTEND)) < K * tiles;) {
        int64_t h = i % K, t0 = (tiles - 1 - i / K) * QUERY_TOKENS, t1 = min(t0 + QUERY_TOKENS, p->T);
        attend_item(p, layer, h, t0, t1, window_start(p, layer, t0), p->call->position + t1,
                    p->queries + own * E, acc, softmax);
        for (int64_t j = 0; j < (t1 - t0) * G; j++) {
            float *out = p->heads + (t0 + j / G) * padded(p->d_q) + (h * G + j % G) * E;
            for (int64_t e = 0; e < E; e++) out[e] = acc[j * E + e] / softmax[j].total;
        }
    }
}

void attend(Pass *p, int64_t layer, int me, int n) {
    if (p->T == 1) attend_one(p, layer, me);
    else attend_many(p, layer, me, n);
}

const float *attended(Pass *p, int me) { return p->T == 1 ? merge_heads(p, me) : p->heads; }
