#include <pushforward/bijectors/affine.hpp>
#include <pushforward/distributions/normal.hpp>
#include <pushforward/distributions/transformed.hpp>
#include <pushforward/testing/check_distribution.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Tensor;

namespace {

// y = e^x: what turns a normal into a log-normal.
struct Exponential {
  template <class S>
  pf::WithLogDet<S> forward(const Tensor<S>& x) const {
    return {pf::exp(x), pf::sum(x, -1)};
  }
  template <class S>
  pf::WithLogDet<S> inverse(const Tensor<S>& y) const {
    const Tensor<S> x = pf::log(pf::maximum(y, 1e-30));  // nothing lies below 0
    return {x, -pf::sum(x, -1)};
  }
};

}  // namespace

TEST_CASE("a normal under an affine map is the normal with shifted mean and scaled deviation") {
  pf::Rng rng(1);
  const Tensor<double> shift{1.0, -2.0}, scale{0.5, -3.0};
  const pf::Transformed moved(pf::standard_normal<double>(2), pf::Affine(shift, scale));
  const pf::Normal<double> expected(shift, pf::abs(scale));
  const Tensor<double> x = pf::normal<double>({10, 2}, rng) * 3;
  CHECK(pf::max(pf::abs(moved.log_prob(x) - expected.log_prob(x))).item() < 1e-12);
}

TEST_CASE("draws of a log-normal follow the transformed density") {
  pf::Rng rng(2);
  const pf::Transformed log_normal(pf::Normal<double>(Tensor<double>{0.3}, Tensor<double>{0.5}), Exponential{});
  CHECK_NOTHROW(pf::testing::check_distribution(log_normal, rng));
  const auto draws = log_normal.sample_and_log_prob(20, rng);
  CHECK(pf::max(pf::abs(draws.log_prob - log_normal.log_prob(draws.value))).item() < 1e-12);
}
