#pragma once
#include <cblas.h>

char *openblas_get_corename(void);
char *openblas_get_config(void);

// LAPACK, as OpenBLAS exports it: the symmetric eigenproblem behind PCA.
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info);
