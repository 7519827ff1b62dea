#include <pushforward/dynamics/ode.hpp>
#include <pushforward/ops/matmul.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/shape_ops.hpp>

#include "support/expect_gradients.hpp"
#include "support/reference.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::OdeSolver;
using pf::Tensor;

namespace {

using Vector = Tensor<double>;

// A field and the value at time `to` that solves it from x at time `from`.
struct Problem {
  const char* name;
  std::function<Vector(const Vector&, double)> field;
  Vector x, solution;
  double from, to;
};

// Position and velocity turn into one another.
Vector turned(const Vector& x, double angle) {
  return pf::concat({pf::slice(x, 1, 0, 1) * std::cos(angle) + pf::slice(x, 1, 1, 2) * std::sin(angle),
                     pf::slice(x, 1, 1, 2) * std::cos(angle) - pf::slice(x, 1, 0, 1) * std::sin(angle)},
                    1);
}

std::vector<Problem> problems() {
  const Vector x({3, 2}, {1.0, 0.5, -0.3, 2.0, 0.7, -1.1});
  auto oscillator = [](const Vector& at, double) {
    return pf::concat({pf::slice(at, 1, 1, 2), pf::slice(at, 1, 0, 1) * -1}, 1);
  };
  auto driven = [](const Vector& at, double t) { return at * -2 + std::cos(t); };  // settles to (2 cos t + sin t) / 5
  auto settled = [](double t) { return (2 * std::cos(t) + std::sin(t)) / 5; };
  auto logistic = [](const Vector& at, double t) { return at * (1 - at) * (2 * t); };  // in time t^2
  const Vector share({2, 1}, {0.1, 0.7});
  auto grown = [](const Vector& at, double time) { return 1 / (1 + (1 / at - 1) * std::exp(-time)); };
  return {
      {"oscillator", oscillator, x, turned(x, 2.0), 0, 2},
      {"oscillator, backwards", oscillator, x, turned(x, -2.0), 1, -1},
      {"driven decay", driven, x, (x - settled(0.3)) * std::exp(-2 * 1.7) + settled(2.0), 0.3, 2.0},
      {"logistic growth", logistic, share, grown(share, 4.0), 0, 2},
      {"logistic growth, backwards", logistic, share, grown(share, -3.0), 2, 1},
  };
}

double error_of(const Problem& p, const OdeSolver& solver, pf::OdeTrace* trace = nullptr) {
  return pf::max(pf::abs(pf::integrate(p.field, p.x, p.from, p.to, solver, trace) - p.solution)).item();
}

// How many times smaller the error becomes with twice the steps, as a power of two.
template <class Solver>
double order_of(const Problem& p, Index steps) {
  return std::log2(error_of(p, Solver{.steps = steps}) / error_of(p, Solver{.steps = 2 * steps}));
}

}  // namespace

TEST_CASE("solvers with equal steps converge with their order, in both directions of time") {
  for (const Problem& p : problems()) {
    INFO(p.name);
    CHECK(order_of<pf::Euler>(p, 400) == Approx(1).margin(0.1));
    CHECK(order_of<pf::Heun>(p, 100) == Approx(2).margin(0.1));
    CHECK(order_of<pf::RungeKutta4>(p, 40) == Approx(4).margin(0.25));
  }
}

TEST_CASE("the adaptive solver meets its tolerance, with steps that follow its order") {
  for (const Problem& p : problems()) {
    Index before = 0;
    for (const double tolerance : {1e-4, 1e-6, 1e-8, 1e-10}) {
      INFO(p.name << ", tolerance " << tolerance);
      pf::OdeTrace trace;
      // Errors of the steps add up, and these fields enlarge them at most e^3 times.
      CHECK(error_of(p, pf::DormandPrince{.relative = tolerance, .absolute = tolerance}, &trace) < 20 * tolerance);
      CHECK(trace.evaluations == 2 + 6 * (trace.accepted + trace.rejected));  // the last slope is the next step's first
      if (before > 0) CHECK(trace.accepted < 3 * before);                     // 100^(1/5) = 2.5
      before = trace.accepted;
    }
  }
}

