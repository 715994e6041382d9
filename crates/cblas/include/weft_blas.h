/* weft_blas: single-precision matrix products, with the interface of the BLAS and of CBLAS.
 *
 * Link with -lweft_blas, before the BLAS that has the other routines. Take this header or the <cblas.h> of
 * that BLAS, not both: the functions that both declare are the same. Made by cbindgen; README.md says how.
 */

#ifndef WEFT_BLAS_H
#define WEFT_BLAS_H

/* The older name. */
#define CBLAS_ORDER CBLAS_LAYOUT

/*
 How the matrices of CBLAS lie.
 */
typedef enum CBLAS_LAYOUT {
  /*
   Row after row.
   */
  CblasRowMajor = 101,
  /*
   Column after column.
   */
  CblasColMajor = 102,
} CBLAS_LAYOUT;

/*
 What becomes of an operand of CBLAS.
 */
typedef enum CBLAS_TRANSPOSE {
  /*
   Taken as it is.
   */
  CblasNoTrans = 111,
  /*
   Transposed.
   */
  CblasTrans = 112,
  /*
   Transposed; to conjugate changes no real number.
   */
  CblasConjTrans = 113,
} CBLAS_TRANSPOSE;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 `C = alpha op(A) op(B) + beta C` for Fortran and whoever calls as it does: matrices column after column,
 every argument by address. op(A) is m x k, op(B) k x n, C m x n; `transa` and `transb` are N, T or C of
 either case. Where beta is 0, C need not hold numbers. A bad argument goes to `xerbla_` with its place, counted from 1;
 without such a handler the process says what is wrong and exits.

 # Safety
 Scalars are readable; A, B and C are aligned to 4 bytes and have all elements that the sizes and leading dimensions
 speak of; nobody else writes A or B, or touches elements of C, meanwhile; C overlaps neither A nor B.
 */
void sgemm_(const char *transa,
            const char *transb,
            const int *m,
            const int *n,
            const int *k,
            const float *alpha,
            const float *a,
            const int *lda,
            const float *b,
            const int *ldb,
            const float *beta,
            float *c,
            const int *ldc);

/*
 `C = alpha op(A) op(B) + beta C` for C: matrices row after row or column after column. op(A) is m x k, op(B)
 k x n, C m x n. Where beta is 0, C need not hold numbers. A bad argument goes to `cblas_xerbla` with its place, counted
 from 1; without such a handler the process says what is wrong and exits.

 # Safety
 A, B and C are aligned to 4 bytes and have all elements that the sizes and leading dimensions speak of; nobody else
 writes A or B, or touches elements of C, meanwhile; C overlaps neither A nor B.
 */
void cblas_sgemm(CBLAS_LAYOUT layout,
                 CBLAS_TRANSPOSE transa,
                 CBLAS_TRANSPOSE transb,
                 int m,
                 int n,
                 int k,
                 float alpha,
                 const float *a,
                 int lda,
                 const float *b,
                 int ldb,
                 float beta,
                 float *c,
                 int ldc);

/*
 Threads that a product may use.
 */
int weft_blas_get_num_threads(void);

/*
 Sets how many threads a product may use; 0 or less: as many as environment and machine say.
 */
void weft_blas_set_num_threads(int threads);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* WEFT_BLAS_H */
