// Products of many vectors at once for training: C = A W^T goes forward through a packed matrix,
// C = A W goes back. Exact f32 arithmetic, as everywhere here.
//
// The usual outer-product scheme (Goto and van de Geijn 2008): for 32 columns of C, a stretch of
// W is unpacked into a panel that stays in the nearest cache while all of A goes by, and the sums
// stay in registers.
#include "kernel.h"

#define PANEL (2 * LANES)  // columns whose sums fit the registers, TILE_ROWS rows of them
#define PANELS (BLOCK / PANEL)
#define DEPTH 256  // of a panel: with BLOCK columns 32 KiB
#define MOST_BLOCKS 4  // of columns for which A is read once: more of C would not stay near
#if LANES == 8
#define TILE_ROWS 6  // of 16 registers 12 hold sums
#else
#define TILE_ROWS 12
#endif

typedef float v4 __attribute__((vector_size(16)));
typedef int32_t v4i __attribute__((vector_size(16)));
#if defined(__clang__)
#define SHUFFLE4(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE4(a, b, ...) __builtin_shuffle(a, b, (v4i){__VA_ARGS__})
#endif

typedef struct {
    GemmCall call;
    int64_t N, K;
    int64_t group;   // blocks of columns of one item
    int64_t slice;   // rows of C of one item
    int64_t slices;  // more than one where N alone gives too few items
    atomic_long next;
} Shared;

// C[rows][PANEL] (+)= A[rows][depth] panel[depth][PANEL]; rows is a constant after inlining.
INLINE void tile(int rows, const GemmCall *g, const float *a, const float *panel, int64_t depth,
                 float *c, int64_t c_row, bool add) {
    vf low[TILE_ROWS], high[TILE_ROWS];
    UNROLL12 for (int t = 0; t < rows; t++) {
        low[t] = add ? load(c + t * c_row) : (vf){0};
        high[t] = add ? load(c + t * c_row + LANES) : (vf){0};
    }
    for (int64_t k = 0; k < depth; k++, panel += PANEL, a += g->a_col) {
        vf w_low = load(panel), w_high = load(panel + LANES);
        UNROLL12 for (int t = 0; t < rows; t++) {
            low[t] += a[t * g->a_row] * w_low;
            high[t] += a[t * g->a_row] * w_high;
        }
    }
    UNROLL12 for (int t = 0; t < rows; t++) {
        store(c + t * c_row, low[t]);
        store(c + t * c_row + LANES, high[t]);
    }
}

static void multiply_panel(const GemmCall *g, int64_t rows, const float *a, const float *panel,
                           int64_t depth, float *c, int64_t c_row, bool add) {
    int64_t t = 0;
    for (; t + TILE_ROWS <= rows; t += TILE_ROWS)
        tile(TILE_ROWS, g, a + t * g->a_row, panel, depth, c + t * c_row, c_row, add);
    for (; t + 3 <= rows; t += 3)
        tile(3, g, a + t * g->a_row, panel, depth, c + t * c_row, c_row, add);
    for (; t < rows; t++)
        tile(1, g, a + t * g->a_row, panel, depth, c + t * c_row, c_row, add);
}

// out[j][i] = in[i][j] for 4 x 4 floats, from rows BLOCK apart to rows PANEL apart.
static void transpose4(const float *in, float *out) {
    v4 a, b, c, d;
    memcpy(&a, in, 16);
    memcpy(&b, in + BLOCK, 16);
    memcpy(&c, in + 2 * BLOCK, 16);
    memcpy(&d, in + 3 * BLOCK, 16);
    v4 ab = SHUFFLE4(a, b, 0, 4, 1, 5), cd = SHUFFLE4(c, d, 0, 4, 1, 5);
    v4 AB = SHUFFLE4(a, b, 2, 6, 3, 7), CD = SHUFFLE4(c, d, 2, 6, 3, 7);
    a = SHUFFLE4(ab, cd, 0, 1, 4, 5), b = SHUFFLE4(ab, cd, 2, 3, 6, 7);
    c = SHUFFLE4(AB, CD, 0, 1, 4, 5), d = SHUFFLE4(AB, CD, 2, 3, 6, 7);
    memcpy(out, &a, 16);
    memcpy(out + PANEL, &b, 16);
    memcpy(out + 2 * PANEL, &c, 16);
    memcpy(out + 3 * PANEL, &d, 16);
}

