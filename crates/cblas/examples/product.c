/* A matrix product through the interface of CBLAS.
 *
 *   cargo build --release -p cblas
 *   gcc -O2 -I crates/cblas/include crates/cblas/examples/product.c -L target/release -lweft_blas -o product
 *   LD_LIBRARY_PATH=target/release ./product
 */
#include <stdio.h>

#include "weft_blas.h"

int main(void)
{
    /* Row after row: A is 2 x 3, B 3 x 2. */
    const float a[] = {1, 2, 3, 4, 5, 6};
    const float b[] = {7, 8, 9, 10, 11, 12};
    float c[4]; /* not read, since beta is 0 */

    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 2, 2, 3, 1.0f, a, 3, b, 2, 0.0f, c, 2);

    printf("%g %g\n%g %g\n", c[0], c[1], c[2], c[3]);
    return 0;
}
