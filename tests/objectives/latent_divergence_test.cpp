#include <pushforward/objectives/annealed.hpp>
#include <pushforward/objectives/latent_divergence.hpp>
#include <pushforward/objectives/latent_mmd.hpp>
#include <pushforward/objectives/total_correlation.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/training/fit.hpp>
#include <pushforward/training/sgd.hpp>

#include "support/catch.hpp"
#include "support/linear_gaussian.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// Codes of two numbers are given outright; the decoder knows nothing of them.
struct Codes {
  using Scalar = double;
  pf::Parameter<double> mean, log_std;

  pf::Normal<double> encode(const Tensor<double>&) const { return pf::Normal<double>::from_log_std(mean, log_std); }
  pf::Normal<double> decode(const Tensor<double>& z) const {
    return pf::Normal<double>(Tensor<double>::zeros({z.size(-2), 1}), Tensor<double>{1.0});
  }
  pf::Normal<double> prior() const { return pf::standard_normal<double>(mean.size(1)); }

  static void members(auto& self, auto&& visit) {
    visit("mean", self.mean);
    visit("log_std", self.log_std);
  }
};

// Means of covariance [[0.75, c], [c, 0.75]], std 0.5: the aggregate is N(0, [[1, c], [c, 1]]).
Codes correlated_codes(Index n, double c, pf::Rng& rng) {
  const Tensor<double> e = pf::normal<double>({n, 2}, rng);
  const double a = std::sqrt(0.75), b = c / a, rest = std::sqrt(0.75 - b * b);
  const Tensor<double> u = pf::slice(e, 1, 0, 1), v = pf::slice(e, 1, 1, 2);
  Codes codes;
  codes.mean = pf::concat({a * u, b * u + rest * v}, 1);
  codes.log_std = Tensor<double>::full({n, 2}, std::log(0.5));
  return codes;
}

}  // namespace

TEST_CASE("the divergences of the dimensions add up to the divergence") {
  pf::Rng rng(1);
  const pf::Normal<double> q(pf::normal<double>({4, 3}, rng), pf::exp(pf::normal<double>({4, 3}, rng)));
  const pf::Normal<double> p(Tensor<double>{0.1, -2.0, 0.5}, Tensor<double>{1.0, 3.0, 0.2});
  for (const auto& prior : {p, pf::standard_normal<double>(3)}) {
    const Tensor<double> each = pf::kl_per_dimension(q, prior);
    REQUIRE(each.shape() == pf::Shape{4, 3});
    CHECK(pf::max(pf::abs(pf::sum(each, 1) - pf::kl_divergence(q, prior))).item() < 1e-12);
  }
  const double s = q.std()(2, 1), m = q.mean()(2, 1);
  CHECK(pf::kl_per_dimension(q, p)(2, 1) ==
        Approx(std::log(3.0 / s) + (s * s + (m + 2) * (m + 2)) / (2 * 9.0) - 0.5).epsilon(1e-12));
}

