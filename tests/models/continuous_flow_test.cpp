#include <pushforward/distributions/mixture.hpp>
#include <pushforward/models/continuous_flow.hpp>
#include <pushforward/models/flow.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// dx/dt = A x, a user's field with a parameter.
struct LinearField {
  using Scalar = double;
  pf::Parameter<double> a;
  Tensor<double> operator()(const Tensor<double>& x, double) const { return pf::matmul(x, a, {.transpose_b = true}); }
  static void members(auto& self, auto&& visit) { visit("a", self.a); }
};

// e^A by its series.
Tensor<double> matrix_exponential(const Tensor<double>& a) {
  Tensor<double> sum = Tensor<double>::eye(a.size(0)), term = sum;
  for (int k = 1; k < 40; ++k) {
    term = pf::matmul(term, a) / k;
    sum = sum + term;
  }
  return sum;
}

template <class S>
pf::ContinuousFlow<pf::TimeMlp<S>> bent_flow(Index features, pf::Rng& rng, const pf::OdeSolver& solver,
                                             const std::vector<Index>& hidden = {16, 16}) {
  auto flow =
      pf::continuous_flow<S>({.features = features, .hidden = hidden, .frequencies = 1}, rng, {.solver = solver});
  pf::for_each_parameter<S>(flow, [&](const pf::Path&, pf::Parameter<S>& p) {
    p = p.tensor() * S(1.5) + pf::normal<S>(p.shape(), rng) * 0.2;
  });
  return flow;
}

}  // namespace

TEST_CASE("a linear field gives the closed form: z = e^A x and log-determinant tr A") {
  pf::Rng rng(1);
  LinearField field;
  field.a = pf::normal<double>({3, 3}, rng) * 0.5;
  const Tensor<double> a = pf::stop_gradient(field.a.tensor()), flow_of_a = matrix_exponential(a);
  const Tensor<double> x = pf::normal<double>({6, 3}, rng);
  const auto base = pf::standard_normal<double>(3);
  const Tensor<double> z = pf::matmul(x, flow_of_a, {.transpose_b = true});
  const Tensor<double> expected = base.log_prob(z) + (a(0, 0) + a(1, 1) + a(2, 2));
  for (const pf::OdeSolver& solver :
       {pf::OdeSolver(pf::RungeKutta4{.steps = 100}), pf::OdeSolver(pf::DormandPrince{1e-10, 1e-10})}) {
    const pf::ContinuousFlow flow(field, base, {.solver = solver});
    CHECK(pf::max(pf::abs(flow.inverse(x).value - z)).item() < 1e-8);
    CHECK(pf::max(pf::abs(flow.log_prob(x) - expected)).item() < 1e-8);
    CHECK(pf::max(pf::abs(flow.forward(z).value - x)).item() < 1e-8);
  }
  // d/da_ii of the log-density has the 1 of the trace; the rest is that of N(e^A x): compared with differences.
  const pf::ContinuousFlow flow(field, base, {.solver = pf::RungeKutta4{.steps = 100}});
  const Tensor<double> slope = pf::gradient(pf::sum(flow.log_prob(x)), flow)[0];
  auto closed = [&](const Tensor<double>& m) {
    return (base.log_prob(pf::matmul(x, matrix_exponential(m), {.transpose_b = true}))).sum() +
           6 * (m(0, 0) + m(1, 1) + m(2, 2));
  };
  for (Index i = 0; i < 9; ++i) {
    auto moved = [&](double by) {
      return closed(Tensor<double>::generate({3, 3}, [&](Index j) { return a.data()[j] + (i == j ? by : 0); }));
    };
    CHECK(slope.data()[i] == Approx((moved(1e-5) - moved(-1e-5)) / 2e-5).margin(1e-6));
  }
}

TEST_CASE("the density of a continuous flow integrates to one") {
  pf::Rng rng(2);
  // The rule of midpoints is exact to 3e-7 for densities this smooth (at twice the steps it is the same to that), the
  // solver to 6e-7.
  const auto flow = bent_flow<double>(2, rng, pf::RungeKutta4{.steps = 8});
  CHECK(support::mass_on_grid(flow, 12, 80) == Approx(1.0).margin(1e-5));
  const pf::LearnedMixture<double> bumps(3, 2, rng, 1.5);
  auto on_mixture = pf::continuous_flow<double>({.features = 2, .hidden = {8, 8}}, bumps, rng,
                                                {.solver = pf::RungeKutta4{.steps = 8}});
  support::stir<double>(on_mixture, 1, 0.2, rng);
  CHECK(support::mass_on_grid(on_mixture, 16, 120) == Approx(1.0).margin(1e-5));
}

