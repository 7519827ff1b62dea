#include <algorithm>
#include <cmath>

#include <pushforward/metrics/likelihood.hpp>
#include <pushforward/ops/reductions.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;

namespace {

struct StandardNormal {
  mutable Index calls = 0, largest = 0;
  pf::Tensor<> log_prob(const pf::Tensor<>& x) const {
    ++calls;
    largest = std::max(largest, x.size(0));
    return pf::sum(-0.5 * pf::square(x), -1) - 0.9189385332046727 * static_cast<double>(x.size(-1));
  }
};

}  // namespace

TEST_CASE("the negative log-likelihood is the mean over examples, whatever the batches") {
  const auto x = pf::Tensor<>::generate({103, 2}, [](Index i) { return std::sin(static_cast<float>(i)); });
  double expected = std::log(2 * 3.14159265358979);
  for (const float value : x) expected += 0.5 * static_cast<double>(value) * static_cast<double>(value) / 103;
  const StandardNormal model;
  CHECK(pf::negative_log_likelihood(model, x) == Catch::Approx(expected).epsilon(1e-6));
  CHECK(model.calls == 1);
  CHECK(pf::negative_log_likelihood(model, x, {.batch_size = 10}) == Catch::Approx(expected).epsilon(1e-6));
  CHECK(model.calls == 12);
  CHECK(pf::negative_log_likelihood([&](const pf::Tensor<>& batch) { return model.log_prob(batch); }, x) ==
        Catch::Approx(expected).epsilon(1e-6));
}

TEST_CASE("a likelihood records no graph") {
  const pf::Tensor<> weight = pf::variable(pf::Tensor<>::scalar(2));
  bool tracked = true;
  pf::negative_log_likelihood(
      [&](const pf::Tensor<>& x) {
        const pf::Tensor<> score = pf::sum(weight * x, -1);
        tracked = score.tracked();
        return score;
      },
      pf::Tensor<>::ones({3, 2}));
  CHECK_FALSE(tracked);
}

TEST_CASE("likelihoods refuse what gives no number") {
  const StandardNormal model;
  CHECK_THROWS_AS(pf::negative_log_likelihood(model, pf::Tensor<>::zeros({0, 2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::negative_log_likelihood(model, pf::Tensor<>::zeros({2, 2}), {.batch_size = 0}), pf::ValueError);
  const auto total = [](const pf::Tensor<>& x) { return pf::sum(x); };
  CHECK_THROWS_AS(pf::negative_log_likelihood(total, pf::Tensor<>::zeros({2, 2})), pf::ShapeError);
}

TEST_CASE("bits per dimension of a uniform density are the bits of a level") {
  CHECK(pf::bits_per_dim(0, 784) == Catch::Approx(8));                         // density 1 on [0, 1)^784
  CHECK(pf::bits_per_dim(784 * std::log(256.0), 784, 1) == Catch::Approx(8));  // probability 1/256 for each level
  CHECK(pf::bits_per_dim(std::log(2.0) * 784 * -5, 784, 256) == Catch::Approx(3));
  CHECK_THROWS_AS(pf::bits_per_dim(1, 0), pf::ValueError);
  CHECK_THROWS_AS(pf::bits_per_dim(1, 1, 0), pf::ValueError);
}
