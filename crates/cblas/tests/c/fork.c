/* A child of fork computes what its parent does, with threads of its own, and so do several callers at once. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft_blas.h"

enum { N = 300 };

static float a[N * N], b[N * N], want[N * N];

static void product(float *c)
{
    cblas_sgemm(CblasColMajor, CblasNoTrans, CblasTrans, N, N, N, 0.5f, a, N, b, N, 0.0f, c, N);
}

static int right(void)
{
    float *c = malloc(sizeof want);
    product(c);
    int same = memcmp(c, want, sizeof want) == 0;
    free(c);
    return same;
}

static void *caller(void *ok)
{
    for (int i = 0; i < 20; i++)
        *(int *)ok &= right();
    return NULL;
}

int main(void)
{
    for (int i = 0; i < N * N; i++) {
        a[i] = (float)(i % 1009) / 500 - 1;
        b[i] = (float)(i % 883) / 400 - 1;
    }
    weft_blas_set_num_threads(1);
    product(want);

    int ok = weft_blas_get_num_threads() == 1;
    weft_blas_set_num_threads(3);
    ok &= weft_blas_get_num_threads() == 3 && right();

    pid_t child = fork();
    if (child == 0)
        _exit(right() && right() ? 0 : 1);
    int status = 1;
    waitpid(child, &status, 0);
    ok &= status == 0 && right();

    pthread_t callers[4];
    int oks[4] = {1, 1, 1, 1};
    for (int i = 0; i < 4; i++)
        pthread_create(&callers[i], NULL, caller, &oks[i]);
    for (int i = 0; i < 4; i++) {
        pthread_join(callers[i], NULL);
        ok &= oks[i];
    }
    weft_blas_set_num_threads(0);
    ok &= weft_blas_get_num_threads() >= 1;
    puts(ok ? "the same everywhere" : "different");
    return !ok;
}
