#include <pushforward/distributions/mixture.hpp>
#include <pushforward/nn/dropout.hpp>
#include <pushforward/nn/frozen.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/training/adam.hpp>
#include <pushforward/training/checkpoint.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Tensor;

namespace {

struct Pair {
  pf::Frozen<pf::LearnedNormal<>> fixed{pf::LearnedNormal<>(2)};
  pf::LearnedNormal<> trained{2};
  static void members(auto& self, auto&& visit) {
    visit("fixed", self.fixed);
    visit("trained", self.trained);
  }
};

struct WithDropout {
  using Scalar = float;
  pf::Dropout dropout;
  static void members(auto& self, auto&& visit) { visit("dropout", self.dropout); }
};

}  // namespace

TEST_CASE("a frozen module is saved and copied, but not counted and not trained") {
  Pair pair;
  pf::Rng rng(1);
  CHECK(pf::count_parameters(pair) == 4);
  const Tensor<> x = pf::normal({16, 2}, rng);
  const Tensor<> loss = -pf::mean(pair.fixed->log_prob(x) + pair.trained.log_prob(x));
  const auto gradients = pf::gradient(loss, pair);
  CHECK(gradients.size() == 2);
  pf::Adam adam({.learning_rate = 0.1, .weight_decay = 0.5});
  adam.step(pair, gradients);
  CHECK(pf::max(pf::abs(pair.fixed->mean)).item() == 0);
  CHECK(pf::max(pf::abs(pair.trained.mean)).item() > 0);

  auto tensors = pf::named_tensors(pair);
  REQUIRE(tensors.size() == 4);
  CHECK(tensors[0].name == "fixed.mean");
  tensors[0].value = Tensor<>({5, 6});
  pf::assign_tensors(pair, tensors);
  CHECK(pair.fixed->mean(1) == 6);
}

TEST_CASE("gradients flow through a frozen module to its inputs") {
  const pf::Frozen<pf::LearnedNormal<>> frozen{pf::LearnedNormal<>(2)};
  const Tensor<> x = pf::variable(Tensor<>({1, 2}, {3, -1}));
  CHECK(pf::gradient(pf::sum((*frozen).log_prob(x)), x).to_vector() == std::vector<float>{-3, 1});
}

TEST_CASE("a frozen module stays in evaluation mode") {
  pf::Frozen<WithDropout> frozen{WithDropout{}};
  pf::train(frozen);
  CHECK_FALSE(frozen->dropout.mode.training);
}
