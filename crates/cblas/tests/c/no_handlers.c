/* A program without error handlers: the library's message, and the end. */
#include <stdio.h>
#include <stdlib.h>

#include "weft_blas.h"

int main(int argc, char **argv)
{
    float one = 1, c[4] = {0};
    int size = 2, small = 1;
    (void)argv;
    if (argc > 1) {
        sgemm_("N", "N", &size, &size, &size, &one, c, &size, c, &small, &one, c, &size);
    } else {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, 99, 2, 2, 2, 1, c, 2, c, 2, 1, c, 2);
    }
    puts("still here");
    return 0;
}
