#include <pushforward/distributions.hpp>
#include <pushforward/testing/check_rsample.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Rng;
using pf::Shape;
using pf::Tensor;
using pf::testing::check_rsample;

namespace {

using T = Tensor<double>;

// An exponential distribution whose draws pretend that the rate does not matter in half of them.
struct HalfBlind {
  T rate;
  T log_prob(const T& x) const { return pf::Exponential<double>(rate).log_prob(x); }
  T rsample(Index n, Rng& rng) const {
    const T all = pf::Exponential<double>(rate).rsample(n, rng);
    const T mask = pf::bernoulli<double>(T::full(all.shape(), 0.5), rng);
    return pf::where(mask, all, pf::stop_gradient(all));
  }
};

// A normal distribution that draws with the wrong spread, differentiably.
struct TooWide {
  T mean, std;
  T log_prob(const T& x) const { return pf::Normal<double>(mean, std).log_prob(x); }
  T rsample(Index n, Rng& rng) const { return pf::Normal<double>(mean, std * 1.5).rsample(n, rng); }
};

}  // namespace

TEST_CASE("gradients through samples of one number agree with the score function") {
  Rng rng(1);
  const T at{0.5, -1, 2}, size{0.3, 1, 2.5};
  CHECK_NOTHROW(check_rsample([](auto m, auto s) { return pf::Normal<double>(m, s); }, {at, size}, rng));
  CHECK_NOTHROW(check_rsample([](auto m, auto s) { return pf::Laplace<double>(m, s); }, {at, size}, rng));
  CHECK_NOTHROW(check_rsample([](auto m, auto s) { return pf::Logistic<double>(m, s); }, {at, size}, rng));
  CHECK_NOTHROW(check_rsample([](auto m, auto s) { return pf::Cauchy<double>(m, s); }, {at, size}, rng));
  CHECK_NOTHROW(check_rsample([](auto m, auto s) { return pf::Gumbel<double>(m, s); }, {at, size}, rng));
  CHECK_NOTHROW(check_rsample([](auto m, auto s) { return pf::LogNormal<double>(m, s); }, {at, size}, rng));
  CHECK_NOTHROW(check_rsample([](auto r) { return pf::Exponential<double>(r); }, {size}, rng));
  CHECK_NOTHROW(check_rsample(
      [](auto m, auto s) {
        return pf::TruncatedNormal<double>(m, s, T{-1, -2, 0}, T{1, 5, 9});
      },
      {at, size}, rng));
}

TEST_CASE("implicit gradients agree with the score function") {
  Rng rng(2);
  const T a{0.3, 1, 7}, b{2, 0.6, 3};
  CHECK_NOTHROW(check_rsample([](auto x, auto y) { return pf::Gamma<double>(x, y); }, {a, b}, rng));
  CHECK_NOTHROW(check_rsample([](auto x, auto y) { return pf::InverseGamma<double>(x, y); }, {a, b}, rng));
  CHECK_NOTHROW(check_rsample([](auto x, auto y) { return pf::Beta<double>(x, y); }, {a, b}, rng));
  CHECK_NOTHROW(check_rsample([](auto x) { return pf::Dirichlet<double>(x); }, {a}, rng));
  CHECK_NOTHROW(check_rsample([](auto f, auto m, auto s) { return pf::StudentT<double>(f, m, s); },
                              {T{1, 3, 20}, T{0.5, -1, 2}, T{0.3, 1, 2.5}}, rng));
  // Angles jump at pi: the test functions have to be periodic.
  CHECK_NOTHROW(check_rsample([](auto m, auto k) { return pf::VonMises<double>(m, k); }, {T{0.5, -1, 3}, T{0.3, 1, 20}},
                              {.frequency = 1}, rng));
}

TEST_CASE("gradients through samples of vectors agree with the score function") {
  Rng rng(3);
  const T mean{1, -2}, root({2, 2}, {1.5, 0, 0.7, 0.4}), directions({2, 1}, {0.8, -1.1}), noise{0.3, 0.6};
  CHECK_NOTHROW(check_rsample(
      [](auto m, auto r) {
        return pf::MultivariateNormal<double>(m, pf::matmul(r, r, {.transpose_b = true}) + T::eye(2) * 0.1);
      },
      {mean, root}, rng));
  CHECK_NOTHROW(check_rsample([](auto m, auto w, auto s) { return pf::LowRankNormal<double>(m, w, s); },
                              {mean, directions, noise}, rng));
}

TEST_CASE("gradients through relaxed choices agree with the score function") {
  Rng rng(6);
  CHECK_NOTHROW(check_rsample([](auto l) { return pf::RelaxedBernoulli<double>(0.7, l); }, {T{-1, 0, 2}}, rng));
  CHECK_NOTHROW(check_rsample([](auto l) { return pf::GumbelSoftmax<double>(0.7, l); }, {T{-1, 0, 2}}, rng));
}

TEST_CASE("batches of distributions and plain numbers are checked element by element") {
  Rng rng(4);
  const T a({2, 3}, {0.3, 1, 7, 2, 2, 0.5});
  CHECK_NOTHROW(check_rsample([](auto x) { return pf::Dirichlet<double>(x); }, {a}, rng));
  CHECK_NOTHROW(check_rsample([](auto m) { return pf::Normal<double>(m, T::scalar(2)); }, {T::scalar(1)}, rng));
  CHECK_NOTHROW(check_rsample([](auto m, auto s) { return pf::Normal<float>(m, s); },
                              {Tensor<float>{1, 2}, Tensor<float>{2, 0.5F}}, rng));
}

TEST_CASE("wrong gradients through samples are found") {
  Rng rng(5);
  const T rate{0.7, 2};
  CHECK_THROWS_WITH(check_rsample([](auto r) { return HalfBlind{r}; }, {rate}, rng),
                    ContainsSubstring("check_rsample: parameter 0") && ContainsSubstring("by the score function"));
  CHECK_THROWS_AS(check_rsample(
                      [](auto m, auto s) {
                        return TooWide{m, s};
                      },
                      {T{1}, T{1}}, rng),
                  pf::testing::CheckFailed);
  const auto lost = [](auto r) { return HalfBlind{pf::stop_gradient(r)}; };
  CHECK_THROWS_WITH(check_rsample(lost, {rate}, rng), ContainsSubstring("do not depend on any parameter"));
}
