/* A caller that flushes denormals to zero, or rounds otherwise, gets the bits of one that does not, on one thread and on two,
 * and has its settings afterwards. */
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "weft_blas.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
static unsigned get(void) { return _mm_getcsr() & 0xffc0; }
static void flush(void) { _mm_setcsr(_mm_getcsr() | 0x8040); }
#else
static unsigned get(void) { return (unsigned)fegetround(); }
static void flush(void) {}
#endif

enum { N = 320 };

static float a[N * N], b[N * N], c[3][N * N];

static void multiply(int threads, float *to) {
    weft_blas_set_num_threads(threads);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1, a, N, b, N, 0, to, N);
}

int main(void) {
    fenv_t usual;
    CBLAS_ORDER order = CblasRowMajor;
    for (int i = 0; i < N * N; i++) {
        /* Products and sums are denormal. */
        a[i] = (float)(i % 101 - 50) * 1e-21f;
        b[i] = (float)(i % 97 - 48) * 1e-21f;
    }
    multiply(2, c[0]);
    if (order != CblasRowMajor || fegetenv(&usual) != 0) return 1;
    for (int way = 0; way < 2; way++) {
        if (way == 0) flush();
        else if (fesetenv(&usual) != 0 || fesetround(FE_UPWARD) != 0) return 1;
        unsigned set = get();
        multiply(1, c[1]);
        multiply(2, c[2]);
        if (get() != set) printf("way %d: the caller's settings are gone\n", way);
        fenv_t now;
        /* A factor is no zero for being denormal. */
        float tiny = 1e-40f, large = 1e30f, one = 1, got = 0;
        cblas_sgemm(order, CblasNoTrans, CblasNoTrans, 1, 1, 1, tiny, &large, 1, &one, 1, 0, &got, 1);
        if (fegetenv(&now) != 0 || fesetenv(&usual) != 0) return 1;
        if (got != tiny * large) printf("way %d: 1e-40 times 1e30 is %g\n", way, (double)got);
        for (int threads = 1; threads <= 2; threads++)
            if (memcmp(c[0], c[threads], sizeof c[0]) != 0) printf("way %d: other bits on %d\n", way, threads);
    }
    puts("the same bits");
    return 0;
}
