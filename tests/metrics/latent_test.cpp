#include <pushforward/core/threads.hpp>
#include <pushforward/metrics/latent.hpp>

#include "support/catch.hpp"
#include "support/linear_gaussian.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// Of its three latent numbers the second carries nothing.
struct OneIdle {
  pf::Normal<double> encode(const Tensor<double>& x) const {
    return {x * Tensor<double>{1.0, 0.0, 0.5}, Tensor<double>{0.5, 1.0, 0.25}};
  }
  pf::Normal<double> decode(const Tensor<double>& z) const { return {z, Tensor<double>{1.0}}; }
  pf::Normal<double> prior() const { return pf::standard_normal<double>(3); }
};

}  // namespace

TEST_CASE("active units are the dimensions whose mean varies, with that variance") {
  pf::Rng rng(1);
  const Tensor<double> x = pf::normal<double>({2345, 3}, rng);
  const auto units = pf::active_units(OneIdle{}, x, {.batch = 100});
  CHECK(units.count == 2);
  CHECK(units.variance(1) == 0.0);
  CHECK(units.variance(2) == Approx(0.25 * pf::var(pf::slice(x, 1, 2, 3), {0}, false, 1).item()).epsilon(1e-10));
  CHECK(pf::active_units(OneIdle{}, x, {.threshold = 0.5}).count == 1);
  CHECK_THROWS_AS(pf::active_units(OneIdle{}, Tensor<double>::zeros({1, 3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::active_units(OneIdle{}, x, {.batch = 0}), pf::ValueError);
}

TEST_CASE("the divergence of each dimension is that of its normals, averaged over the data") {
  pf::Rng rng(2);
  const Tensor<double> x = pf::normal<double>({777, 3}, rng);
  const Tensor<double> kl = pf::kl_per_dimension(OneIdle{}, x, 100);
  const double second_moment = pf::square(pf::slice(x, 1, 0, 1)).mean();
  CHECK(kl(0) == Approx(0.5 * (second_moment + 0.25 - 1) - std::log(0.5)).epsilon(1e-10));
  CHECK(kl(1) == Approx(0.0).margin(1e-15));
}

TEST_CASE("the parts of the bound are those of a linear-Gaussian model") {
  pf::Rng rng(3);
  const tests::LinearGaussian model;
  const Index n = 3000;
  const Tensor<double> x = model.sample(n, rng);
  const auto parts = pf::elbo_surgery(model, x, rng, 2);
  // The encoder is the posterior, so the aggregate of its codes is the prior, and the information that of x and z,
  // log of the ratio of standard deviations of prior and posterior.
  const double information = 0.5 * std::log(model.total() / (model.s * model.s));
  // The standard deviation of log q(z | x) - log q(z) is 1 at most; n draws of x and 2 n of z enter.
  CHECK(parts.mutual_information == Approx(information).margin(4.5 / std::sqrt(static_cast<double>(n))));
  CHECK(parts.marginal_kl == Approx(0.0).margin(0.03));
  CHECK(parts.elbo() == Approx(model.log_prob(x).mean()).margin(1e-10));  // draw by draw with the true posterior
  CHECK(parts.divergence() == Approx(pf::kl_divergence(model.encode(x), model.prior()).mean()).margin(0.08));
}

TEST_CASE("no more than log n nats can be told about n examples") {
  pf::Rng rng(4);
  tests::LinearGaussian model;
  model.log_widen = Tensor<double>{-12.0};  // posteriors that do not overlap
  const Tensor<double> x = model.sample(50, rng);
  CHECK(pf::elbo_surgery(model, x, rng).mutual_information == Approx(std::log(50.0)).epsilon(1e-6));
  CHECK_THROWS_AS(pf::elbo_surgery(model, x, rng, 0), pf::ValueError);
}

TEST_CASE("the figures of codes do not depend on the number of threads") {
  const tests::LinearGaussian model;
  const int before = pf::num_threads();
  auto figures = [&](int threads) {
    pf::set_num_threads(threads);
    pf::Rng rng(5);
    const Tensor<double> x = model.sample(500, rng);
    const auto parts = pf::elbo_surgery(model, x, rng);
    return std::vector<double>{parts.reconstruction, parts.mutual_information, parts.marginal_kl,
                               pf::active_units(model, x).variance.item()};
  };
  const auto one = figures(1), three = figures(3);
  pf::set_num_threads(before);
  CHECK(one == three);
}

TEST_CASE("a linear probe finds what is linear in the code, and no more") {
  pf::Rng rng(6);
  auto labelled = [&](Index n, bool linear) {
    const Tensor<> x = pf::normal({n, 4}, rng) * Tensor<>{1.0f, 100.0f, 0.01f, 1.0f};
    const Tensor<Index> y = Tensor<Index>::generate(
        {n}, [&](Index i) { return linear ? Index{x(i, 2) > 0.003f} : Index{(x(i, 0) > 0) != (x(i, 3) > 0)}; });
    return std::pair(x, y);
  };
  const auto [x, y] = labelled(4000, true);
  const auto [test, truth] = labelled(2000, true);
  CHECK(pf::linear_probe(x, y, test, truth) > 0.95);
  const auto [u, v] = labelled(4000, false);
  const auto [test_u, test_v] = labelled(2000, false);
  CHECK(pf::linear_probe(u, v, test_u, test_v) == Approx(0.5).margin(0.05));
  CHECK_THROWS_AS(pf::linear_probe(x, truth, test, truth), pf::ShapeError);
}
