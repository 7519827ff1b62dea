// Optimizers against textbook loops in double, and what they refuse.
#include <cmath>
#include <functional>
#include <tuple>
#include <vector>

#include <pushforward/nn/linear.hpp>
#include <pushforward/ops/reductions.hpp>
#include <pushforward/training.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;

namespace {

// The textbook update of one number: (p, g, step from 1) -> p, with memory of its own.
using Reference = std::function<double(double, double, int)>;

// Ten steps on f(p) = sum_i c_i (p_i - 1)^2 / 2, which has a different slope for each number.
template <class S, class O>
void check_against(const std::vector<Reference>& rules, O optimizer, double tolerance) {
  const auto n = static_cast<pf::Index>(rules.size());
  std::vector<double> expected(rules.size());
  pf::Parameter<S> p(
      pf::Tensor<S>::generate({n}, [](pf::Index i) { return static_cast<S>(0.3 * static_cast<double>(i) - 0.5); }));
  for (pf::Index i = 0; i < n; ++i) expected[static_cast<std::size_t>(i)] = static_cast<double>(p.data()[i]);
  for (int step = 1; step <= 10; ++step) {
    const auto slope = [](std::size_t i, double at) { return (1.0 + static_cast<double>(i)) * (at - 1.0); };
    const pf::Tensor<S> g = pf::Tensor<S>::generate({n}, [&](pf::Index i) {
      return static_cast<S>(slope(static_cast<std::size_t>(i), static_cast<double>(p.data()[i])));
    });
    for (std::size_t i = 0; i < rules.size(); ++i) expected[i] = rules[i](expected[i], slope(i, expected[i]), step);
    optimizer.step(p, g);
    for (std::size_t i = 0; i < rules.size(); ++i)
      REQUIRE(static_cast<double>(p.data()[i]) == Approx(expected[i]).margin(tolerance).epsilon(tolerance));
  }
  CHECK(optimizer.steps() == 10);
}

// As many numbers as fill vector registers and leave a rest. Float rounding of ten steps stays well below 1e-5.
template <class Make, class O>
void check_optimizer(const Make& make_rule, const O& optimizer) {
  std::vector<Reference> single(37), twice(37);
  for (auto& rule : single) rule = make_rule();
  for (auto& rule : twice) rule = make_rule();
  check_against<float>(single, optimizer, 1e-5);
  check_against<double>(twice, optimizer, 1e-12);
}

Reference adam(double rate, double b1, double b2, double epsilon, double penalty, double decay) {
  return [=, m = 0.0, v = 0.0](double p, double g, int t) mutable {
    g += penalty * p;
    m = b1 * m + (1 - b1) * g;
    v = b2 * v + (1 - b2) * g * g;
    const double m_hat = m / (1 - std::pow(b1, t)), v_hat = v / (1 - std::pow(b2, t));
    return p - rate * decay * p - rate * m_hat / (std::sqrt(v_hat) + epsilon);
  };
}

Reference sgd(double rate, double momentum, bool nesterov, double penalty) {
  return [=, b = 0.0](double p, double g, int) mutable {
    g += penalty * p;
    b = momentum * b + g;
    return p - rate * (nesterov ? g + momentum * b : b);
  };
}

struct NoParameters {
  static void members(auto&, auto&&) {}
};

}  // namespace

TEST_CASE("Sgd follows the textbook with and without momentum, Nesterov and weight decay") {
  check_optimizer([] { return sgd(0.01, 0, false, 0); }, pf::Sgd({.learning_rate = 0.01}));
  check_optimizer([] { return sgd(0.01, 0, false, 0.1); }, pf::Sgd({.learning_rate = 0.01, .weight_decay = 0.1}));
  check_optimizer([] { return sgd(0.01, 0.9, false, 0); }, pf::Sgd({.learning_rate = 0.01, .momentum = 0.9}));
  check_optimizer([] { return sgd(0.01, 0.9, true, 0.1); },
                  pf::Sgd({.learning_rate = 0.01, .momentum = 0.9, .nesterov = true, .weight_decay = 0.1}));
}

TEST_CASE("Adam and AdamW follow algorithm 1 of Kingma and Ba and algorithm 2 of Loshchilov and Hutter") {
  check_optimizer([] { return adam(1e-3, 0.9, 0.999, 1e-8, 0, 0); }, pf::Adam());
  check_optimizer([] { return adam(0.05, 0.8, 0.95, 1e-3, 0.2, 0); },
                  pf::Adam({.learning_rate = 0.05, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3, .weight_decay = 0.2}));
  check_optimizer([] { return adam(0.05, 0.9, 0.999, 1e-8, 0, 0.3); },
                  pf::AdamW({.learning_rate = 0.05, .weight_decay = 0.3}));
}

