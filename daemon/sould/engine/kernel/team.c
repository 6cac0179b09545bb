// Threads for the kernel: those torch already has, else a few of our own.
//
// torch's OpenMP workers spin for milliseconds after each of its parallel regions. A second
// pool beside them fights for the same cores just when a token is due: measured on 2 cores,
// a torch region before every step, 9.5 ms a token with our own pool and 2.6 ms with torch's.
// So where the process has GNU OpenMP's entry point (GOMP_parallel, which LLVM's and Intel's
// runtimes offer on Linux too), Python hands it in and both use the same workers; the compiler
// needs no OpenMP. Elsewhere (macOS) we keep our own pool, which spins briefly, then sleeps.
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "kernel.h"

// A worker of ours looks out for work this many times (some 100 us), then sleeps.
#define SPINS_IDLE 4000
// Inside a call the others are a few microseconds away, unless they have no core: then the
// sooner this one is given up the better. More spins win nothing on an idle machine, and
// cost a factor of two beside a busy process.
#define SPINS_BARRIER 100

typedef void Parallel(void (*entry)(void *), void *arg, unsigned threads, unsigned flags);
typedef int CountThreads(void);

struct Team {
    int size;
    Parallel *parallel;  // NULL: our own pool
    CountThreads *count;
    Work *work;
    void *arg;
    _Alignas(64) atomic_int tickets;
    _Alignas(64) atomic_int arrived;
    _Alignas(64) atomic_uint epoch;
    // our own pool
    _Alignas(64) atomic_uint calls;
    atomic_int busy;
    atomic_bool closing;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t *threads;
    int started;
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void team_wait(Team *team, int n) {
    if (n == 1) return;
    unsigned epoch = atomic_load_explicit(&team->epoch, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) == n - 1) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&team->epoch, epoch + 1, memory_order_release);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&team->epoch, memory_order_acquire) == epoch; spins++)
        if (spins < SPINS_BARRIER) relax();
        else sched_yield();
}

static void *worker(void *arg) {
    Team *team = arg;
    int me = 1 + atomic_fetch_add(&team->tickets, 1);
    for (unsigned seen = 0;; seen++) {
        for (int spins = 0; atomic_load(&team->calls) == seen && spins < SPINS_IDLE; spins++) relax();
        if (atomic_load(&team->calls) == seen) {
            pthread_mutex_lock(&team->lock);
            while (atomic_load(&team->calls) == seen) pthread_cond_wait(&team->wake, &team->lock);
            pthread_mutex_unlock(&team->lock);
        }
        if (atomic_load(&team->closing)) return NULL;
        team->work(team->arg, me, team->size);
        atomic_fetch_sub(&team->busy, 1);
    }
}

static void call_workers(Team *team) {
    pthread_mutex_lock(&team->lock);
    atomic_fetch_add(&team->calls, 1);
    pthread_cond_broadcast(&team->wake);
    pthread_mutex_unlock(&team->lock);
}

static void entry(void *arg) {
    Team *team = arg;
    // The runtime may give fewer threads than were asked for.
    int n = team->count();
    team->work(team->arg, atomic_fetch_add(&team->tickets, 1), n);
}

void team_run(Team *team, Work *work, void *arg) {
    if (team->size == 1) {
        work(arg, 0, 1);
        return;
    }
    team->work = work;
    team->arg = arg;
    if (team->parallel) {
        atomic_store(&team->tickets, 0);
        team->parallel(entry, team, (unsigned)team->size, 0);
        return;
    }
    atomic_store(&team->busy, team->size - 1);
    call_workers(team);
    work(arg, 0, team->size);
    for (int spins = 0; atomic_load(&team->busy); spins++)
        if (spins < SPINS_BARRIER) relax();
        else sched_yield();
}

int team_size(const Team *team) { return team->size; }

EXPORT void team_free(Team *team) {
    if (!team->parallel) {
        atomic_store(&team->closing, true);
        call_workers(team);
        for (int i = 0; i < team->started; i++) pthread_join(team->threads[i], NULL);
        pthread_cond_destroy(&team->wake);
        pthread_mutex_destroy(&team->lock);
        free(team->threads);
    }
    free(team);
}

// A team of `size` threads, the caller counted; NULL when the system refuses.
// `parallel`, `count`: GOMP_parallel and omp_get_num_threads of one runtime, or NULL.
EXPORT Team *team_new(int size, void *parallel, void *count) {
    Team *team = aligned_alloc(64, sizeof *team);
    if (!team) return NULL;
    memset(team, 0, sizeof *team);
    team->size = size;
    team->parallel = (Parallel *)parallel;
    team->count = (CountThreads *)count;
    if (parallel) return team;
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->wake, NULL);
    team->threads = calloc((size_t)size, sizeof *team->threads);
    while (team->threads && team->started < size - 1) {
        if (pthread_create(&team->threads[team->started], NULL, worker, team)) break;
        team->started++;
    }
    if (team->threads && team->started == size - 1) return team;
    team_free(team);
    return NULL;
}
