#include <cmath>

#include <pushforward/distributions/normal.hpp>
#include <pushforward/models/energy.hpp>
#include <pushforward/objectives/noise_contrastive.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// E(x) = exp(log_precision) (x - center)^2 / 2, of one number.
template <class S>
struct Parabola {
  using Scalar = S;
  pf::Parameter<S> center{Tensor<S>::scalar(S(0))}, log_precision{Tensor<S>::scalar(S(0))};
  Tensor<S> operator()(const Tensor<S>& x) const { return 0.5 * pf::exp(log_precision) * pf::square(x - center); }
  static void members(auto& self, auto&& visit) {
    visit("center", self.center);
    visit("log_precision", self.log_precision);
  }
};

}  // namespace

TEST_CASE("noise-contrastive estimation finds the parameters of a normal and its normalizing constant") {
  constexpr double center = 1.0, std = 0.6;
  constexpr Index n = 20'000;
  pf::Rng rng(1);
  const Tensor<double> data = center + std * pf::normal<double>({n, 1}, rng);
  pf::EnergyModel model(Parabola<double>(), {.features = 1});
  CHECK_FALSE(model.normalized());
  const pf::Normal<double> noise(Tensor<double>{0.5}, Tensor<double>{1.2});
  pf::fit(model, data, pf::noise_contrastive_estimation(noise, {.ratio = 5}),
          {.epochs = 40,
           .batch_size = 500,
           .optimizer = pf::Adam({.learning_rate = 0.02}),
           .schedule = pf::cosine_decay(),
           .progress = pf::Progress::off},
          rng);
  // The maximum-likelihood errors are std / sqrt(n) and sqrt(2 / n); these estimates are less than twice as far.
  CHECK(model.net().center.item() == Approx(center).margin(5 * 2 * std / std::sqrt(n)));
  CHECK(model.net().log_precision.item() == Approx(-2 * std::log(std)).margin(5 * 2 * std::sqrt(2.0 / n)));
  CHECK(model.normalized());
  CHECK(model.log_partition().item() == Approx(std::log(std) + 0.918938533).margin(5 * 2 * std::sqrt(2.0 / n)));
}

TEST_CASE("the noise-contrastive loss is the logistic loss of the log-ratio") {
  pf::Rng rng(2);
  pf::EnergyModel model(Parabola<double>(), {.features = 1});
  model.set_log_partition(0.918938533204672742);  // now the model is N(0, 1)
  const auto noise = pf::standard_normal<double>(1);
  const Tensor<double> x = pf::normal<double>({50, 1}, rng);
  // The same density: each logit is -log ratio.
  const double found = pf::noise_contrastive_estimation(noise, {.ratio = 3})(model, x, rng).item();
  CHECK(found == Approx(std::log(1 + 3.0) + 3 * std::log(1 + 1 / 3.0)).epsilon(1e-12));
}

TEST_CASE("the noise-contrastive loss has gradients in the model and in its log-partition") {
  pf::Rng rng(3);
  const Tensor<double> x = pf::normal<double>({8, 1}, rng);
  struct Model {
    Tensor<double> slope, constant;
    bool normalized() const { return true; }
    void set_log_partition(double) {}
    Tensor<double> log_partition() const { return constant; }
    Tensor<double> unnormalized_log_prob(const Tensor<double>& at) const {
      return pf::sum(slope * at - pf::square(at), 1);
    }
  };
  const auto noise = pf::standard_normal<double>(1);
  CHECK_NOTHROW(pf::testing::check_gradients(
      [&](const Tensor<double>& a, const Tensor<double>& b) {
        pf::Rng same(4);
        Model model{a, b};
        return pf::noise_contrastive_estimation(noise, {.ratio = 2})(model, x, same);
      },
      {Tensor<double>{0.3}, Tensor<double>{0.7}}));
}

TEST_CASE("noise-contrastive estimation refuses a ratio below one") {
  pf::Rng rng(5);
  pf::EnergyModel model(Parabola<float>(), {.features = 1});
  const auto objective = pf::noise_contrastive_estimation(pf::standard_normal(1), {.ratio = 0});
  CHECK_THROWS_AS(objective(model, Tensor<>::zeros({3, 1}), rng), pf::ValueError);
}
