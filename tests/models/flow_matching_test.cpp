#include <pushforward/data/toy_gaussians.hpp>
#include <pushforward/dynamics/gaussian_mixture.hpp>
#include <pushforward/dynamics/samplers.hpp>
#include <pushforward/models/concepts.hpp>
#include <pushforward/models/flow_matching.hpp>
#include <pushforward/training/fit.hpp>

#include "support/reference.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// The velocity that training aims at, where the data is a mixture of normals; a network without parameters.
struct ExactVelocity {
  using Scalar = float;
  pf::GaussianMixtureDenoiser<> exact;

  explicit ExactVelocity(const pf::data::EightGaussians& data)
      : exact({Tensor<>::zeros({8}), pf::Normal<>(data.centers(), Tensor<>::full({8, 2}, 0.3f))}, pf::linear_path()) {}
  Tensor<> operator()(const Tensor<>& x, double t) const { return exact.velocity(x, t); }
  Tensor<> operator()(const Tensor<>& x, const Tensor<>& t) const {
    std::vector<Tensor<>> rows;
    for (Index i = 0; i < x.size(0); ++i)
      rows.push_back(exact.velocity(pf::slice(x, 0, i, i + 1), static_cast<double>(t.data()[i])));
    return pf::concat(rows, 0);
  }
  static void members(auto&, auto&&) {}
};

// A linear map of small images, times the time; it takes one time per row only.
struct Pixelwise {
  pf::Linear<> layer;
  Tensor<> operator()(const Tensor<>& x, const Tensor<>& t) const {
    const Index n = x.size(0);
    return pf::reshape(layer(pf::reshape(x, pf::Shape{n, 12})) * pf::unsqueeze(t, 1), x.shape());
  }
  static void members(auto& self, auto&& visit) { visit("layer", self.layer); }
};

double squared_length(const Tensor<>& x) { return pf::sum(pf::square(x)).item(); }

// The share of points within four standard deviations of each of eight centers.
std::vector<double> shares_of(const Tensor<>& x, const Tensor<>& centers) {
  std::vector<double> shares(static_cast<std::size_t>(centers.size(0)), 0.0);
  for (Index i = 0; i < x.size(0); ++i)
    for (Index k = 0; k < centers.size(0); ++k)
      if (std::hypot(x(i, 0) - centers(k, 0), x(i, 1) - centers(k, 1)) < 1.2)
        shares[static_cast<std::size_t>(k)] += 1.0 / static_cast<double>(x.size(0));
  return shares;
}

}  // namespace

static_assert(pf::GenerativeModel<pf::FlowMatching<pf::TimeMlp<>>>);
static_assert(pf::ApproximateDensity<pf::FlowMatching<pf::TimeMlp<>>>);
static_assert(!pf::Density<pf::FlowMatching<pf::TimeMlp<>>>);
static_assert(pf::Denoiser<pf::FlowMatching<pf::TimeMlp<>>>);

TEST_CASE("with the exact velocity, flow matching draws the data and knows its density") {
  pf::Rng rng(1);
  const pf::data::EightGaussians data;
  const pf::FlowMatching model(ExactVelocity(data), 2);
  const Tensor<> drawn = model.sample(4000, rng);
  for (const double share : shares_of(drawn, data.centers())) CHECK(share == Approx(0.125).margin(0.025));  // 4.8 sigma
  const Tensor<> x = data.sample(300, rng);
  const pf::LogLikelihood<> found = pf::log_likelihood(model, x, rng);
  CHECK(found.kind == pf::LikelihoodKind::estimate);
  CHECK_FALSE(found.value.tracked());
  CHECK(pf::max(pf::abs(found.value - data.log_prob(x))).item() < 5e-3);
  const Tensor<> guess =
      model.log_likelihood(x, rng, {.divergence = pf::Divergence::hutchinson, .probe = pf::Probe::normal}).value;
  CHECK(guess.mean() == Approx(found.value.mean()).margin(0.3));
}

TEST_CASE("no function has a smaller loss than the exact velocity") {
  const pf::data::EightGaussians data;
  const pf::FlowMatching model(ExactVelocity(data), 2);
  struct Shifted : ExactVelocity {
    using ExactVelocity::ExactVelocity;
    Tensor<> operator()(const Tensor<>& x, const Tensor<>& t) const { return ExactVelocity::operator()(x, t) + 0.5f; }
  };
  const pf::FlowMatching shifted(Shifted(data), 2);
  pf::Rng rng(2), same(2);
  const Tensor<> x = data.sample(4000, rng);
  data.sample(4000, same);
  // The expected difference is 0.5^2; the same noise on both sides leaves 2 * 0.5 * error, whose mean has a standard
  // deviation of sqrt(loss / 8000).
  const double loss = pf::flow_matching()(model, x, rng).item();
  const double difference = pf::flow_matching()(shifted, x, same).item() - loss;
  CHECK(difference == Approx(0.25).margin(4 * std::sqrt(loss / 8000)));
}

