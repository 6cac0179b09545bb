// What the parts of the kernel share. Structs are mirrored field by field in layout.py.
//
// Legend: T tokens of this call, D d_model, H query heads, K key/value heads, G = H / K,
// E head_dim, F d_ff, V vocabulary, R rank of the soul. All activations are f32, rows padded to 64 bytes.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "simd.h"

#define ALIGN 64
#define BLOCK 32  // weights per block, in every format but TERNARY
#define GROUP 64  // columns of a row of BASES1 to 4 that share their scales: two blocks
#define CHUNK 128  // columns of a TERNARY row that lie in CHUNK_BYTES
#define CHUNK_BYTES 32
#define EXPORT __attribute__((visibility("default")))

enum Format { Q4_1, Q8_0, BF16, F16, F32, TERNARY, BASES1 };  // and BASES1 + 1 to 3: more bases
enum Activation { SILU, RELU2 };

typedef struct {
    const void *data;
    int64_t rows, cols, format;
} Matrix;

typedef struct {
    const float *attn_norm, *mlp_norm;
    const float *q_bias, *k_bias, *v_bias, *o_bias, *gate_bias, *up_bias, *down_bias;
    const float *q_norm, *k_norm;
    const float *attn_sub_norm, *mlp_sub_norm;  // of what goes into o and down
    Matrix q, k, v, o, gate, up, down;
    int64_t window;  // 0: no limit
} Layer;

typedef struct {
    int64_t d_model, n_layers, n_heads, n_kv_heads, head_dim, d_ff, activation;
    double norm_eps, rope_scale;
    const double *inv_freq;
    const float *final_norm;
    Matrix embed, head;
    const Layer *layers;
} Body;

// A soul's share of one layer: gate += (x a[0]^T) b[0], and so for up and down.
typedef struct {
    const float *a[3];  // (rank, in features)
    const float *b[3];  // (rank, out features)
} SoulLayer;

// scope: of each rank the weights of d_model inputs and a bias. What goes into the MLP of
// scope_layer says how far the rank is open to a token, 0 to 1, from there up. Layers below first
// have no share; it is not above scope_layer.
typedef struct {
    int64_t rank, scope_layer, first;
    const float *scope;
    const SoulLayer *layers;
} Soul;

typedef struct {
    const int32_t *tokens;
    int64_t n_tokens, position;   // position: tokens already in the cache
    float *const *k, *const *v;   // per layer (K, capacity, E)
    int64_t capacity;
    const Soul *soul;             // or NULL
    float *logits;                // (V,), of the last token
    void *scratch;                // scratch_bytes() of it, ALIGN-aligned
} Call;

// Vectors rounded to int8, what TERNARY matrices are multiplied with: number i of vector t is
// whole[t * stride + i] * steps[t], and 0 to the end of the last chunk. sums: of whole.
typedef struct {
    int8_t *whole;
    float *steps;
    int32_t *sums;
    int64_t stride;
} Rounded;

int64_t ternary_row_bytes(int64_t cols);
int64_t rounded_stride(int64_t cols);
void round_vector(const float *x, int64_t n, int8_t *whole, float *step, int32_t *sum);

// y[t] (+)= matrix x[t] + bias; of a TERNARY matrix `rounded` is the input, not x. Rounds `tokens` up to the tile it uses: x and y have room for
// TOKENS_PAD more vectors, which are computed and never looked at.
#define TOKENS_PAD 8
typedef struct {
    const Matrix *matrix;
    const float *bias;  // or NULL
    const float *x;
    float *y;
    int64_t tokens, x_stride, y_stride;
    bool add;  // to what y holds
    Rounded rounded;
} Product;

int64_t row_bytes(const Matrix *m);
void multiply(const Product *job, int64_t first_row, int64_t last_row);
void unpack_to(const Matrix *m, int64_t first_row, int64_t last_row, float *out);
void ternary_multiply(const Product *job, int64_t first_row, int64_t last_row);
// Columns [first, first + count) of one row; past the last, to the end of its block, 0.
void ternary_unpack(const Matrix *m, int64_t row, int64_t first, int64_t count, float *out);
// One block of each row, (rows, BLOCK); past the last column 0.
void unpack_blocks(const Matrix *m, int64_t first_row, int64_t last_row, int64_t block, float *out);

// C (+)= A matrix^T if is_forward, else A matrix.
typedef struct {
    const float *a;
    int64_t rows, a_row, a_col;  // of A, and floats from one row, one column to the next
    const Matrix *matrix;
    float *c;
    int64_t c_row, is_forward, add;
} GemmCall;

// Threads that run one function together.
typedef struct Team Team;
typedef void Work(void *arg, int me, int n);
void team_run(Team *team, Work *work, void *arg);
void team_wait(Team *team, int n);  // all n are here before any goes on
int team_size(const Team *team);