TEST_CASE("RmsProp follows the textbook with and without momentum") {
  for (double momentum : {0.0, 0.7}) {
    auto rule = [momentum] {
      return Reference([=, v = 0.0, b = 0.0](double p, double g, int) mutable {
        g += 0.1 * p;
        v = 0.9 * v + 0.1 * g * g;
        b = momentum * b + g / (std::sqrt(v) + 1e-4);
        return p - 0.01 * b;
      });
    };
    check_optimizer(rule, pf::RmsProp({.decay = 0.9, .epsilon = 1e-4, .momentum = momentum, .weight_decay = 0.1}));
  }
}

TEST_CASE("Lion steps along the sign of its average") {
  auto rule = [] {
    return Reference([m = 0.0](double p, double g, int) mutable {
      const double c = 0.9 * m + 0.1 * g;
      m = 0.99 * m + 0.01 * g;
      return p - 0.01 * ((c > 0) - (c < 0)) - 0.01 * 0.2 * p;
    });
  };
  check_optimizer(rule, pf::Lion({.learning_rate = 0.01, .weight_decay = 0.2}));
  pf::Parameter<> still(pf::Tensor<>{1.0f});
  pf::Lion().step(still, pf::Tensor<>{0.0f});
  CHECK(still.data()[0] == 1.0f);
}

TEST_CASE("Sgd on a quadratic contracts by 1 - rate * curvature at every step") {
  pf::Parameter<double> p(pf::Tensor<double>{2.0, -3.0});
  pf::Sgd sgd({.learning_rate = 0.1});
  for (int i = 0; i < 20; ++i) {
    const auto loss = pf::sum(pf::square(p)) * 0.5;
    sgd.step(p, pf::gradient(loss, p.tensor()));
  }
  CHECK(p(0) == Approx(2.0 * std::pow(0.9, 20)).epsilon(1e-12));
  CHECK(p(1) == Approx(-3.0 * std::pow(0.9, 20)).epsilon(1e-12));
}

TEST_CASE("every optimizer brings a least-squares problem to its solution") {
  pf::Rng rng(1);
  const auto x = pf::normal({256, 3}, rng);
  const auto target = pf::matmul(x, pf::Tensor<>({3, 1}, {1.0f, -2.0f, 0.5f})) + 0.25f;
  const auto solve = [&](pf::Optimizer optimizer) {
    pf::Rng start(2);
    pf::Linear<> model(3, 1, start);
    for (int i = 0; i < 1000; ++i) {
      const auto loss = pf::mean(pf::square(model(x) - target));
      optimizer.set_learning_rate(optimizer.learning_rate() * 0.995);
      optimizer.step(model, pf::gradient(loss, model));
    }
    return pf::mean(pf::square(model(x) - target)).item();
  };
  CHECK(solve(pf::Sgd({.learning_rate = 0.1, .momentum = 0.5})) < 1e-4f);
  CHECK(solve(pf::RmsProp({.learning_rate = 0.05})) < 1e-4f);
  CHECK(solve(pf::Adam({.learning_rate = 0.05})) < 1e-4f);
  CHECK(solve(pf::AdamW({.learning_rate = 0.05, .weight_decay = 1e-4})) < 1e-4f);
  CHECK(solve(pf::Lion({.learning_rate = 0.02})) < 1e-4f);
}

TEST_CASE("parameter lists and arrays of gradients are trained as models are") {
  pf::Parameter<> a(pf::Tensor<>{1.0f, 2.0f}), b(pf::Tensor<>({1, 1}, {3.0f}));
  const auto loss = pf::sum(a) + 2.0f * pf::sum(b);
  pf::Sgd sgd({.learning_rate = 1});
  sgd.step(std::tie(a, b), pf::gradient(loss, {a.tensor(), b.tensor()}));
  CHECK(a.to_vector() == std::vector<float>{0.0f, 1.0f});
  CHECK(b.item() == 1.0f);
  std::vector<pf::Parameter<>> list{a, b};
  pf::Sgd({.learning_rate = 1})
      .step(list, std::vector<pf::Tensor<>>{pf::Tensor<>{1.0f, 1.0f}, pf::Tensor<>::ones({1, 1})});
  CHECK(list[0].to_vector() == std::vector<float>{-1.0f, 0.0f});
  CHECK(a.to_vector() == std::vector<float>{0.0f, 1.0f});
}

TEST_CASE("a graph recorded before a step keeps the old numbers and still has its gradient") {
  pf::Parameter<> p(pf::Tensor<>{3.0f});
  const auto first = pf::sum(pf::square(p)), second = pf::sum(pf::square(p) * p);
  const pf::Parameter<> copy = p;
  pf::Sgd sgd({.learning_rate = 1});
  sgd.step(p, pf::gradient(first, p.tensor()));
  CHECK(p.item() == -3.0f);
  CHECK(copy.item() == 3.0f);
  CHECK(pf::gradient(second, p.tensor()).item() == 27.0f);
  const auto now = pf::sum(pf::square(p));
  CHECK(pf::gradient(now, p.tensor()).item() == -6.0f);
}

