#include <pushforward/ops/gemm.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "support/catch.hpp"

using pushforward::Index;
using pushforward::detail::Epilogue;
using pushforward::detail::gemm;
using pushforward::detail::gemm_batched;
using pushforward::detail::gemm_rows;
using pushforward::detail::GemmOptions;

namespace {

struct Case {
  Index m, n, k, pad;  // pad: leading dimensions exceed the row length by it
  GemmOptions options;
  bool bias, relu;
};

/// Numbers in [-1, 1), the same in every run.
template <class S>
std::vector<S> noise(Index count, std::uint64_t seed) {
  std::vector<S> out(static_cast<std::size_t>(count));
  std::uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (S& x : out) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    x = static_cast<S>(static_cast<double>(state >> 40) / (1 << 23) - 1.0);
  }
  return out;
}

template <class S>
struct Operands {
  Index lda, ldb, ldc;
  std::vector<S> a, b, bias, c;
  explicit Operands(const Case& t)
      : lda((t.options.transpose_a ? t.m : t.k) + t.pad),
        ldb((t.options.transpose_b ? t.k : t.n) + t.pad),
        ldc(t.n + t.pad),
        a(noise<S>((t.options.transpose_a ? t.k : t.m) * lda, 1)),
        b(noise<S>((t.options.transpose_b ? t.n : t.k) * ldb, 2)),
        bias(noise<S>(t.n, 3)),
        c(noise<S>(t.m * ldc, 4)) {}
};

template <class S>
std::vector<S> product(const Case& t, const Operands<S>& x) {
  std::vector<S> c = x.c;
  gemm(t.m, t.n, t.k, x.a.data(), x.lda, x.b.data(), x.ldb, c.data(), x.ldc, t.options,
       t.bias ? x.bias.data() : nullptr, t.relu ? Epilogue::relu : Epilogue::none);
  return c;
}

/// The largest error in units of the bound on the rounding of a sum of k terms below one.
template <class S>
double error(const Case& t, const Operands<S>& x, const std::vector<S>& got) {
  double worst = 0;
  const auto at = [](const std::vector<S>& v, Index i) { return static_cast<double>(v[static_cast<std::size_t>(i)]); };
  for (Index i = 0; i < t.m; ++i) {
    for (Index j = 0; j < x.ldc; ++j) {
      double want = at(x.c, i * x.ldc + j);
      if (j < t.n) {
        if (!t.options.accumulate) want = 0;
        for (Index p = 0; p < t.k; ++p)
          want += at(x.a, t.options.transpose_a ? p * x.lda + i : i * x.lda + p) *
                  at(x.b, t.options.transpose_b ? j * x.ldb + p : p * x.ldb + j);
        if (t.bias) want += at(x.bias, j);
        if (t.relu) want = std::max(want, 0.0);
      }
      worst = std::max(worst, std::abs(at(got, i * x.ldc + j) - want));
    }
  }
  const double k = static_cast<double>(t.k + 2);
  return worst / (k * std::sqrt(k) * static_cast<double>(std::numeric_limits<S>::epsilon()));
}

template <class S>
bool same_bits(const std::vector<S>& x, const std::vector<S>& y) {
  return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(S)) == 0);
}

/// Every combination of transposes, accumulation, bias, epilogue and padding for one shape.
template <class S, class Check>
void for_every_case(Index m, Index n, Index k, const Check& check) {
  for (int bits = 0; bits < 64; ++bits) {
    const Case t{m,
                 n,
                 k,
                 bits & 32 ? 3 : 0,
                 {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0},
                 (bits & 8) != 0,
                 (bits & 16) != 0};
    CAPTURE(m, n, k, t.pad, t.options.transpose_a, t.options.transpose_b, t.options.accumulate, t.bias, t.relu);
    check(t, Operands<S>(t));
  }
}

struct Threads {
  explicit Threads(int count) { pushforward::set_num_threads(count); }
  ~Threads() { pushforward::set_num_threads(before_); }
  int before_ = pushforward::num_threads();
};

}  // namespace

TEMPLATE_TEST_CASE("gemm agrees with sums in double precision", "[gemm]", float, double) {
  const Threads one(1);
  const auto check = [](const Case& t, const Operands<TestType>& x) { CHECK(error(t, x, product(t, x)) < 1); };
  for (const Index m : {1, 2, 3, 5, 7, 14, 15, 29})
    for (const Index n : {1, 2, 4, 5, 16, 17, 33, 64})
      for (const Index k : {1, 2, 3, 15, 16, 40}) for_every_case<TestType>(m, n, k, check);
  for (const auto& [m, n, k] : {std::array<Index, 3>{64, 2, 512},
                                {2, 64, 512},
                                {64, 1, 300},
                                {1, 384, 128},
                                {3, 70, 530},
                                {128, 128, 256},
                                {61, 83, 67},
                                {100, 520, 70},
                                {33, 130, 600},
                                {20, 260, 1024}})
    for_every_case<TestType>(m, n, k, check);
}