TEST_CASE("capacity_elbo is the reconstruction plus the weighted distance of the divergence from the capacity") {
  const tests::LinearGaussian model;
  pf::Rng rng(2), first(3), second(3);
  const Tensor<double> x = model.sample(40, rng);
  const double kl = pf::kl_divergence(model.encode(x), model.prior()).mean();
  const double fit = -(pf::elbo()(model, x, first).item() - kl);  // E_q[log p(x | z)]
  for (const double capacity : {0.0, kl - 0.2, kl + 0.3}) {
    pf::Rng same(3);
    CHECK(pf::capacity_elbo({.capacity = capacity, .gamma = 7})(model, x, same).item() ==
          Approx(7 * std::fabs(kl - capacity) - fit).epsilon(1e-10));
  }
  CHECK(pf::capacity_elbo({.capacity = 0, .gamma = 1})(model, x, second).item() == Approx(kl - fit).epsilon(1e-12));
  CHECK_THROWS_AS(pf::capacity_elbo({.capacity = -1})(model, x, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::capacity_elbo({.samples = 0})(model, x, rng), pf::ValueError);
}

TEST_CASE("training with a capacity brings the divergence to it") {
  pf::Rng rng(4);
  Codes codes = correlated_codes(64, 0.2, rng);
  const Tensor<double> x = Tensor<double>::zeros({64, 1});
  pf::fit(codes, x, pf::capacity_elbo({.capacity = 2.5, .gamma = 1}),
          {.epochs = 400,
           .batch_size = 64,
           .optimizer = pf::Adam({.learning_rate = 0.02}),
           .schedule = pf::cosine_decay(),
           .shuffle = false,
           .progress = pf::Progress::off},
          rng);
  CHECK(pf::kl_divergence(codes.encode(x), codes.prior()).mean() == Approx(2.5).margin(0.01));
}

TEST_CASE("free bits: dimensions below the threshold feel no divergence, those above feel all of it") {
  Codes codes;  // means 2 in the first dimension and 0.1 in the second
  codes.mean = pf::expand(Tensor<double>{2.0, 0.1}, {5, 2});
  codes.log_std = Tensor<double>::zeros({5, 2});
  pf::Rng rng(5);
  const Tensor<double> x = Tensor<double>::zeros({5, 1});
  const auto free = pf::gradient(pf::free_bits({.nats = 0.5})(codes, x, rng), codes);
  const auto full = pf::gradient(pf::elbo()(codes, x, rng), codes);
  for (Index i = 0; i < 5; ++i) {
    CHECK(free[0](i, 0) == Approx(full[0](i, 0)).epsilon(1e-12));
    CHECK(full[0](i, 1) == Approx(0.1 / 5));
    CHECK(free[0](i, 1) == 0.0);
    CHECK(free[1](i, 1) == 0.0);
  }
  // KL of the first is 2, of the second 0.005: it costs the threshold. The decoder's constant is log N(0; 0, 1).
  CHECK(pf::free_bits({.nats = 0.5})(codes, x, rng).item() == Approx(2.5 + 0.91893853320467).epsilon(1e-10));
  CHECK_THROWS_AS(pf::free_bits({.nats = -1})(codes, x, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::free_bits({.samples = 0})(codes, x, rng), pf::ValueError);
}

TEST_CASE("the parts of the divergence are those of a normal aggregate, and add up to the whole") {
  pf::Rng rng(6);
  const Index n = 1500;
  const double c = 0.6;
  const Codes codes = correlated_codes(n, c, rng);
  const pf::Normal<double> q = codes.encode({});
  const Tensor<double> z = q.rsample(rng);
  const auto parts = pf::divergence_parts(q, codes.prior(), z);
  const double det = 1 - c * c;
  // Each is a mean of n numbers of standard deviation about 1, 0.6 and 0.1; the data's own scatter adds as much.
  CHECK(parts.mutual_information.item() == Approx(0.5 * std::log(det / (0.25 * 0.25))).margin(0.12));
  CHECK(parts.total_correlation.item() == Approx(-0.5 * std::log(det)).margin(0.08));
  CHECK(parts.dimension_kl.item() == Approx(0.0).margin(0.03));
  const double drawn = (q.log_prob(z) - codes.prior().log_prob(z)).mean();
  for (const auto estimate : {pf::AggregateEstimate::weighted, pf::AggregateEstimate::stratified}) {
    const auto p = pf::divergence_parts(q, codes.prior(), z, 10 * n, estimate);
    CHECK((p.mutual_information + p.total_correlation + p.dimension_kl).item() == Approx(drawn).epsilon(1e-10));
  }
}

TEST_CASE("the density of the aggregate is estimated without bias from batches, by stratified weights") {
  pf::Rng rng(7);
  const Index n = 12, m = 4;
  const Codes codes = correlated_codes(n, 0.3, rng);
  const Tensor<double> z{0.3, -0.4};
  auto densities = [&](const Tensor<double>& rows) {
    return pf::exp(pf::Normal<double>(rows, Tensor<double>{0.5}).log_prob(z));
  };
  const double exact = densities(codes.mean).mean();
  // Over all batches of 4 that hold row 0: every other row is in equally many, C(10, 2) of C(11, 3).
  const Tensor<double> weights =
      pf::exp(pf::detail::aggregate_log_weights<double>(m, n, pf::AggregateEstimate::stratified));
  const Tensor<double> each = densities(codes.mean);
  double average = weights(0, 0) * each(0);
  for (Index j = 1; j < n; ++j) average += weights(0, 1) * each(j) * 3.0 / 11.0;
  double over_rows = 0;  // ... and over whose code it is, as the weights of the own row differ
  for (Index i = 0; i < n; ++i) {
    over_rows += weights(0, 0) * each(i) / static_cast<double>(n);
    for (Index j = 0; j < n; ++j)
      if (j != i) over_rows += weights(0, 1) * each(j) * 3.0 / 11.0 / static_cast<double>(n);
  }
  CHECK(average == Approx(exact).epsilon(1e-12));
  CHECK(over_rows == Approx(exact).epsilon(1e-12));
}

TEST_CASE("total_correlation_elbo with equal weights is the evidence lower bound at one draw") {
  pf::Rng rng(8), first(9), second(9);
  const Codes codes = correlated_codes(30, 0.5, rng);
  const Tensor<double> x = Tensor<double>::zeros({30, 1});
  CHECK(pf::total_correlation_elbo({.alpha = 1, .beta = 1, .gamma = 1, .dataset_size = 90})(codes, x, first).item() ==
        Approx(pf::elbo({.analytic_kl = false})(codes, x, second).item()).epsilon(1e-10));
  CHECK_THROWS_AS(pf::total_correlation_elbo({.dataset_size = 20})(codes, x, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::divergence_parts(codes.encode(x), codes.prior(), Tensor<double>::zeros({4, 2})), pf::ShapeError);
}

TEST_CASE("pressing on the total correlation makes dimensions independent") {
  pf::Rng rng(10);
  Codes codes = correlated_codes(300, 0.6, rng);
  const Tensor<double> x = Tensor<double>::zeros({300, 1});
  auto correlation = [&] {
    return pf::divergence_parts(codes.encode(x), codes.prior(), codes.encode(x).rsample(rng)).total_correlation.item();
  };
  const double before = correlation();
  pf::fit(codes, x, pf::total_correlation_elbo({.alpha = 0, .beta = 5, .gamma = 1}),
          {.epochs = 150,
           .batch_size = 300,
           .optimizer = pf::Adam({.learning_rate = 0.02}),
           .shuffle = false,
           .progress = pf::Progress::off},
          rng);
  CHECK(before > 0.12);
  CHECK(correlation() < 0.3 * before);
}

TEST_CASE("latent_mmd is the double sum that defines it, with the gradient of finite differences") {
  pf::Rng rng(11);
  const Tensor<double> a = pf::normal<double>({5, 2}, rng), b = pf::normal<double>({4, 2}, rng) + 1.0;
  for (const auto kernel : {pf::LatentKernel::rbf, pf::LatentKernel::inverse_multiquadratic}) {
    auto k = [&](const Tensor<double>& u, Index i, const Tensor<double>& v, Index j) {
      const double r = std::pow(u(i, 0) - v(j, 0), 2) + std::pow(u(i, 1) - v(j, 1), 2);
      if (kernel == pf::LatentKernel::rbf) return std::exp(-r / 4.0);
      double total = 0;
      for (const double f : {0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0}) total += 4 * f / (4 * f + r);
      return total;
    };
    double expected = 0;
    for (Index i = 0; i < 5; ++i)
      for (Index j = 0; j < 5; ++j) expected += i == j ? 0 : k(a, i, a, j) / 20;
    for (Index i = 0; i < 4; ++i)
      for (Index j = 0; j < 4; ++j) expected += i == j ? 0 : k(b, i, b, j) / 12;
    for (Index i = 0; i < 5; ++i)
      for (Index j = 0; j < 4; ++j) expected -= 2 * k(a, i, b, j) / 20;
    const pf::LatentMmdOptions options{.kernel = kernel};
    CHECK(pf::latent_mmd(a, b, options).item() == Approx(expected).epsilon(1e-10));
    CHECK_NOTHROW(pf::testing::check_gradients([&](const Tensor<double>& at) { return pf::latent_mmd(at, b, options); },
                                               a, {.order = 2}));
  }
  CHECK_THROWS_AS(pf::latent_mmd(a, Tensor<double>::zeros({1, 2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::latent_mmd(a, b, {.scale = -1}), pf::ValueError);
}

TEST_CASE("the discrepancy moves codes onto the prior, where a divergence of each would erase them") {
  pf::Rng rng(12);
  Codes codes = correlated_codes(200, 0.6, rng);
  codes.mean = codes.mean + 1.5;
  const Tensor<double> x = Tensor<double>::zeros({200, 1});
  const pf::FitOptions options{.epochs = 300,
                               .batch_size = 200,
                               .optimizer = pf::Sgd({.learning_rate = 10}),
                               .shuffle = false,
                               .progress = pf::Progress::off};
  auto distance = [&](const Tensor<double>& z) { return pf::latent_mmd(z, pf::normal<double>({200, 2}, rng)).item(); };
  Codes by_wae = codes, by_info = codes;
  CHECK(distance(codes.mean) > 1.0);
  // The estimate scatters by about 0.02 around 0 for equal distributions.
  pf::fit(by_wae, x, pf::wae_mmd({.lambda = 10}), options, rng);
  CHECK(distance(by_wae.mean) < 0.1);
  CHECK(by_wae.mean.mean() == Approx(0.0).margin(0.15));
  pf::fit(by_info, x, pf::info_vae({.alpha = 1, .lambda = 10}), options, rng);
  CHECK(distance(by_info.encode(x).rsample(rng)) < 0.1);
  CHECK(pf::var(by_info.mean, 0).mean() > 0.3);
  pf::fit(codes, x, pf::elbo(), options, rng);
  CHECK(pf::var(codes.mean, 0).mean() < 0.01);
  CHECK(distance(codes.encode(x).rsample(rng)) < 0.1);  // also the prior, but it says nothing of x
}

TEST_CASE("info_vae without weight on the discrepancy is the evidence lower bound") {
  const tests::LinearGaussian model;
  pf::Rng rng(13), first(14), second(14);
  const Tensor<double> x = model.sample(10, rng);
  CHECK(pf::info_vae({.alpha = 0, .lambda = 1})(model, x, first).item() ==
        Approx(pf::elbo()(model, x, second).item()).epsilon(1e-12));
  CHECK_THROWS_AS(pf::info_vae({.alpha = 0, .lambda = 0.5})(model, x, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::info_vae({.samples = 0})(model, x, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::wae_mmd({.lambda = -1})(model, x, rng), pf::ValueError);
}

TEST_CASE("fit asks an annealed objective for that of each step, and validates with the last") {
  pf::Rng rng(15);
  tests::LinearGaussian model;
  const Tensor<double> x = model.sample(40, rng);
  std::vector<std::pair<Index, Index>> asked;
  const auto objective = pf::annealed([&](Index step, Index total) {
    asked.emplace_back(step, total);
    return pf::elbo({.beta = pf::ramp(step, total)});
  });
  pf::fit(model, x, objective, {.epochs = 2, .batch_size = 20, .validation = x, .progress = pf::Progress::off}, rng);
  const std::vector<std::pair<Index, Index>> expected{{0, 4}, {1, 4}, {4, 4}, {2, 4}, {3, 4}, {4, 4}};
  CHECK(asked == expected);
}

TEST_CASE("ramps rise where they should") {
  CHECK(pf::ramp(0, 10) == 0);
  CHECK(pf::ramp(5, 10, 2, 4) == 3);
  CHECK(pf::ramp(50, 10, 2, 4) == 4);
  CHECK(pf::ramp(0, 0) == 1);
  CHECK(pf::cyclical_ramp(0, 100, 4, 0.5) == 0);
  CHECK(pf::cyclical_ramp(30, 100, 4, 0.5) == Approx(0.4));
  CHECK(pf::cyclical_ramp(45, 100, 4, 0.5) == 1);
  CHECK(pf::cyclical_ramp(100, 100, 4, 0.5) == 1);
  CHECK_THROWS_AS(pf::cyclical_ramp(1, 10, 0), pf::ValueError);
}
