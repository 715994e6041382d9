/* A program with error handlers of its own: each bad argument reaches them with its place, and C stays. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "weft_blas.h"

static int seen;
static char text[100];

#ifdef TURNS
/* By it a handler is told that places are those of the product of transposes, which the reference does in place of a
 * row-major one, and turns them back. */
int RowMajorStrg;
static int turned(int place)
{
    static const int places[][2] = {{4, 5}, {5, 4}, {9, 11}, {11, 9}};
    for (int i = 0; RowMajorStrg && i < 4; i++)
        if (places[i][0] == place) return places[i][1];
    return place;
}
#else
static int turned(int place) { return place; }
#endif

void xerbla_(const char *name, const int *place, size_t length)
{
    seen = length == 6 && strncmp(name, "SGEMM ", 6) == 0 ? *place : -1;
}

void cblas_xerbla(int place, const char *name, const char *form, ...)
{
    va_list values;
    va_start(values, form);
    vsnprintf(text, sizeof text, form, values);
    va_end(values);
    seen = strcmp(name, "cblas_sgemm") == 0 ? turned(place) : -1;
}

static int failures;

static void expect(const char *what, int place, const char *message)
{
    if (seen != place || strcmp(text, message) != 0) {
        printf("%s: place %d, text \"%s\"; expected %d, \"%s\"\n", what, seen, text, place, message);
        failures++;
    }
    seen = 0;
    text[0] = '\0';
}

static void fortran(char ta, char tb, int m, int n, int k, int lda, int ldb, int ldc, int place)
{
    float one = 1, c = 7;
    sgemm_(&ta, &tb, &m, &n, &k, &one, &one, &lda, &one, &ldb, &one, &c, &ldc);
    expect("sgemm_", place, "");
    failures += c != 7;
}

static void rows(int layout, int ta, int tb, int m, int n, int k, int lda, int ldb, int ldc, int place,
                 const char *message)
{
    float one = 1, c = 7;
    cblas_sgemm(layout, ta, tb, m, n, k, 1, &one, lda, &one, ldb, 1, &c, ldc);
    expect("cblas_sgemm", place, message);
    failures += c != 7;
}

int main(void)
{
    const int R = CblasRowMajor, C = CblasColMajor, N = CblasNoTrans, T = CblasTrans;

    fortran('X', 'N', 2, 2, 2, 2, 2, 2, 1);
    fortran('t', '\0', 2, 2, 2, 2, 2, 2, 2);
    fortran('N', 'N', -1, 2, 2, 2, 2, 2, 3);
    fortran('N', 'N', 2, -1, 2, 2, 2, 2, 4);
    fortran('N', 'N', 2, 2, -1, 2, 2, 2, 5);
    fortran('N', 'N', 2, 2, 2, 1, 2, 2, 8);
    fortran('C', 'N', 1, 2, 2, 1, 2, 2, 8);
    fortran('N', 'N', 2, 2, 2, 2, 1, 2, 10);
    fortran('N', 'T', 2, 2, 1, 2, 1, 2, 10);
    fortran('N', 'N', 2, 2, 2, 2, 2, 1, 13);
    fortran('N', 'N', 0, 0, 0, 1, 1, 0, 13);

    rows(7, N, N, 2, 2, 2, 2, 2, 2, 1, "Illegal layout setting, 7\n");
    rows(C, 7, N, 2, 2, 2, 2, 2, 2, 2, "Illegal TransA setting, 7\n");
    rows(R, N, 8, 2, 2, 2, 2, 2, 2, 3, "Illegal TransB setting, 8\n");
    /* The places are those of the call, with a RowMajorStrg in this program or without. */
    for (int layout = R; layout <= C; layout++) {
        rows(layout, N, N, -1, 2, 2, 2, 2, 2, 4, "");
        rows(layout, N, N, 2, -1, 2, 2, 2, 2, 5, "");
        rows(layout, N, N, 2, 2, -1, 2, 2, 2, 6, "");
        rows(layout, N, N, 2, 2, 2, 1, 2, 2, 9, "");
        rows(layout, N, N, 2, 2, 2, 2, 1, 2, 11, "");
        rows(layout, N, N, 2, 2, 2, 2, 2, 1, 14, "");
    }
    rows(R, T, N, 2, 1, 1, 1, 1, 1, 9, "");
    rows(R, N, T, 1, 2, 3, 3, 2, 2, 11, "");

#ifdef TURNS
    failures += RowMajorStrg != 0;
#endif
    printf(failures ? "%d failed\n" : "all as expected\n", failures);
    return failures != 0;
}
