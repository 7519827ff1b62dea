#include <pushforward/dynamics/divergence.hpp>
#include <pushforward/ops/elementwise.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Activation;
using pf::Index;
using pf::Tensor;

namespace {

constexpr Activation activations[] = {Activation::none,     Activation::relu, Activation::tanh, Activation::sigmoid,
                                      Activation::softplus, Activation::silu, Activation::gelu};

// A network whose hidden units are well into their curves.
template <class S>
pf::TimeMlp<S> bent_network(Index d, const std::vector<Index>& hidden, pf::Rng& rng, pf::TimeMlpOptions how) {
  pf::TimeMlp<S> net(d, hidden, rng, how);
  for (auto& layer : net.layers) layer.weight = layer.weight.tensor() * S(1.7);
  return net;
}

// The sum of the diagonal of the Jacobian of one row, entry by entry.
template <class Field>
double trace_of_jacobian(const Field& field, const Tensor<double>& row, double t) {
  const Index d = row.size(1);
  const Tensor<double> full = pf::jacobian([&](const Tensor<double>& x) { return field(x, t); }, row);
  double trace = 0;
  for (Index i = 0; i < d; ++i) trace += full.data()[i * d + i];
  return trace;
}

template <class Field, class Found>
void check_against_jacobian(const Field& field, const Tensor<double>& x, double t, const Found& found) {
  const Tensor<double> value = field(x, t);
  REQUIRE(found.velocity.shape() == x.shape());
  REQUIRE(found.divergence.shape() == pf::Shape{x.size(0)});
  CHECK(pf::max(pf::abs(found.velocity - value)).item() < 1e-13);
  for (Index i = 0; i < x.size(0); ++i)
    CHECK(found.divergence(i) == Approx(trace_of_jacobian(field, pf::slice(x, 0, i, i + 1), t)).margin(1e-13));
}

template <class S>
double largest_difference(const Tensor<S>& a, const Tensor<S>& b) {
  REQUIRE(a.shape() == b.shape());
  return a.empty() ? 0.0 : static_cast<double>(pf::max(pf::abs(a - b)).item());
}

// A weighted sum of velocities and divergences: one number that depends on all of them.
template <class S>
Tensor<S> weighted(const pf::VelocityAndDivergence<S>& found, std::uint64_t seed) {
  pf::Rng rng(seed);
  const Tensor<S> v = pf::normal<S>(found.velocity.shape(), rng), l = pf::normal<S>(found.divergence.shape(), rng);
  return pf::sum(found.velocity * v) + pf::sum(found.divergence * l);
}

// A field that knows its divergence, and says a number that nobody else would.
struct Known {
  Tensor<double> operator()(const Tensor<double>& x, double) const { return x; }
  pf::VelocityAndDivergence<double> velocity_and_divergence(const Tensor<double>& x, double) const {
    return {x, Tensor<double>::full({x.size(0)}, 42)};
  }
};

}  // namespace

TEST_CASE("the divergence of any field is the trace of its full Jacobian") {
  pf::Rng rng(1);
  const pf::Linear<double> a(3, 8, rng), b(8, 3, rng);
  auto field = [&](const Tensor<double>& x, double t) { return b(pf::sin(a(x) * (1 + t))) * pf::square(x) + t * x; };
  const Tensor<double> x = pf::normal<double>({5, 3}, rng);
  check_against_jacobian(field, x, 0.4, pf::velocity_and_divergence(field, x, 0.4));
  check_against_jacobian(field, x, 0.4, pf::with_divergence(field)(x, 0.4));
}

TEST_CASE("the closed form of a multilayer perceptron is the trace of its full Jacobian, for every depth") {
  pf::Rng rng(2);
  const Tensor<double> x = pf::normal<double>({4, 3}, rng);
  for (const Activation activation : activations) {
    for (const std::vector<Index>& hidden : {std::vector<Index>{}, {7}, {7, 9}, {5, 4, 6}}) {
      for (const Index frequencies : {0, 2}) {
        const auto net = bent_network<double>(3, hidden, rng, {.activation = activation, .frequencies = frequencies});
        check_against_jacobian(net, x, 0.3, pf::velocity_and_divergence(net, x, 0.3));
      }
    }
  }
}

TEST_CASE("the fused pass and the general one agree in values and gradients, at every number of rows") {
  pf::Rng rng(3);
  for (const Activation activation : {Activation::tanh, Activation::sigmoid, Activation::softplus, Activation::silu}) {
    const auto net = bent_network<double>(2, {20, 36}, rng, {.activation = activation, .frequencies = 1});
    auto field = [&](const Tensor<double>& x, double t) { return net(x, t); };
    for (const Index n : {1, 2, 63, 64, 65, 129, 300}) {
      const Tensor<double> x = pf::variable(pf::normal<double>({n, 2}, rng));
      const auto fused = pf::velocity_and_divergence(net, x, 0.7), general = pf::velocity_and_divergence(field, x, 0.7);
      CHECK(largest_difference(fused.velocity, general.velocity) < 1e-13);
      CHECK(largest_difference(fused.divergence, general.divergence) < 1e-13);
      const auto of_fused = pf::gradient(weighted(fused, 4), net), of_general = pf::gradient(weighted(general, 4), net);
      for (std::size_t i = 0; i < of_fused.size(); ++i) CHECK(largest_difference(of_fused[i], of_general[i]) < 1e-11);
      CHECK(largest_difference(pf::gradient(weighted(fused, 4), x), pf::gradient(weighted(general, 4), x)) < 1e-12);
    }
  }
}