TEST_CASE("every sampler of diffusion models draws from a flow-matching model") {
  pf::Rng rng(3);
  const pf::data::EightGaussians data;
  const pf::FlowMatching model(ExactVelocity(data), 2);
  const auto times = pf::times(model.path(), 60);
  const Tensor<> noise = pf::initial_noise(model.path(), {2000, 2}, rng);
  for (const Tensor<>& drawn :
       {pf::euler(model, noise, times), pf::heun(model, noise, times), pf::ddim(model, noise, times, {.eta = 0}, rng),
        pf::ancestral(model, noise, times, rng)})
    for (const double share : shares_of(drawn, data.centers())) CHECK(share == Approx(0.125).margin(0.035));
}

TEST_CASE("Euler's method in equal steps is the sampler's, and noise comes back from what was drawn") {
  pf::Rng rng(4);
  const auto model = pf::flow_matching_model({.features = 3, .hidden = {16, 16}}, rng);
  const Tensor<> noise = pf::normal({5, 3}, rng);
  const Tensor<> drawn = model.to_data(noise, pf::Euler{.steps = 20});
  support::expect_equal(pf::stop_gradient(drawn), pf::euler(model, noise, pf::times(model.path(), 20)), 1e-5);
  support::expect_equal(pf::stop_gradient(model.to_noise(model.to_data(noise))), noise, 1e-3);
  // x = t data + (1 - t) noise, and the velocity is data - noise.
  const double t = 0.3;
  const auto [x1, x0] = model.parts(noise, t);
  support::expect_equal(pf::stop_gradient(x1 * t + x0 * (1 - t)), noise, 1e-5);
  support::expect_equal(pf::stop_gradient(x1 - x0), pf::stop_gradient(model.velocity(noise, t)), 1e-5);
  support::expect_equal(pf::stop_gradient(model.denoised(noise, t)), pf::stop_gradient(x1), 1e-5);
}

TEST_CASE("optimal transport pairs each example with noise at the least total squared distance") {
  pf::Rng rng(5);
  for (const pf::Shape& shape : {pf::Shape{40, 2}, pf::Shape{30, 1}, pf::Shape{16, 2, 3}}) {
    const Tensor<> noise = pf::normal(shape, rng), data = pf::normal(shape, rng) * 2 + 1;
    const Tensor<> paired = pf::optimal_transport_pairs(noise, data);
    REQUIRE(paired.shape() == shape);
    const double cost = squared_length(data - paired);
    CHECK(cost < squared_length(data - noise));
    CHECK(squared_length(paired) == Approx(squared_length(noise)));  // the same rows in another order
    // No two rows would rather change places, and no three.
    auto row = [&](const Tensor<>& x, Index i) { return pf::slice(x, 0, i, i + 1); };
    auto gap = [&](Index i, Index j) { return squared_length(row(data, i) - row(paired, j)); };
    for (Index i = 0; i < 10; ++i)
      for (Index j = 0; j < 10; ++j)
        for (Index k = 0; k < 10; ++k) {
          if (i == j || j == k || i == k) continue;
          REQUIRE(gap(i, i) + gap(j, j) + gap(k, k) <= gap(i, j) + gap(j, k) + gap(k, i) + 1e-4);
        }
  }
  CHECK_THROWS_AS(pf::optimal_transport_pairs(Tensor<>::ones({3, 2}), Tensor<>::ones({3, 1})), pf::ShapeError);
}

TEST_CASE("optimal transport makes the objective smaller and leaves its noise normal") {
  pf::Rng rng(6);
  const auto model = pf::flow_matching_model({.features = 2, .hidden = {8}}, rng);
  const Tensor<> x = pf::data::EightGaussians().sample(256, rng);
  pf::Rng a(7), b(7);
  const double independent = pf::flow_matching()(model, x, a).item();
  const double transported = pf::flow_matching({.coupling = pf::Coupling::optimal_transport})(model, x, b).item();
  CHECK(transported < 0.8 * independent);
}