// panels (PANELS, DEPTH, PANEL) = columns [n, n + BLOCK) of W or W^T, rows [k, k + depth).
// Columns past the matrix are 0, rows past `depth` are not looked at.
static void pack(const GemmCall *g, int64_t n, int64_t k, int64_t depth, float *panels) {
    const Matrix *w = g->matrix;
    float block[BLOCK * BLOCK];
    int64_t rows = w->rows - n < BLOCK ? w->rows - n : BLOCK;
    if (g->is_forward) memset(block + rows * BLOCK, 0, (size_t)(BLOCK - rows) * sizeof block / BLOCK);
    for (int64_t i = 0; i < depth; i += BLOCK) {
        if (g->is_forward) {
            unpack_blocks(w, n, n + rows, (k + i) / BLOCK, block);
            for (int c = 0; c < BLOCK; c += 4)
                for (int r = 0; r < BLOCK; r += 4)
                    transpose4(block + c * BLOCK + r,
                               panels + (c / PANEL * DEPTH + i + r) * PANEL + c % PANEL);
            continue;
        }
        int64_t count = depth - i < BLOCK ? depth - i : BLOCK;
        unpack_blocks(w, k + i, k + i + count, n / BLOCK, block);
        for (int s = 0; s < PANELS; s++)
            for (int64_t r = 0; r < count; r++)
                memcpy(panels + (s * DEPTH + i + r) * PANEL, block + r * BLOCK + s * PANEL,
                       PANEL * sizeof(float));
    }
}

// Columns [n, stop), whole blocks, of rows [first, last); c_row floats from row to row of c, which
// begins at column n. A stretch of A is used for all of them before the next comes into the cache.
static void multiply_blocks(const Shared *s, int64_t n, int64_t stop, int64_t first, int64_t last,
                            float *c, int64_t c_row, bool add) {
    const GemmCall *g = &s->call;
    _Alignas(ALIGN) float panels[DEPTH * BLOCK];
    for (int64_t k = 0; k < s->K; k += DEPTH) {
        int64_t depth = s->K - k < DEPTH ? s->K - k : DEPTH;
        const float *a = g->a + first * g->a_row + k * g->a_col;
        for (int64_t i = n; i < stop; i += BLOCK) {
            pack(g, i, k, depth, panels);
            for (int j = 0; j < PANELS; j++)
                multiply_panel(g, last - first, a, panels + j * DEPTH * PANEL, depth,
                               c + i - n + j * PANEL, c_row, add || k > 0);
        }
    }
}

// The last columns of an N that is no multiple of BLOCK: past C there is nothing to write to.
static void multiply_edge(const Shared *s, int64_t n, int64_t first, int64_t last) {
    const GemmCall *g = &s->call;
    enum { ROWS = 8 * TILE_ROWS };
    float c[ROWS * BLOCK];
    for (int64_t t = first; t < last; t += ROWS) {
        int64_t rows = last - t < ROWS ? last - t : ROWS;
        multiply_blocks(s, n, n + BLOCK, t, t + rows, c, BLOCK, false);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = n; i < s->N; i++) {
                float *out = g->c + (t + r) * g->c_row + i;
                *out = (g->add ? *out : 0) + c[r * BLOCK + i - n];
            }
    }
}

static void share(void *arg, int me, int n_threads) {
    (void)me, (void)n_threads;
    Shared *s = arg;
    int64_t columns = s->group * BLOCK, whole = s->N / BLOCK * BLOCK;
    int64_t items = (s->N + columns - 1) / columns * s->slices;
    for (int64_t i; (i = atomic_fetch_add(&s->next, 1)) < items;) {
        int64_t n = i / s->slices * columns, stop = n + columns < whole ? n + columns : whole;
        int64_t first = i % s->slices * s->slice;
        int64_t last = first + s->slice < s->call.rows ? first + s->slice : s->call.rows;
        multiply_blocks(s, n, stop, first, last, s->call.c + first * s->call.c_row + n, s->call.c_row,
                        s->call.add);
        if (n + columns > whole && whole < s->N) multiply_edge(s, whole, first, last);
    }
}

// Runs the call; the sizes follow from its matrix.
EXPORT void gemm(Team *team, const GemmCall *call) {
    const Matrix *w = call->matrix;
    Shared s = {.call = *call};
    s.N = call->is_forward ? w->rows : w->cols;
    s.K = call->is_forward ? w->cols : w->rows;
    int64_t blocks = (s.N + BLOCK - 1) / BLOCK, wanted = 4 * team_size(team);
    s.group = blocks / wanted < 1 ? 1 : blocks / wanted < MOST_BLOCKS ? blocks / wanted : MOST_BLOCKS;
    s.slices = blocks < wanted ? (wanted + blocks - 1) / blocks : 1;
    s.slice = (call->rows + s.slices - 1) / s.slices;
    s.slice = (s.slice + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
    s.slices = (call->rows + s.slice - 1) / s.slice;
    team_run(team, share, &s);
}