TEST_CASE("velocity and divergence have gradients of order 2 in the points") {
  pf::Rng rng(5);
  const Tensor<double> x = pf::normal<double>({3, 2}, rng);
  for (const std::vector<Index>& hidden : {std::vector<Index>{6, 5}, {4, 5, 6}}) {
    const auto net = bent_network<double>(2, hidden, rng, {.activation = Activation::tanh});
    auto closed = [&](const Tensor<double>& at) { return weighted(pf::velocity_and_divergence(net, at, 0.2), 6); };
    CHECK_NOTHROW(pf::testing::check_gradients(closed, x, {.order = 2}));
    auto field = [&](const Tensor<double>& at, double t) { return net(at, t); };
    auto general = [&](const Tensor<double>& at) { return weighted(pf::velocity_and_divergence(field, at, 0.2), 6); };
    CHECK_NOTHROW(pf::testing::check_gradients(general, x, {.order = 2}));
  }
}

TEST_CASE("the fused gradient in every weight agrees with central differences") {
  pf::Rng rng(7);
  const Tensor<double> x = pf::normal<double>({5, 2}, rng);
  for (const Activation activation : {Activation::tanh, Activation::silu}) {
    auto net = bent_network<double>(2, {4, 3}, rng, {.activation = activation, .frequencies = 1});
    auto loss = [&] { return weighted(pf::velocity_and_divergence(net, x, 0.6), 8); };
    const auto found = pf::gradient(loss(), net);
    std::size_t at = 0;
    pf::for_each_parameter<double>(net, [&](const pf::Path&, pf::Parameter<double>& p) {
      const Tensor<double> here = pf::stop_gradient(p.tensor());
      const Tensor<double> slope = found[at++];
      for (Index i = 0; i < here.size(); ++i) {
        constexpr double h = 1e-5;  // differences of order 2: error about h^2
        auto moved = [&](double by) {
          p = Tensor<double>::generate(here.shape(), [&](Index j) { return here.data()[j] + (i == j ? by : 0); });
          return loss().item();
        };
        CHECK(slope.data()[i] == Approx((moved(h) - moved(-h)) / (2 * h)).margin(1e-8));
        p = here;
      }
    });
  }
}

TEST_CASE("the derivative of the augmented state is the velocity beside the divergence, whatever the integral is") {
  pf::Rng rng(9);
  const auto net = bent_network<double>(3, {8, 8}, rng, {.activation = Activation::softplus});
  auto field = [&](const Tensor<double>& x, double t) { return net(x, t); };
  const Tensor<double> x = pf::normal<double>({6, 3}, rng);
  const auto expected = pf::velocity_and_divergence(field, x, 0.1);
  const Tensor<double> state = pf::variable(pf::concat({x, pf::normal<double>({6, 1}, rng)}, 1));
  for (const Tensor<double>& both :
       {pf::with_divergence(net).augmented(state, 0.1), pf::with_divergence(field).augmented(state, 0.1)}) {
    REQUIRE(both.shape() == pf::Shape{6, 4});
    CHECK(largest_difference(pf::slice(both, 1, 0, 3), expected.velocity) < 1e-13);
    CHECK(largest_difference(pf::squeeze(pf::slice(both, 1, 3, 4), 1), expected.divergence) < 1e-13);
    const Tensor<double> slope = pf::gradient(pf::sum(pf::square(both)), state);
    CHECK(pf::max(pf::abs(pf::slice(slope, 1, 3, 4))).item() == 0);
  }
}

TEST_CASE("Hutchinson's estimate, averaged over all probes of signs, is the exact divergence") {
  pf::Rng rng(10);
  const auto net = bent_network<double>(3, {8, 8}, rng, {.activation = Activation::tanh});
  const Tensor<double> x = pf::normal<double>({4, 3}, rng);
  Tensor<double> total = Tensor<double>::zeros({4});
  for (int signs = 0; signs < 8; ++signs) {
    const Tensor<double> probe =
        Tensor<double>::generate({4, 3}, [&](Index i) { return (signs >> (i % 3)) & 1 ? 1.0 : -1.0; });
    const auto found = pf::with_divergence(net, probe)(x, 0.5);
    CHECK(largest_difference(found.velocity, net(x, 0.5)) == 0);
    total = total + found.divergence;
  }
  // The diagonal counts once in each of the eight, everything else cancels.
  CHECK(largest_difference(total / 8, pf::velocity_and_divergence(net, x, 0.5).divergence) < 1e-14);
  auto estimate = [&](const Tensor<double>& at) {
    return weighted(pf::velocity_and_divergence(net, at, 0.5, Tensor<double>::ones({4, 3})), 11);
  };
  CHECK_NOTHROW(pf::testing::check_gradients(estimate, x, {.order = 2}));
}