TEST_CASE("a copied optimizer goes its own way from the same memory") {
  const auto g = pf::Tensor<>{1.0f};
  pf::Parameter<> a(pf::Tensor<>{0.0f}), b(pf::Tensor<>{0.0f});
  pf::Adam adam;
  adam.step(a, g);
  pf::Adam other = adam;
  b = a.tensor();
  adam.step(a, -1.0f * g);
  adam.step(a, -1.0f * g);
  other.step(b, -1.0f * g);
  other.step(b, -1.0f * g);
  CHECK(a.item() == b.item());
  CHECK(other.steps() == 3);
}

TEST_CASE("an optimizer refuses what cannot be trained, and names the parameter") {
  pf::Rng rng(0);
  pf::Linear<> model(2, 3, rng);
  pf::Adam adam;
  const auto weight = pf::Tensor<>::zeros({3, 2}), bias = pf::Tensor<>::zeros({3});
  NoParameters nothing;
  CHECK_THROWS_AS(adam.step(nothing, pf::Gradients<>()), pf::ValueError);
  CHECK_THROWS_WITH(adam.step(nothing, pf::Gradients<>()), ContainsSubstring("no parameters"));
  CHECK_THROWS_AS(adam.step(model, pf::Gradients<>({weight})), pf::ShapeError);
  CHECK_THROWS_AS(adam.step(model, pf::Gradients<double>()), pf::ValueError);
  CHECK_THROWS_WITH(adam.step(model, pf::Gradients<>({weight, weight})),
                    ContainsSubstring("'bias' has shape [3, 2], expected [3]"));
  adam.step(model, pf::Gradients<>({weight, bias}));
  pf::Linear<> wider(3, 3, rng);
  CHECK_THROWS_AS(adam.step(wider, pf::Gradients<>({pf::Tensor<>::zeros({3, 3}), bias})), pf::ShapeError);
  CHECK_THROWS_AS(adam.set_learning_rate(-1), pf::ValueError);
  CHECK_THROWS_AS(pf::Adam({.beta1 = 1.0}), pf::ValueError);
  CHECK_THROWS_AS(pf::Sgd({.nesterov = true}), pf::ValueError);
  CHECK_THROWS_AS(pf::Lion({.learning_rate = std::nan("")}), pf::ValueError);
  CHECK_THROWS_AS(adam.set_state(pf::Sgd().state()), pf::ValueError);
}

TEST_CASE("a gradient that is not finite changes nothing, whether the step is refused or skipped") {
  pf::Rng rng(0);
  pf::Linear<> model(50, 3, rng);
  const auto before = model.weight.to_vector();
  for (float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    const auto bias = pf::Tensor<>({3}, {0.0f, bad, 0.0f});
    const pf::Gradients<> gradients({pf::Tensor<>::ones({3, 50}), bias});
    pf::Adam adam;
    CHECK_THROWS_WITH(adam.step(model, gradients), ContainsSubstring("'bias' is not finite"));
    CHECK(adam.steps() == 0);
    pf::Adam careful({.non_finite = pf::NonFinite::skip});
    careful.step(model, gradients);
    CHECK(careful.skipped_steps() == 1);
    CHECK(model.weight.to_vector() == before);
  }
  pf::Sgd careless({.non_finite = pf::NonFinite::apply});
  careless.step(model, pf::Gradients<>({pf::Tensor<>::ones({3, 50}), pf::Tensor<>::full({3}, std::nanf(""))}));
  CHECK(std::isnan(model.bias.data()[0]));
}

TEST_CASE("averages that decay end at zero rather than among subnormal numbers") {
  pf::Parameter<> p(pf::Tensor<>{1.0f});
  pf::Adam adam({.beta2 = 0.9});
  adam.step(p, pf::Tensor<>{1.0f});
  for (int i = 0; i < 1000; ++i) adam.step(p, pf::Tensor<>{0.0f});
  CHECK(adam.state().single.slots[0].data()[0] == 0.0f);
  CHECK(adam.state().single.slots[1].data()[0] == 0.0f);
}

TEST_CASE("steps do not depend on the number of threads, and after warm-up allocate nothing") {
  const int threads = pf::num_threads();
  const auto train = [](int count) {
    pf::set_num_threads(count);
    pf::Rng rng(3);
    pf::Mlp<> model({61, 301, 211}, rng);
    const auto x = pf::normal({16, 61}, rng);
    pf::Adam adam;
    std::uint64_t allocations = 0;
    for (int i = 0; i < 8; ++i) {
      if (i == 4) allocations = pf::memory_stats().system_allocations;
      const auto loss = pf::mean(pf::square(model(x)));
      adam.step(model, pf::clip_by_norm(pf::gradient(loss, model), 0.01).gradients);
    }
    CHECK(pf::memory_stats().system_allocations == allocations);
    return model.layers[1].weight.to_vector();
  };
  const auto one = train(1);
  CHECK(train(2) == one);
  CHECK(train(5) == one);
  pf::set_num_threads(threads);
}