TEST_CASE("the pair of Dormand and Prince has orders 5 and 4") {
  const Problem p = problems()[2];
  // One step, whose error is of order 6; the estimate of it, the difference to the other result, is of order 5.
  auto one_step = [&](double h) {
    pf::OdeTrace trace;
    const pf::detail::FieldView<Vector> f(p.field, trace);
    std::array<Vector, 7> k;
    k[0] = f(p.x, p.from);
    const Vector y = pf::detail::attempt(f, p.x, p.from, h, k);
    const Vector exact = pf::integrate(p.field, p.x, p.from, p.from + h, pf::RungeKutta4{.steps = 400});
    const pf::DormandPrince absolute{.relative = 0, .absolute = 1};
    return std::pair(pf::max(pf::abs(y - exact)).item(), pf::detail::step_error(p.x, y, h, k, absolute));
  };
  const auto [coarse, coarse_guess] = one_step(0.2);
  const auto [fine, fine_guess] = one_step(0.1);
  CHECK(std::log2(coarse / fine) == Approx(6).margin(0.3));
  CHECK(std::log2(coarse_guess / fine_guess) == Approx(5).margin(0.3));
}

TEST_CASE("the adaptive solver takes small steps where the field is fast, and rejects what was too large") {
  // Goes to cos t at a rate of 500: equal steps would have to be shorter than 1 / 180 everywhere.
  auto stiff = [](const Vector& x, double t) { return (x - std::cos(t)) * -500.0; };
  auto exact = [](double t) { return (250000 * std::cos(t) + 500 * std::sin(t)) / 250001; };
  pf::OdeTrace trace;
  const Vector x = pf::integrate(stiff, Vector({1, 1}, {7.0}), 0, 2, pf::DormandPrince{}, &trace);
  CHECK(x.item() == Approx(exact(2)).margin(1e-4));
  CHECK(trace.accepted < 500);
  // A kick at time 1 that no step before could know of.
  auto kicked = [](const Vector& at, double t) { return Vector::full(at.shape(), 1 / (1e-6 + (t - 1) * (t - 1))); };
  const double found = pf::integrate(kicked, Vector({1}, {0.0}), 0, 2, pf::DormandPrince{}, &trace).item();
  CHECK(found == Approx(2e3 * std::atan(1e3)).epsilon(1e-4));
  CHECK(trace.rejected > 0);
}

TEST_CASE("a row of a batch is as accurate as alone: others do not drown its error") {
  auto field = [](const Vector& x, double t) {
    return x * pf::concat({Vector::full({1, 1}, 20 * std::cos(20 * t)), Vector::full({x.size(0) - 1, 1}, -0.1)});
  };
  const Vector all = pf::integrate(field, Vector::ones({1000, 1}), 0, 1, pf::DormandPrince{});
  CHECK(all(0, 0) == Approx(std::exp(std::sin(20.0))).epsilon(2e-4));
  CHECK(all(1, 0) == Approx(std::exp(-0.1)).epsilon(1e-5));
}

TEST_CASE("several tensors make one state") {
  auto field = [](const std::array<Vector, 2>& state, double t) {
    return std::array<Vector, 2>{state[0] * -t, pf::sum(state[0], 1)};  // the second integrates the first
  };
  const Vector x({2, 2}, {1.0, 2.0, -1.0, 0.5});
  for (const OdeSolver& solver : {OdeSolver(pf::RungeKutta4{.steps = 60}), OdeSolver(pf::DormandPrince{})}) {
    const auto [end, integral] = pf::integrate(field, std::array<Vector, 2>{x, Vector::zeros({2})}, 0, 1, solver);
    support::expect_equal(end, x * std::exp(-0.5), 1e-5);
    support::expect_equal(integral, pf::sum(x, 1) * (std::sqrt(std::acos(-1.0) / 2) * std::erf(std::sqrt(0.5))), 1e-5);
  }
}

TEST_CASE("gradients flow through the steps of every solver") {
  const Vector x({2, 2}, {0.4, -0.2, 0.9, 0.3}), w({2, 2}, {0.3, -0.5, 0.7, 0.2});
  const std::vector<OdeSolver> solvers{pf::Euler{.steps = 4}, pf::Heun{.steps = 3}, pf::RungeKutta4{.steps = 2}};
  for (const OdeSolver& solver : solvers)
    support::expect_gradients(
        [&](const Vector& start, const Vector& weight) {
          auto field = [&](const Vector& at, double t) { return pf::tanh(pf::matmul(at, weight)) + at * t; };
          return pf::integrate(field, start, 0, 1, solver);
        },
        x, w);
}