TEMPLATE_TEST_CASE("gemm over no terms leaves the bias, over no elements does nothing", "[gemm]", float, double) {
  const auto check = [](const Case& t, const Operands<TestType>& x) { CHECK(error(t, x, product(t, x)) == 0); };
  for_every_case<TestType>(5, 7, 0, check);
  for_every_case<TestType>(0, 7, 4, check);
  for_every_case<TestType>(5, 0, 4, check);
}

TEMPLATE_TEST_CASE("gemm gives the same bits for any number of threads", "[gemm]", float, double) {
  for (const auto& [m, n, k] : {std::array<Index, 3>{300, 200, 100},
                                {17, 1000, 300},
                                {1000, 17, 300},
                                {5000, 2, 300},
                                {2, 5000, 300},
                                {3, 3000, 120},
                                {29, 31, 5000}}) {
    for (int bits = 0; bits < 8; ++bits) {
      const Case t{m, n, k, 0, {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0}, true, false};
      const Operands<TestType> x(t);
      std::vector<std::vector<TestType>> results;
      for (const int threads : {1, 2, 3, 7}) {
        const Threads guard(threads);
        results.push_back(product(t, x));
      }
      CAPTURE(m, n, k, bits);
      CHECK(error(t, x, results[0]) < 1);
      for (const auto& result : results) CHECK(same_bits(result, results[0]));
    }
  }
}

TEMPLATE_TEST_CASE("gemm_rows hands out every row once, after its last change", "[gemm]", float, double) {
  for (const auto& [m, n, k] : {std::array<Index, 3>{1000, 70, 40},
                                {700, 130, 600},
                                {1000, 2, 600},
                                {2, 1000, 600},
                                {30, 2, 3},
                                {9, 40, 0},
                                {300, 2000, 300}}) {
    for (int bits = 0; bits < 4; ++bits) {
      const Case t{m, n, k, 1, {(bits & 1) != 0, (bits & 2) != 0}, true, false};
      const Operands<TestType> x(t);
      for (const int threads : {1, 2}) {
        const Threads guard(threads);
        std::vector<TestType> c = x.c, want = product(t, x);
        const Index ldc = x.ldc, columns = n;
        gemm_rows(t.m, t.n, t.k, x.a.data(), x.lda, x.b.data(), x.ldb, c.data(), ldc, t.options, x.bias.data(),
                  Epilogue::none, [&](Index r0, Index r1) {
                    for (Index i = r0; i < r1; ++i)
                      for (Index j = 0; j < columns; ++j) c[static_cast<std::size_t>(i * ldc + j)] *= 2;
                  });
        for (Index i = 0; i < m; ++i)
          for (Index j = 0; j < n; ++j) want[static_cast<std::size_t>(i * ldc + j)] *= 2;
        CAPTURE(m, n, k, bits, threads);
        CHECK(same_bits(c, want));
      }
    }
  }
}

TEMPLATE_TEST_CASE("gemm_batched equals gemm on each product", "[gemm]", float, double) {
  const Index batch = 5, m = 40, n = 24, k = 30;
  const auto a = noise<TestType>(batch * m * k, 1), b = noise<TestType>(batch * n * k, 2);
  std::vector<TestType> together(static_cast<std::size_t>(batch * m * n)), apart = together;
  const Threads guard(2);
  gemm_batched(batch, m, n, k, a.data(), k, m * k, b.data(), k, n * k, together.data(), n, m * n,
               {.transpose_b = true});
  for (Index i = 0; i < batch; ++i)
    gemm(m, n, k, a.data() + i * m * k, k, b.data() + i * n * k, k, apart.data() + i * m * n, n, {.transpose_b = true});
  CHECK(same_bits(together, apart));
}

TEMPLATE_TEST_CASE("relu in gemm keeps NaN", "[gemm]", float, double) {
  const TestType nan = std::numeric_limits<TestType>::quiet_NaN();
  const std::vector<TestType> a{nan, 1}, b{1};
  std::vector<TestType> c(2);
  gemm<TestType>(2, 1, 1, a.data(), 1, b.data(), 1, c.data(), 1, {}, nullptr, Epilogue::relu);
  CHECK(std::isnan(c[0]));
  CHECK(c[1] == 1);
}
