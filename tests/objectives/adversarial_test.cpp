// Adversarial losses and penalties against closed forms and finite differences.
#include <cmath>
#include <vector>

#include <pushforward/nn/activations.hpp>
#include <pushforward/nn/dropout.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/nn/sequential.hpp>
#include <pushforward/objectives/adversarial.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Tensor;

namespace {

using Critic = pf::Mlp<double>;

// D(x) = w x + b with |w| = 5.
pf::Linear<double> linear_critic() {
  pf::Rng rng(0);
  pf::Linear<double> critic(2, 1, rng);
  critic.weight = Tensor<double>({1, 2}, {3.0, -4.0});
  critic.bias = Tensor<double>{0.5};
  return critic;
}

// The critic's scores by hand.
std::vector<double> scores_of(const Tensor<double>& x) {
  std::vector<double> scores;
  for (Index i = 0; i < x.size(0); ++i) scores.push_back(3 * x(i, 0) - 4 * x(i, 1) + 0.5);
  return scores;
}

template <class F>
double mean_of(const std::vector<double>& values, const F& f) {
  double total = 0;
  for (double value : values) total += f(value);
  return total / static_cast<double>(values.size());
}

double softplus_of(double x) { return std::log1p(std::exp(x)); }

struct Data {
  Tensor<double> real, fake;
};
Data some_data(Index n = 6, Index d = 2) {
  pf::Rng rng(7);
  return {pf::normal<double>({n, d}, rng) * 0.5 + 0.3, pf::normal<double>({n, d}, rng) * 0.7 - 0.2};
}

// The critic with its first weight replaced by w, so that a loss is a function of w. Biases stay.
struct WithWeight {
  const Critic& critic;
  Tensor<double> weight;
  Tensor<double> operator()(const Tensor<double>& x) const {
    Tensor<double> h = pf::linear(x, weight, critic.layers[0].bias.tensor(), critic.options.activation);
    for (std::size_t i = 1; i < critic.layers.size(); ++i)
      h = i + 1 < critic.layers.size() ? critic.layers[i](h, critic.options.activation) : critic.layers[i](h);
    return h;
  }
  static void members(auto&, auto&&) {}
};

// D(x) = |x|^2, [n]: the slope is 2 x.
struct Quadratic {
  Tensor<double> operator()(const Tensor<double>& x) const { return pf::sum(pf::square(x), 1); }
};

// The same for images, [n, 1], which keeps what it was called with.
struct Recorder {
  mutable Tensor<double> seen;
  Tensor<double> operator()(const Tensor<double>& x) const {
    seen = pf::stop_gradient(x);
    return pf::sum(pf::reshape(pf::square(x), {x.size(0), -1}), 1, true);
  }
  static void members(auto&, auto&&) {}
};

}  // namespace

TEST_CASE("the losses of a linear critic are their closed forms") {
  const auto critic = linear_critic();
  const auto [real, fake] = some_data();
  const auto on_real = scores_of(real), on_fake = scores_of(fake);
  pf::Rng rng(0);

  const pf::NonSaturating classify;
  CHECK(classify.critic_loss(critic, real, fake, rng).item() ==
        Approx(mean_of(on_real, [](double s) { return softplus_of(-s); }) + mean_of(on_fake, softplus_of)));
  CHECK(classify.generator_loss(critic, fake).item() ==
        Approx(mean_of(on_fake, [](double s) { return softplus_of(-s); })));
  const double gap = mean_of(on_fake, [](double s) { return s; }) - mean_of(on_real, [](double s) { return s; });
  CHECK(pf::WassersteinGp{.penalty = 0}.critic_loss(critic, real, fake, rng).item() == Approx(gap));
  CHECK(pf::WassersteinGp{}.generator_loss(critic, fake).item() ==
        Approx(-mean_of(on_fake, [](double s) { return s; })));
  CHECK(pf::Hinge{}.critic_loss(critic, real, fake, rng).item() ==
        Approx(mean_of(on_real, [](double s) { return std::max(0.0, 1 - s); }) +
               mean_of(on_fake, [](double s) { return std::max(0.0, 1 + s); })));
  CHECK(pf::Hinge{}.generator_loss(critic, fake).item() == Approx(-mean_of(on_fake, [](double s) { return s; })));
}