TEST_CASE("without a graph the same numbers come out as constants") {
  pf::Rng rng(12);
  const auto net = bent_network<float>(2, {8, 8}, rng, {.activation = Activation::tanh});
  auto field = [&](const Tensor<>& x, double t) { return net(x, t); };
  const Tensor<> x = pf::normal({9, 2}, rng);
  const auto recorded = pf::velocity_and_divergence(net, x, 0.5), general = pf::velocity_and_divergence(field, x, 0.5);
  CHECK(recorded.divergence.tracked());
  CHECK(general.divergence.tracked());
  pf::NoGradient guard;
  const auto plain = pf::velocity_and_divergence(net, x, 0.5),
             plain_general = pf::velocity_and_divergence(field, x, 0.5);
  for (const auto& [constant, with_graph] : {std::pair{plain, recorded}, std::pair{plain_general, general}}) {
    CHECK_FALSE(constant.velocity.tracked());
    CHECK_FALSE(constant.divergence.tracked());
    CHECK(constant.velocity.to_vector() == with_graph.velocity.to_vector());
    CHECK(constant.divergence.to_vector() == with_graph.divergence.to_vector());
  }
}

TEST_CASE("the fused pass in float gives the bits of one thread for any number of them") {
  pf::Rng rng(13);
  const auto net = bent_network<float>(2, {64, 64}, rng, {.activation = Activation::silu, .frequencies = 2});
  const int before = pf::num_threads();
  for (const Index n : {33, 700, 2100}) {
    const Tensor<> x = pf::variable(pf::normal({n, 2}, rng));
    std::vector<std::vector<float>> seen;
    for (const int threads : {1, 2, 3, 4}) {
      pf::set_num_threads(threads);
      const auto found = pf::velocity_and_divergence(net, x, 0.5);
      const Tensor<> loss = weighted(found, 14);
      std::vector<float> bits = found.velocity.to_vector();
      auto append = [&](const Tensor<>& more) { bits.insert(bits.end(), more.begin(), more.end()); };
      append(found.divergence);
      append(pf::gradient(loss, x));
      for (const Tensor<>& each : pf::gradient(loss, net)) append(each);
      seen.push_back(std::move(bits));
    }
    for (const auto& other : seen) CHECK(other == seen.front());
  }
  pf::set_num_threads(before);
}

TEST_CASE("a field that knows its divergence is asked, and one that ignores its points has none") {
  pf::Rng rng(15);
  const Tensor<double> x = pf::normal<double>({3, 2}, rng);
  CHECK(pf::velocity_and_divergence(Known{}, x, 0.0).divergence.min() == 42);
  CHECK(pf::with_divergence(Known{}).augmented(Tensor<double>::ones({3, 3}), 0.0)(0, 2) == 42);
  auto wind = [](const Tensor<double>& at, double t) { return Tensor<double>::full(at.shape(), t); };
  CHECK(pf::abs(pf::velocity_and_divergence(wind, x, 2.0).divergence).max() == 0);
  const Tensor<double> speed = pf::variable(Tensor<double>::ones({3, 2}));
  auto trained = [&](const Tensor<double>&, double t) { return speed * t; };
  CHECK(pf::abs(pf::velocity_and_divergence(trained, x, 2.0).divergence).max() == 0);
}

TEST_CASE("no rows are no rows, and wrong shapes are refused") {
  pf::Rng rng(16);
  const pf::TimeMlp<> net(2, {8, 8}, rng, {.activation = Activation::tanh});
  const auto none = pf::velocity_and_divergence(net, Tensor<>::zeros({0, 2}), 0.0);
  CHECK(none.velocity.shape() == pf::Shape{0, 2});
  CHECK(none.divergence.shape() == pf::Shape{0});
  const auto gradients = pf::gradient(pf::sum(none.velocity), net);
  CHECK(gradients[0].sum() == 0);
  CHECK_THROWS_AS(pf::velocity_and_divergence(net, Tensor<>::zeros({4, 3}), 0.0), pf::ShapeError);
  CHECK_THROWS_AS(pf::velocity_and_divergence(net, Tensor<>::zeros({2}), 0.0), pf::ShapeError);
  CHECK_THROWS_AS(pf::with_divergence(net).augmented(Tensor<>::zeros({4, 2}), 0.0), pf::ShapeError);
  CHECK_THROWS_AS(pf::with_divergence(pf::TimeMlp<>(2, {8, 8}, rng, {.outputs = 3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::with_divergence(pf::TimeMlp<>()), pf::ValueError);
  auto sums = [](const Tensor<>& x, double) { return pf::sum(x, 1); };
  CHECK_THROWS_AS(pf::velocity_and_divergence(sums, Tensor<>::zeros({4, 2}), 0.0), pf::ShapeError);
  CHECK_THROWS_AS(pf::velocity_and_divergence(net, Tensor<>::zeros({4, 2}), 0.0, Tensor<>::zeros({4, 3})),
                  pf::ShapeError);
}
