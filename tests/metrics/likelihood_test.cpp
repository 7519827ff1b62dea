#include <algorithm>
#include <cmath>

#include <pushforward/metrics/likelihood.hpp>
#include <pushforward/models/autoregressive/gpt.hpp>
#include <pushforward/models/concepts.hpp>
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

TEST_CASE("tokens are scored as numbers are, and labels go with their rows") {
  pf::Rng rng(2);
  const pf::GptOptions options{.vocabulary = 3, .context = 4, .features = 4, .layers = 1, .heads = 2};
  pf::GptOptions of_classes = options;
  of_classes.classes = 2;
  const pf::Gpt<double> plain(options, rng), labelled(of_classes, rng);
  const auto tokens = pf::Tensor<Index>::generate({7, 4}, [](Index i) { return (i * i + i / 3) % 3; });
  const pf::Tensor<Index> labels{0, 1, 1, 0, 1, 0, 0};
  // By the definition, from logits.
  const auto nats = [&](const pf::Tensor<double>& logits) {
    double total = 0;
    for (Index row = 0; row < 7; ++row)
      for (Index place = 0; place < 4; ++place) {
        double sum = 0;
        for (Index k = 0; k < 3; ++k) sum += std::exp(logits(row, place, k));
        total -= logits(row, place, tokens(row, place)) - std::log(sum);
      }
    return total / 7;
  };
  const double expected = nats(plain.logits(tokens)), given = nats(labelled.logits(tokens, labels));
  for (const Index size : {1, 3, 7, 100}) {
    CHECK(pf::negative_log_likelihood(plain, tokens, {.batch_size = size}) == Catch::Approx(expected));
    CHECK(pf::negative_log_likelihood(labelled, tokens, labels, {.batch_size = size}) == Catch::Approx(given));
  }
  const auto function = [&](const pf::Tensor<Index>& x, const pf::Tensor<Index>& y) { return labelled.log_prob(x, y); };
  CHECK(pf::negative_log_likelihood(function, tokens, labels) == Catch::Approx(given));
  CHECK_THROWS_AS(pf::negative_log_likelihood(labelled, tokens, pf::slice(labels, 0, 0, 6)), pf::ShapeError);

  const pf::LogLikelihood<double> scores = pf::log_likelihood(plain, tokens, rng);
  CHECK(scores.kind == pf::LikelihoodKind::exact);
  CHECK(-scores.value.mean() == Catch::Approx(expected));
  CHECK(-pf::log_likelihood(labelled, tokens, labels, rng).value.mean() == Catch::Approx(given));
}

TEST_CASE("likelihoods of conditions are asked of bounds and estimates, too") {
  struct Bound {
    pf::LogLikelihood<> log_likelihood(const pf::Tensor<>& x, const pf::Tensor<>& y, pf::Rng& rng) const {
      return {pf::sum(x * y, -1) + rng.uniform(), pf::LikelihoodKind::lower_bound};
    }
  };
  pf::Rng rng(3), same(3);
  const pf::Tensor<> x({2, 2}, {1, 2, 3, 4}), y({2, 2}, {1, 0, 0, 1});
  const pf::LogLikelihood<> scores = pf::log_likelihood(Bound{}, x, y, rng);
  const double added = same.uniform();
  CHECK(scores.kind == pf::LikelihoodKind::lower_bound);
  CHECK(scores.value(0) == Catch::Approx(1 + added));
  CHECK(scores.value(1) == Catch::Approx(4 + added));
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