TEST_CASE("the penalties of a linear critic are exact, whatever the data") {
  const auto critic = linear_critic();  // every gradient is w, of length 5
  const auto [real, fake] = some_data();
  pf::Rng rng(0);
  const auto value = [](const Tensor<double>& x) { return Approx(x.item()).epsilon(1e-12); };
  CHECK(16.0 == value(pf::gradient_penalty(critic, real, fake, {}, rng)));
  CHECK(9.0 == value(pf::gradient_penalty(critic, real, fake, {.target = 2}, rng)));
  CHECK(1.0 == value(pf::gradient_penalty(critic, real, fake, {.target = 6}, rng)));
  CHECK(0.0 == value(pf::gradient_penalty(critic, real, fake, {.target = 6, .one_sided = true}, rng)));
  CHECK(16.0 == value(pf::gradient_penalty(critic, real, fake, {.target = 1, .one_sided = true}, rng)));
  CHECK(12.5 == value(pf::r1_penalty(critic, real)));
  const auto plain = pf::WassersteinGp{.penalty = 0}.critic_loss(critic, real, fake, rng);
  CHECK(plain.item() + 160.0 == value(pf::WassersteinGp{}.critic_loss(critic, real, fake, rng)));
  const auto margin = pf::Hinge{}.critic_loss(critic, real, fake, rng);
  CHECK(margin.item() + 25.0 == value(pf::Hinge{.r1 = 2}.critic_loss(critic, real, fake, rng)));

  // d/dw of (|w| - 1)^2 is 2 (|w| - 1) w / |w|, and of |w|^2 / 2 it is w; the bias has none.
  const auto slopes = pf::gradient(pf::gradient_penalty(critic, real, fake, {}, rng), critic);
  CHECK(slopes[0](0, 0) == Approx(8 * 0.6));
  CHECK(slopes[0](0, 1) == Approx(8 * -0.8));
  CHECK(slopes[1](0) == 0.0);
  const auto r1 = pf::gradient(pf::r1_penalty(critic, real), critic);
  CHECK(r1[0](0, 0) == Approx(3.0));
  CHECK(r1[0](0, 1) == Approx(-4.0));
}

TEST_CASE("R1 of a quadratic critic is the mean square of its points") {
  const auto [real, fake] = some_data(9, 3);
  CHECK(pf::r1_penalty(Quadratic{}, real).item() == Approx(2 * pf::sum(pf::square(real)).item() / 9));
}

TEST_CASE("gradients of every loss in the critic's weights agree with finite differences") {
  for (const auto activation : {pf::Activation::tanh, pf::Activation::silu, pf::Activation::softplus}) {
    pf::Rng rng(3);
    const Critic critic({2, 5, 4, 1}, rng, {.activation = activation});
    const auto [real, fake] = some_data();
    const Tensor<double> weight = critic.layers[0].weight.tensor();
    const auto check = [&](const auto& loss_of, int order) {
      CHECK_NOTHROW(pf::testing::check_gradients(
          [&](const Tensor<double>& w) {
            pf::Rng noise(11);
            return loss_of(WithWeight{critic, w}, noise);
          },
          weight, {.order = order}));
    };
    const Data d{real, fake};
    check([&](const auto& c, pf::Rng& r) { return pf::NonSaturating{.r1 = 0.7}.critic_loss(c, d.real, d.fake, r); }, 2);
    check([&](const auto& c, pf::Rng& r) { return pf::WassersteinGp{}.critic_loss(c, d.real, d.fake, r); }, 2);
    check([&](const auto& c, pf::Rng& r) { return pf::gradient_penalty(c, d.real, d.fake, {.target = 0.3}, r); }, 2);
    check([&](const auto& c, pf::Rng&) { return pf::r1_penalty(c, d.real); }, 2);
    check([&](const auto& c, pf::Rng& r) { return pf::Hinge{.r1 = 0.1}.critic_loss(c, d.real, d.fake, r); }, 1);
    // In the generator's output.
    CHECK_NOTHROW(pf::testing::check_gradients(
        [&](const Tensor<double>& x) { return pf::NonSaturating{}.generator_loss(critic, x); }, fake));
  }
}

TEST_CASE("the penalty of a relu critic is differentiated twice: its weights get a gradient, biases of kinks none") {
  pf::Rng rng(5);
  const Critic critic({2, 16, 16, 1}, rng);
  const auto [real, fake] = some_data(32);
  pf::Rng a(1), b(1);
  const auto slopes = pf::gradient(pf::gradient_penalty(critic, real, fake, {}, a), critic);
  CHECK(pf::norm(slopes[0]).item() > 1e-3);
  CHECK(pf::norm(slopes[1]).item() == 0);
  // Against a difference along the gradient itself.
  Critic moved = critic;
  const double h = 1e-6;
  moved.layers[0].weight = critic.layers[0].weight.tensor() + h * slopes[0];
  const double before = pf::gradient_penalty(critic, real, fake, {}, b).item();
  b = pf::Rng(1);
  const double after = pf::gradient_penalty(moved, real, fake, {}, b).item();
  CHECK((after - before) / h == Approx(pf::sum(pf::square(slopes[0])).item()).epsilon(1e-4));
}

