// Clipping of gradients, and moving averages of parameters.
#include <cmath>
#include <vector>

#include <pushforward/nn/linear.hpp>
#include <pushforward/training/clip.hpp>
#include <pushforward/training/ema.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;

TEST_CASE("clipping by norm keeps the direction, and leaves short gradients as they are") {
  const pf::Gradients<> gradients({pf::Tensor<>{3.0f, 0.0f}, pf::Tensor<>({1, 1}, {-4.0f})});
  CHECK(pf::global_norm(gradients) == Approx(5.0));
  const auto clipped = pf::clip_by_norm(gradients, 1.0);
  CHECK(clipped.global_norm == Approx(5.0));
  CHECK(clipped.gradients[0].to_vector() == std::vector<float>{0.6f, 0.0f});
  CHECK(clipped.gradients[1].item() == -0.8f);
  CHECK(pf::clip_by_norm(gradients, 5.1).gradients[1].data() == gradients[1].data());
  CHECK_THROWS_AS(pf::clip_by_norm(gradients, 0), pf::ValueError);
  const pf::Gradients<> bad({pf::Tensor<>{1.0f, std::nanf("")}});
  CHECK(std::isnan(pf::clip_by_norm(bad, 1.0).gradients[0](1)));
}

TEST_CASE("the global norm does not depend on threads and is accurate for many numbers") {
  const auto g = pf::Tensor<>::generate({300'001}, [](pf::Index i) { return std::sin(static_cast<float>(i)); });
  double expected = 0;
  for (float x : g) expected += static_cast<double>(x) * static_cast<double>(x);
  const int threads = pf::num_threads();
  pf::set_num_threads(1);
  const double one = pf::global_norm(pf::Gradients<>({g}));
  pf::set_num_threads(3);
  CHECK(pf::global_norm(pf::Gradients<>({g})) == one);
  pf::set_num_threads(threads);
  CHECK(one == Approx(std::sqrt(expected)).epsilon(1e-12));
}

TEST_CASE("clipping by value bounds each number") {
  const pf::Gradients<> gradients({pf::Tensor<>{-3.0f, -0.5f, 0.0f, 0.5f, 3.0f, std::nanf("")}});
  const auto clipped = pf::clip_by_value(gradients, 1.0);
  const auto values = clipped[0].to_vector();
  CHECK(std::vector<float>(values.begin(), values.begin() + 5) == std::vector<float>{-1.0f, -0.5f, 0.0f, 0.5f, 1.0f});
  CHECK(std::isnan(values[5]));
}

TEST_CASE("the moving average follows its recursion, from the start or debiased") {
  pf::Rng rng(0);
  pf::Linear<double> model(1, 1, rng);
  model.weight = pf::Tensor<double>({1, 1}, {1.0});
  pf::Ema plain(model, {.decay = 0.9}), debiased(model, {.decay = 0.9, .debias = true});
  double average = 1.0, from_zero = 0.0;
  for (int step = 1; step <= 20; ++step) {
    const double value = std::cos(static_cast<double>(step));
    model.weight = pf::Tensor<double>({1, 1}, {value});
    plain.update(model);
    debiased.update(model);
    average = 0.9 * average + 0.1 * value;
    from_zero = 0.9 * from_zero + 0.1 * value;
    CHECK(plain.model().weight.item() == Approx(average).epsilon(1e-12));
    CHECK(debiased.model().weight.item() == Approx(from_zero / (1 - std::pow(0.9, step))).epsilon(1e-12));
  }
  CHECK(model.weight.item() == std::cos(20.0));
  CHECK_THROWS_AS(pf::Ema(model, {.decay = 1.0}), pf::ValueError);
}

TEST_CASE("a copy of the averaged model does not change with later updates") {
  pf::Rng rng(0);
  pf::Linear<> model(2, 2, rng);
  pf::Ema ema(model, {.decay = 0.5});
  const pf::Linear<> snapshot = ema.model();
  const auto before = snapshot.bias.to_vector();
  model.bias = pf::Tensor<>{10.0f, 10.0f};
  ema.update(model);
  CHECK(snapshot.bias.to_vector() == before);
  CHECK(ema.model().bias(0) == Approx(0.5f * before[0] + 5.0f));
}