TEST_CASE("flow matching learns two bumps and scores them") {
  for (const pf::Coupling coupling : {pf::Coupling::independent, pf::Coupling::optimal_transport}) {
    pf::Rng rng(8);
    // x is -2 or 2 with noise 0.5, y is normal: entropy 1.419 + 1.419 + log 0.5 + log 2 - 0.0003.
    const Tensor<> signs = pf::draw_probe(pf::Probe::rademacher, {20'000, 1}, rng);
    const Tensor<> data = pf::concat({signs * 2 + pf::normal({20'000, 1}, rng) * 0.5, pf::normal({20'000, 1}, rng)}, 1);
    auto model = pf::flow_matching_model({.features = 2, .hidden = {32, 32}}, rng);
    pf::fit(model, data, pf::flow_matching({.coupling = coupling}),
            {.epochs = 10,
             .batch_size = 100,
             .optimizer = pf::Adam({.learning_rate = 5e-3}),
             .schedule = pf::cosine_decay(),
             .ema_decay = 0.99,
             .progress = pf::Progress::off},
            rng);
    const double nats = -model.log_likelihood(pf::slice(data, 0, 0, 1000), rng).value.mean();
    INFO("coupling " << static_cast<int>(coupling));
    CHECK(nats == Approx(2.838).margin(0.12));
    const Tensor<> drawn = model.sample(2000, rng, {.solver = pf::DormandPrince{}});
    CHECK(pf::abs(pf::slice(drawn, 1, 0, 1)).mean() == Approx(2).margin(0.1));
    CHECK(pf::slice(drawn, 1, 0, 1).mean() == Approx(0).margin(0.35));
  }
}

TEST_CASE("draws depend on the seed only: not on the batch they were made in, and not on the threads") {
  pf::Rng rng(9);
  const auto model = pf::flow_matching_model({.features = 2, .hidden = {64, 64}}, rng);
  auto draw = [&](int threads) {
    const int before = pf::num_threads();
    pf::set_num_threads(threads);
    pf::Rng own(10);
    const Tensor<> x = model.sample(1100, own);
    pf::set_num_threads(before);
    return x;
  };
  CHECK(draw(1).to_vector() == draw(3).to_vector());
  pf::Rng a(10);
  CHECK(model.sample(0, a).shape() == pf::Shape{0, 2});
  CHECK(model.log_likelihood(Tensor<>::zeros({0, 2}), a).value.shape() == pf::Shape{0});
}

TEST_CASE("events may be images, and networks may take a time per row only") {
  pf::Rng rng(11);
  const pf::FlowMatching model(Pixelwise{pf::Linear<>(12, 12, rng)}, pf::Shape{3, 2, 2});
  const Tensor<> x = model.sample(4, rng);
  CHECK(x.shape() == pf::Shape{4, 3, 2, 2});
  const Tensor<> loss = pf::flow_matching({.coupling = pf::Coupling::optimal_transport})(model, x, rng);
  CHECK(pf::gradient(loss, model).size() == 2);
  // dx/dt = t (W x + b), so the log-determinant is tr W / 2.
  double trace = 0;
  for (Index i = 0; i < 12; ++i) trace += model.net().layer.weight(i, i);
  const Tensor<> noise = pf::stop_gradient(model.to_noise(x));
  const Tensor<> expected =
      pf::standard_normal(12).log_prob(pf::reshape(noise, pf::Shape{4, 12})) - static_cast<float>(trace / 2);
  support::expect_equal(model.log_likelihood(x, rng).value, expected, 1e-4);
}

TEST_CASE("flow matching says what is wrong") {
  pf::Rng rng(12);
  const auto model = pf::flow_matching_model({.features = 2, .hidden = {8}}, rng);
  const Tensor<> wide = Tensor<>::ones({4, 3}), good = Tensor<>::ones({4, 2});
  CHECK_THROWS_AS(model.log_likelihood(wide, rng), pf::ShapeError);
  CHECK_THROWS_AS(model.log_likelihood(Tensor<>::ones({2}), rng), pf::ShapeError);
  CHECK_THROWS_AS(model.to_data(wide), pf::ShapeError);
  CHECK_THROWS_AS(pf::flow_matching()(model, wide, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::flow_matching()(model, Tensor<>::ones({0, 2}), rng), pf::ShapeError);
  CHECK_THROWS_AS(model.sample(-1, rng), pf::ValueError);
  CHECK_THROWS_AS(model.sample(4, rng, {.solver = pf::Euler{.steps = 0}}), pf::ValueError);
  CHECK_THROWS_AS(model.sample(4, rng, {.batch = 0}), pf::ValueError);
  CHECK_THROWS_AS(model.log_likelihood(good, rng, {.batch = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::flow_matching_model({}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::FlowMatching(pf::TimeMlp(2, {8}, rng), 0), pf::ValueError);
}