TEST_CASE("interpolates lie between pairs of rows, also for images, and real and fake are held constant") {
  const Recorder critic;
  pf::Rng rng(2);
  const auto real = pf::normal<double>({5, 1, 3, 4}, rng), fake = pf::normal<double>({5, 1, 3, 4}, rng);
  const auto variable_fake = pf::variable(fake);
  const auto penalty = pf::gradient_penalty(critic, real, variable_fake, {}, rng);
  REQUIRE(critic.seen.shape() == real.shape());
  double expected = 0;
  for (Index i = 0; i < 5; ++i) {
    const double a = (critic.seen(i, 0, 0, 0) - fake(i, 0, 0, 0)) / (real(i, 0, 0, 0) - fake(i, 0, 0, 0));
    CHECK((a >= 0 && a < 1));
    double squares = 0;
    for (Index r = 0; r < 3; ++r)
      for (Index c = 0; c < 4; ++c) {
        CHECK(critic.seen(i, 0, r, c) == Approx(fake(i, 0, r, c) + a * (real(i, 0, r, c) - fake(i, 0, r, c))));
        squares += 4 * critic.seen(i, 0, r, c) * critic.seen(i, 0, r, c);
      }
    expected += std::pow(std::sqrt(squares) - 1, 2) / 5;
  }
  CHECK(penalty.item() == Approx(expected));
  CHECK(pf::gradient(penalty, variable_fake).to_vector() == std::vector<double>(60, 0.0));
}

TEST_CASE("a gradient of length zero gives a finite loss and finite gradients") {
  pf::Rng rng(0);
  Critic critic({2, 4, 1}, rng);
  pf::for_each_parameter<double>(
      critic, [](const pf::Path&, pf::Parameter<double>& p) { p = Tensor<double>::zeros(p.shape()); });
  const auto [real, fake] = some_data();
  const auto loss = pf::WassersteinGp{}.critic_loss(critic, real, fake, rng);
  CHECK(loss.item() == Approx(10.0));
  for (const auto& g : pf::gradient(loss, critic))
    for (double value : g) CHECK(std::isfinite(value));
  // A critic that does not look at its input has no slope.
  const auto constant = [](const Tensor<double>& x) { return Tensor<double>::ones({x.size(0), 1}); };
  CHECK(pf::r1_penalty(constant, real).item() == 0);
}

TEST_CASE("a critic with dropout is given the generator, and real and fake may differ in number") {
  pf::Rng rng(0);
  const pf::Sequential critic(pf::Linear<>(2, 8, rng), pf::Relu{}, pf::Dropout{0.5}, pf::Linear<>(8, 1, rng));
  const auto real = pf::normal({6, 2}, rng), fake = pf::normal({4, 2}, rng);
  CHECK(std::isfinite(pf::Hinge{.r1 = 1}.critic_loss(critic, real, fake, rng).item()));
  CHECK(std::isfinite(pf::Hinge{}.generator_loss(critic, fake, rng).item()));
  CHECK_THROWS_AS(pf::Hinge{}.generator_loss(critic, fake), pf::ValueError);
  CHECK(std::isfinite(pf::NonSaturating{}.critic_loss(critic, real, fake, rng).item()));
  CHECK_THROWS_AS(pf::WassersteinGp{}.critic_loss(critic, real, fake, rng), pf::ShapeError);
}

TEST_CASE("penalties are taken inside NoGradient, too") {
  const auto critic = linear_critic();
  const auto [real, fake] = some_data();
  pf::Rng rng(0);
  pf::NoGradient guard;
  CHECK(pf::gradient_penalty(critic, real, fake, {}, rng).item() == Approx(16.0));
  CHECK(pf::NonSaturating{.r1 = 2}.critic_loss(critic, real, fake, rng).item() > 25.0);
}

TEST_CASE("shapes that do not fit are refused, with the shapes") {
  pf::Rng rng(0);
  const Critic two_scores({2, 4, 2}, rng), critic({2, 4, 1}, rng);
  const auto [real, fake] = some_data();
  CHECK_THROWS_WITH(pf::NonSaturating{}.critic_loss(two_scores, real, fake, rng),
                    ContainsSubstring("[12, 2]") && ContainsSubstring("one score for each row"));
  CHECK_THROWS_AS(pf::Hinge{}.generator_loss(two_scores, fake), pf::ShapeError);
  CHECK_THROWS_WITH(pf::gradient_penalty(critic, real, some_data(5).fake, {}, rng),
                    ContainsSubstring("[6, 2]") && ContainsSubstring("[5, 2]"));
  CHECK_THROWS_AS(pf::Hinge{}.critic_loss(critic, real, some_data(6, 3).fake, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::Hinge{}.critic_loss(critic, Tensor<double>::zeros({0, 2}), fake, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::Hinge{}.critic_loss(critic, Tensor<double>{1.0, 2.0}, fake, rng), pf::ShapeError);
}