TEST_CASE("draws of a continuous flow follow its density, and its two directions are a bijector") {
  pf::Rng rng(3);
  // A small network and few steps: the density is asked about 200,000 points.
  const auto flow = bent_flow<double>(2, rng, pf::RungeKutta4{.steps = 4}, {12});
  CHECK_NOTHROW(pf::testing::check_distribution(flow, rng));
  auto fine = bent_flow<double>(3, rng, pf::RungeKutta4{.steps = 400});
  // The log-determinant is that of the solution, the Jacobian that of its 400 steps: equal to the order of the solver.
  CHECK_NOTHROW(pf::testing::check_bijector(fine, pf::normal<double>({2, 3}, rng)));
  for (const auto& draws : {fine.sample_and_log_prob(5, rng), fine.rsample_and_log_prob(5, rng)}) {
    REQUIRE(draws.value.shape() == pf::Shape{5, 3});
    CHECK(pf::max(pf::abs(draws.log_prob - fine.log_prob(draws.value))).item() < 1e-7);
  }
  CHECK_FALSE(fine.sample(4, rng).tracked());
  CHECK(fine.rsample(4, rng).tracked());
  pf::Rng one(8), other(8);
  CHECK(flow.sample(4, one).to_vector() == pf::stop_gradient(flow.rsample(4, other)).to_vector());
}

TEST_CASE("solvers agree, and the coarse one is off by its order") {
  pf::Rng rng(4);
  auto flow = bent_flow<double>(2, rng, pf::DormandPrince{1e-10, 1e-10});
  const Tensor<double> x = pf::normal<double>({50, 2}, rng), exact = flow.log_prob(x);
  auto error = [&](const pf::OdeSolver& solver) {
    flow.set_solver(solver);
    return pf::max(pf::abs(flow.log_prob(x) - exact)).item();
  };
  const double coarse = error(pf::RungeKutta4{.steps = 10}), fine = error(pf::RungeKutta4{.steps = 40});
  CHECK(coarse > 0);
  CHECK(coarse < 0.05);
  CHECK(fine < coarse / 100);  // 4^4 = 256 in the limit
}

TEST_CASE("the log-density has gradients of order 2 in the data, and its gradient in the weights is the loss's slope") {
  pf::Rng rng(5);
  auto flow = bent_flow<double>(2, rng, pf::RungeKutta4{.steps = 3});
  const Tensor<double> x = pf::normal<double>({3, 2}, rng);
  CHECK_NOTHROW(
      pf::testing::check_gradients([&](const Tensor<double>& at) { return flow.log_prob(at); }, x, {.order = 2}));
  const auto found = pf::gradient(pf::mle(flow, x), flow);
  std::size_t at = 0;
  pf::for_each_parameter<double>(flow, [&](const pf::Path&, pf::Parameter<double>& p) {
    const Tensor<double> here = pf::stop_gradient(p.tensor()), direction = pf::normal<double>(here.shape(), rng);
    auto moved = [&](double by) {
      p = here + direction * by;
      return pf::mle(flow, x).item();
    };
    const double along = pf::sum(found[at++] * direction).item();
    CHECK(along == Approx((moved(1e-5) - moved(-1e-5)) / 2e-5).margin(1e-7));
    p = here;
  });
}

TEST_CASE("a training step gives the bits of one thread for any number of them") {
  pf::Rng rng(6);
  const auto flow = bent_flow<float>(2, rng, pf::RungeKutta4{.steps = 4});
  const Tensor<> x = pf::normal({600, 2}, rng);
  const int before = pf::num_threads();
  std::vector<std::vector<float>> seen;
  for (const int threads : {1, 2, 3}) {
    pf::set_num_threads(threads);
    const Tensor<> loss = pf::mle(flow, x);
    std::vector<float> bits{loss.item()};
    for (const Tensor<>& each : pf::gradient(loss, flow)) bits.insert(bits.end(), each.begin(), each.end());
    pf::Rng draw(7);
    for (float value : flow.sample(600, draw)) bits.push_back(value);
    seen.push_back(std::move(bits));
  }
  pf::set_num_threads(before);
  for (const auto& other : seen) CHECK(other == seen.front());
}

TEST_CASE("fit teaches a continuous flow a density that no normal has") {
  pf::Rng rng(7);
  auto flow = pf::continuous_flow({.features = 2, .hidden = {32, 32}}, rng, {.solver = pf::RungeKutta4{.steps = 6}});
  // y = x^2 / 2 + noise: entropy 1.419 + 1.419 + log 0.2 = 1.23 nats.
  auto draw = [&](Index n) {
    const Tensor<> x = pf::normal({n, 1}, rng);
    return pf::concat({x, 0.5 * pf::square(x) + 0.2 * pf::normal({n, 1}, rng)}, 1);
  };
  pf::fit(flow, draw(4096), pf::mle,
          {.epochs = 30,
           .batch_size = 256,
           .optimizer = pf::Adam({.learning_rate = 1e-2}),
           .schedule = pf::cosine_decay(),
           .progress = pf::Progress::off},
          rng);
  flow.set_solver(pf::RungeKutta4{.steps = 40});
  const double nats = pf::mle(flow, draw(4096)).item();
  CHECK(nats < 1.45);  // the best normal has 1.9
  CHECK(nats > 1.15);  // below the entropy would be a density above the truth
}

