#include <pushforward/dynamics/contrastive_divergence.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// E(x) = weight x of one number, with chains.
struct Slope {
  using Scalar = float;
  pf::Parameter<> weight{Tensor<>::scalar(2.0f)};
  pf::ReplayBuffer<> buffer{8, 1};
  pf::Mode mode;

  Tensor<> energy(const Tensor<>& x) const { return pf::sum(weight * x, 1); }
  Tensor<> score(const Tensor<>& x) const { return Tensor<>::full(x.shape(), -weight.item()); }
  Tensor<> start(Index n, pf::Rng&) const { return Tensor<>::full({n, 1}, 100.0f); }
  pf::ReplayBuffer<>& chains() { return buffer; }
  bool training() const { return mode.training; }
  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("buffer", self.buffer);
    visit("mode", self.mode);
  }
};

}  // namespace

TEST_CASE("a replay buffer gives neighbours, around its end, and takes them back") {
  pf::ReplayBuffer<> buffer(5, 2);
  CHECK_FALSE(buffer.filled());
  const Tensor<> all = Tensor<>::generate({5, 2}, [](Index i) { return static_cast<float>(i / 2); });
  buffer.fill(all);
  pf::Rng rng(1);
  bool around = false;
  for (int trial = 0; trial < 30; ++trial) {
    auto taken = buffer.take(3, rng);
    for (Index i = 0; i < 3; ++i) CHECK(taken.value(i, 1) == static_cast<float>((taken.first + i) % 5));
    around |= taken.first > 2;
    const Tensor<> before = buffer.chains();
    taken.value = taken.value + 10;
    buffer.put_back(taken);
    for (Index i = 0; i < 5; ++i) {
      const bool moved = (i - taken.first + 5) % 5 < 3;
      CHECK(buffer.chains()(i, 0) == static_cast<float>(moved ? i + 10 : i));
      CHECK(before(i, 0) == static_cast<float>(i));  // what somebody holds does not change
    }
    buffer.fill(all);
  }
  CHECK(around);
  CHECK(buffer.take(5, rng).first == 0);
}

TEST_CASE("copies of a replay buffer are independent") {
  pf::ReplayBuffer<> buffer(4, 1);
  buffer.fill(Tensor<>::zeros({4, 1}));
  pf::ReplayBuffer<> copy = buffer;
  copy.put_back({1, Tensor<>::ones({2, 1})});
  CHECK(buffer.chains().sum() == 0);
  CHECK(copy.chains().to_vector() == std::vector<float>{0, 1, 1, 0});
}

TEST_CASE("a replay buffer refuses what does not fit") {
  pf::Rng rng(2);
  pf::ReplayBuffer<> buffer(4, 2);
  CHECK_THROWS_AS(buffer.take(2, rng), pf::ValueError);
  CHECK_THROWS_AS(buffer.fill(Tensor<>::zeros({4, 1})), pf::ShapeError);
  buffer.fill(Tensor<>::zeros({4, 2}));
  CHECK_THROWS_AS(buffer.take(5, rng), pf::ValueError);
  CHECK_THROWS_AS(buffer.put_back({0, Tensor<>::zeros({2, 3})}), pf::ShapeError);
  CHECK_THROWS_AS(pf::ReplayBuffer<>(4, 0), pf::ValueError);
}

TEST_CASE("contrastive divergence has the value of its formula") {
  Slope model;
  pf::Rng rng(3);
  const Tensor<> data({2, 1}, {1.0f, 3.0f});
  // Energies 2 and 6; without noise the chains go from 1 and 3 to 0 and 2, energies 0 and 4.
  const pf::LangevinOptions still{.steps = 1, .step_size = 0.5, .noise = 0.0};
  const auto loss = pf::contrastive_divergence({.langevin = still, .magnitude = 0.1})(model, data, rng);
  CHECK(loss.item() == Approx(4.0 - 2.0 + 0.1 * (20.0 + 8.0)));
  CHECK(pf::gradient(loss, model)[0].item() == Approx(2.0 - 1.0 + 0.1 * 2 * (10.0 + 4.0)));
}

TEST_CASE("persistent chains go on from where they were, and stand still in evaluation") {
  Slope model;
  pf::Rng rng(4);
  const Tensor<> data = Tensor<>::zeros({20, 1});  // more rows than chains
  const auto objective = pf::persistent_contrastive_divergence(
      {.langevin = {.steps = 2, .step_size = 0.5, .noise = 0.0}, .magnitude = 0, .reinitialize = 0});
  CHECK(objective(model, data, rng).item() == Approx(-2 * 98.0));
  CHECK(objective(model, data, rng).item() == Approx(-2 * 96.0));
  CHECK(model.buffer.chains().min() == 96);
  pf::evaluate(model);
  CHECK(objective(model, data, rng).item() == Approx(-2 * 96.0));
  CHECK(model.buffer.chains().min() == 96);
  pf::train(model);
  const auto anew =
      pf::persistent_contrastive_divergence({.langevin = {.steps = 0}, .magnitude = 0, .reinitialize = 1.0});
  CHECK(anew(model, data, rng).item() == Approx(-2 * 100.0));
}

TEST_CASE("contrastive divergence refuses options out of range") {
  Slope model;
  pf::Rng rng(5);
  const Tensor<> data = Tensor<>::zeros({4, 1});
  CHECK_THROWS_AS(pf::persistent_contrastive_divergence({.magnitude = -1})(model, data, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::persistent_contrastive_divergence({.reinitialize = 1.5})(model, data, rng), pf::ValueError);
  model.buffer = pf::ReplayBuffer<>(0, 1);
  CHECK_THROWS_AS(pf::persistent_contrastive_divergence()(model, data, rng), pf::ValueError);
}
