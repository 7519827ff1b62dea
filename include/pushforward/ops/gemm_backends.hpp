// Matrix products by another library, where the build asked for one: oneDNN or a BLAS, instead of our own kernels.
#pragma once

#include <limits>
#include <type_traits>

#include <pushforward/core/threads.hpp>

#if defined(PUSHFORWARD_HAS_ONEDNN)
#include <oneapi/dnnl/dnnl.h>
#elif defined(PUSHFORWARD_HAS_BLAS)
extern "C" {
// The C interface of the BLAS, whose header has another name and place everywhere.
void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float* a, int lda,
                 const float* b, int ldb, float beta, float* c, int ldc);
void cblas_dgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, double alpha, const double* a,
                 int lda, const double* b, int ldb, double beta, double* c, int ldc);
}
#endif

namespace pushforward::detail {

// c = op(a) op(b), plus c if asked to accumulate, by the other library; false if there is none for this scalar. Its
// bits may depend on the number of threads.
template <class P>
bool multiply_elsewhere([[maybe_unused]] const P& p) {
#if defined(PUSHFORWARD_HAS_ONEDNN)
  if constexpr (std::is_same_v<std::remove_pointer_t<decltype(p.c)>, float>)
    return dnnl_sgemm(p.options.transpose_a ? 'T' : 'N', p.options.transpose_b ? 'T' : 'N', p.m, p.n, p.k, 1.0f, p.a,
                      p.lda, p.b, p.ldb, p.options.accumulate ? 1.0f : 0.0f, p.c, p.ldc) == dnnl_success;
#elif defined(PUSHFORWARD_HAS_BLAS)
  constexpr Index most = std::numeric_limits<int>::max();
  if (p.m > most || p.n > most || p.k > most || p.lda > most || p.ldb > most || p.ldc > most) return false;
  constexpr int row_major = 101, plain = 111, transposed = 112;
  const int ta = p.options.transpose_a ? transposed : plain, tb = p.options.transpose_b ? transposed : plain;
  const auto i = [](Index x) { return static_cast<int>(x); };
  if constexpr (std::is_same_v<std::remove_pointer_t<decltype(p.c)>, float>)
    cblas_sgemm(row_major, ta, tb, i(p.m), i(p.n), i(p.k), 1.0f, p.a, i(p.lda), p.b, i(p.ldb),
                p.options.accumulate ? 1.0f : 0.0f, p.c, i(p.ldc));
  else
    cblas_dgemm(row_major, ta, tb, i(p.m), i(p.n), i(p.k), 1.0, p.a, i(p.lda), p.b, i(p.ldb),
                p.options.accumulate ? 1.0 : 0.0, p.c, i(p.ldc));
  return true;
#endif
  return false;
}

// The whole problem by the other library, bias and relu in a pass of their own; false if our kernels have to do it.
template <class P>
bool run_elsewhere([[maybe_unused]] const P& p) {
#if defined(PUSHFORWARD_HAS_ONEDNN) || defined(PUSHFORWARD_HAS_BLAS)
  if (p.m == 0 || p.n == 0 || p.k == 0 || !multiply_elsewhere(p)) return false;
  if (p.bias || p.relu)
    for (Index i = 0; i < p.m; ++i)
      for (Index j = 0; j < p.n; ++j) {
        auto& x = p.c[i * p.ldc + j];
        if (p.bias) x += p.bias[j];
        if (p.relu && x < 0) x = 0;
      }
  p.done(0, p.m);
  return true;
#else
  return false;
#endif
}

}  // namespace pushforward::detail
