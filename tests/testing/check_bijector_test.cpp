#include "pushforward/testing/check_bijector.hpp"

#include "pushforward/ops/matmul.hpp"
#include "pushforward/ops/random.hpp"
#include "pushforward/ops/reductions.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;
using pf::Tensor;
using pf::testing::check_bijector;

namespace {

template <class S>
struct ValueAndLogDet {
  Tensor<S> value, log_det;
};

template <class S = float>
struct Leaky {
  double slope = 0.1, claimed = 0.1, back = 0.1;

  Tensor<S> log_det(const Tensor<S>& x) const {
    return pf::sum(pf::where(x > 0, Tensor<S>::scalar(0), std::log(claimed)), -1);
  }
  ValueAndLogDet<S> forward(const Tensor<S>& x) const { return {pf::where(x > 0, x, x * slope), log_det(x)}; }
  ValueAndLogDet<S> inverse(const Tensor<S>& y) const { return {pf::where(y > 0, y, y / back), -log_det(y)}; }
};

// y = x A^T with det A = 3, and mistakes on request.
struct Mixing {
  double log_det = std::log(3.0), inverse_log_det = -std::log(3.0);
  bool leak = false;

  ValueAndLogDet<double> forward(const Tensor<double>& x) const {
    const Tensor<double> a({2, 2}, {2, 1, 1, 2});
    const Tensor<double> y = pf::matmul(x, a, {.transpose_b = true});
    return {leak ? y + pf::mean(x) : y, Tensor<double>::full(x.shape().without(-1), log_det)};
  }
  ValueAndLogDet<double> inverse(const Tensor<double>& y) const {
    const Tensor<double> a({2, 2}, {2.0 / 3, -1.0 / 3, -1.0 / 3, 2.0 / 3});
    return {pf::matmul(leak ? y - pf::mean(y) / 4 : y, a, {.transpose_b = true}),
            Tensor<double>::full(y.shape().without(-1), inverse_log_det)};
  }
};

struct OneNumber : Mixing {
  ValueAndLogDet<double> forward(const Tensor<double>& x) const {
    return {Mixing::forward(x).value, Tensor<double>::scalar(log_det)};
  }
};

}  // namespace

TEST_CASE("right bijectors pass: floats, doubles, batches of any rank") {
  pf::Rng rng(3);
  CHECK_NOTHROW(check_bijector(Leaky<>{}, pf::normal({8, 3}, rng)));
  CHECK_NOTHROW(check_bijector(Mixing{}, pf::normal<double>({4, 2}, rng)));
  CHECK_NOTHROW(check_bijector(Mixing{}, pf::normal<double>({2, 3, 2}, rng)));
  CHECK_NOTHROW(check_bijector(Mixing{}, pf::normal<double>({0, 2}, rng)));
}

TEST_CASE("each kind of mistake in a bijector is found") {
  pf::Rng rng(4);
  const Tensor<double> x = pf::normal<double>({4, 2}, rng);
  CHECK_THROWS_WITH(check_bijector(Leaky<double>{.back = 0.2}, x), ContainsSubstring("inverse(forward(x))"));
  CHECK_THROWS_WITH(check_bijector(Leaky<double>{.claimed = 0.11}, x), ContainsSubstring("log_det of forward"));
  CHECK_THROWS_WITH(check_bijector(Mixing{.inverse_log_det = std::log(3.0)}, x),
                    ContainsSubstring("minus that of forward"));
  CHECK_THROWS_WITH(check_bijector(Mixing{.log_det = 1, .inverse_log_det = -1}, x), ContainsSubstring("log|det|"));
  CHECK_THROWS_WITH(check_bijector(Mixing{.leak = true}, x), ContainsSubstring("a row alone"));
  CHECK_THROWS_WITH(check_bijector(OneNumber{}, x), ContainsSubstring("one number per row"));
}

TEST_CASE("the determinant oracle agrees with closed forms") {
  using pf::testing::detail::log_abs_determinant;
  CHECK(log_abs_determinant({0, 2, 3, 0}, 2) == Catch::Approx(std::log(6.0)));
  CHECK(log_abs_determinant({1, 2, 2, 4}, 2) == -std::numeric_limits<double>::infinity());
  CHECK(log_abs_determinant({}, 0) == 0.0);
  CHECK(log_abs_determinant({2, 0, 1, 1, 3, 2, 1, 1, 4}, 3) == Catch::Approx(std::log(18.0)));
}