TEST_CASE("gradients through the adaptive solver are those of the solution") {
  // x(1) = x e^(-w (1 + 1/2)): steps that depend on x and w must not disturb the slope.
  const Vector x = pf::variable(Vector({3}, {0.5, -1.0, 2.0})), w = pf::variable(Vector({3}, {0.5, 1.0, 3.0}));
  auto field = [&](const Vector& at, double t) { return at * w * -(1 + t); };
  const Vector end = pf::integrate(field, x, 0, 1, pf::DormandPrince{.relative = 1e-9, .absolute = 1e-9});
  const auto [by_x, by_w] = pf::gradient(pf::sum(end), {x, w});
  support::expect_equal(by_x, pf::stop_gradient(pf::exp(w * -1.5)), 1e-7);
  support::expect_equal(by_w, pf::stop_gradient(x * pf::exp(w * -1.5) * -1.5), 1e-7);
}

TEST_CASE("nothing is recorded where nothing asks for gradients") {
  auto field = [](const Vector& at, double) { return at * -1; };
  const Vector x = pf::variable(Vector::ones({2}));
  CHECK(pf::integrate(field, x, 0, 1, pf::DormandPrince{}).tracked());
  CHECK_FALSE(pf::integrate(field, pf::stop_gradient(x), 0, 1, pf::DormandPrince{}).tracked());
  const pf::NoGradient guard;
  CHECK_FALSE(pf::integrate(field, x, 0, 1, pf::DormandPrince{}).tracked());
}

TEST_CASE("the field sees the exact times of equal steps, in float, too") {
  std::vector<double> seen;
  auto field = [&](const Tensor<>& x, double t) {
    seen.push_back(t);
    return x;
  };
  pf::OdeTrace trace;
  pf::integrate(field, Tensor<>::ones({1}), 0, 1, pf::Euler{.steps = 100}, &trace);
  REQUIRE(seen.size() == 100);
  for (std::size_t i = 0; i < 100; ++i) CHECK(seen[i] == static_cast<double>(i) / 100);
  CHECK(trace.evaluations == 100);
  CHECK(trace.accepted == 100);
}

TEST_CASE("a trajectory holds the states at all times") {
  auto field = [](const Vector& x, double) { return x * -1; };
  const std::vector<double> times{0, 0.5, 2, 1};
  const auto states = pf::trajectory(field, Vector::ones({1}), times, pf::RungeKutta4{.steps = 30});
  REQUIRE(states.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(states[i].item() == Approx(std::exp(-times[i])).epsilon(1e-6));
}

TEST_CASE("solvers say what is wrong") {
  auto decay = [](const Vector& x, double) { return x * -1; };
  const Vector x = Vector::ones({2, 3});
  auto message = [&](const auto& field, const OdeSolver& solver, double to = 1) {
    return support::message_of<pf::Error>([&] { pf::integrate(field, x, 0, to, solver); });
  };
  CHECK(message(decay, pf::Euler{.steps = 0}).find(".steps is 0") != std::string::npos);
  CHECK(message(decay, pf::DormandPrince{.relative = -1}).find("tolerances") != std::string::npos);
  CHECK(message(decay, pf::DormandPrince{.relative = 0, .absolute = 0}).find("tolerances") != std::string::npos);
  CHECK(message(decay, pf::Heun{}, NAN).find("finite times") != std::string::npos);
  CHECK(message(decay, pf::DormandPrince{.relative = 1e-10, .absolute = 1e-10, .max_steps = 5}, 100)
            .find("took 5 steps") != std::string::npos);
  auto narrow = [](const Vector& at, double) { return pf::slice(at, 1, 0, 2); };
  CHECK(message(narrow, pf::Euler{}).find("derivative of shape [2, 2]") != std::string::npos);
  // It blows up at time 1, and is nowhere a number.
  auto explosive = [](const Vector& at, double) { return pf::square(at); };
  CHECK(message(explosive, pf::DormandPrince{}, 2).find("not finite or not smooth") != std::string::npos);
  auto broken = [](const Vector& at, double) { return at * NAN; };
  CHECK(message(broken, pf::DormandPrince{}).find("not finite or not smooth") != std::string::npos);
  CHECK(pf::integrate(broken, x, 1, 1, pf::DormandPrince{}).data() == x.data());  // no time, no step
}