TEST_CASE("with Hutchinson's estimate the scores of training are unbiased, and others are exact") {
  pf::Rng rng(8);
  const auto exact = bent_flow<double>(3, rng, pf::RungeKutta4{.steps = 5});
  for (const pf::Probe probe : {pf::Probe::rademacher, pf::Probe::normal}) {
    const pf::ContinuousFlow flow(
        exact.net(), exact.base(),
        {.solver = pf::RungeKutta4{.steps = 5}, .divergence = pf::Divergence::hutchinson, .probe = probe});
    const Tensor<double> row = pf::normal<double>({1, 3}, rng), rows = pf::expand(row, pf::Shape{4000, 3});
    const double truth = exact.log_prob(row).item();
    CHECK(flow.log_prob(row).item() == truth);
    const Tensor<double> estimates = pf::stop_gradient(flow.log_prob(rows, rng));
    const double deviation = std::sqrt(pf::var(estimates).item() / 4000);
    CHECK(deviation > 0);
    CHECK(estimates.mean() == Approx(truth).margin(4.5 * deviation));
    CHECK(pf::evaluate_objective(pf::mle, flow, rows, rng).item() != pf::mle(flow, rows).item());
  }
  CHECK(exact.log_prob(Tensor<double>::ones({2, 3}), rng).to_vector() ==
        exact.log_prob(Tensor<double>::ones({2, 3})).to_vector());
}

TEST_CASE("the costs of the way are those of the closed form, in both directions of time") {
  pf::Rng rng(10);
  LinearField field;
  const std::vector<double> rates{0.7, -0.4};
  field.a = Tensor<double>({2, 2}, {rates[0], 0, 0, rates[1]});
  const Tensor<double> x = pf::normal<double>({4, 2}, rng);
  for (const auto& [data_time, noise_time] : {std::pair{0.0, 1.0}, std::pair{1.0, 0.0}}) {
    const double sign = noise_time - data_time;
    for (const pf::Divergence divergence : {pf::Divergence::exact, pf::Divergence::hutchinson}) {
      const pf::ContinuousFlow flow(field, pf::standard_normal<double>(2),
                                    {.solver = pf::RungeKutta4{.steps = 100},
                                     .divergence = divergence,
                                     .data_time = data_time,
                                     .noise_time = noise_time});
      const auto costs = flow.path_costs(x, rng);
      CHECK(pf::max(pf::abs(costs.log_prob - flow.log_prob(x))).item() < 1e-9);
      for (Index i = 0; i < 4; ++i) {
        // int |A e^{+-At} x|^2 dt, and |e^T A|^2 = the sum of a_jj^2 for signs.
        double kinetic = 0;
        for (Index j = 0; j < 2; ++j) {
          const double a = rates[static_cast<std::size_t>(j)];
          kinetic += sign * a * x(i, j) * x(i, j) * (std::exp(2 * sign * a) - 1) / 2;
        }
        CHECK(costs.kinetic(i) == Approx(kinetic).margin(1e-8));
        CHECK(costs.jacobian(i) == Approx(0.7 * 0.7 + 0.4 * 0.4).margin(1e-8));
      }
      const double loss =
          pf::evaluate_objective(pf::regularized_mle({.kinetic = 2, .jacobian = 3}), flow, x, rng).item();
      const double expected = pf::mle(flow, x).item() + 2 * costs.kinetic.mean() + 3 * costs.jacobian.mean();
      CHECK(loss == Approx(expected).margin(1e-8));
    }
  }
}

TEST_CASE("a continuous flow starts as its base, takes any leading axes, and is the base of another flow") {
  pf::Rng rng(9);
  const auto flow = pf::continuous_flow({.features = 2}, rng);
  const Tensor<> x = pf::normal({3, 4, 2}, rng);
  const Tensor<> score = flow.log_prob(x);
  REQUIRE(score.shape() == pf::Shape{3, 4});
  CHECK(pf::max(pf::abs(score - pf::standard_normal(2).log_prob(x))).item() < 1e-6f);
  CHECK(flow.log_prob(Tensor<>::ones({2})).shape() == pf::Shape{});
  static_assert(pf::Distribution<pf::ContinuousFlow<pf::TimeMlp<>>>);
  const auto upper = pf::real_nvp({.features = 2, .layers = 2, .hidden = {8}}, flow, rng);
  CHECK(upper.log_prob(x).shape() == pf::Shape{3, 4});
  CHECK(upper.sample(5, rng).shape() == pf::Shape{5, 2});
  CHECK(pf::gradient(pf::mle(upper, pf::normal({8, 2}, rng)), upper).size() == 6 + 2 * 4);
  CHECK_THROWS_AS(flow.log_prob(Tensor<>::ones({4, 3})), pf::ShapeError);
  CHECK_THROWS_AS(flow.log_prob(Tensor<>::scalar(1)), pf::ShapeError);
  CHECK_THROWS_AS(pf::continuous_flow({.features = 0}, rng), pf::ValueError);
}
