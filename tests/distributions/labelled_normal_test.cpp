#include <pushforward/distributions/labelled_normal.hpp>
#include <pushforward/distributions/tempered.hpp>
#include <pushforward/testing/check_distribution.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

pf::LabelledNormal<double> three_labels(pf::Rng& rng) {
  pf::LabelledNormal<double> labelled(3, 2, rng, 2.0);
  labelled.log_std = pf::normal<double>({3, 2}, rng) * 0.3;
  labelled.logits = Tensor<double>{0.5, 0, -0.5};
  return labelled;
}

}  // namespace

TEST_CASE("a labelled normal is a normal for each label, and their mixture without one") {
  pf::Rng rng(1);
  const auto labelled = three_labels(rng);
  CHECK_NOTHROW(pf::testing::check_distribution(labelled(), rng));
  const Tensor<double> x = pf::normal<double>({3, 2}, rng);
  CHECK(labelled.log_prob(x).to_vector() == labelled().log_prob(x).to_vector());
  const Tensor<Index> label{2, 0, 2};
  const Tensor<double> found = labelled.log_prob(x, label);
  REQUIRE(found.shape() == pf::Shape{3});
  for (Index i = 0; i < 3; ++i) {
    const Index k = label(i);
    const pf::Normal<double> own(pf::select(labelled.mean.tensor(), 0, k),
                                 pf::exp(pf::select(labelled.log_std.tensor(), 0, k)));
    CHECK(found(i) == Approx(own.log_prob(pf::select(x, 0, i)).item()).epsilon(1e-12));
  }
  // Bayes' rule by hand.
  const Tensor<double> weights = pf::softmax(labelled.logits, 0), posterior = labelled.label_probabilities(x);
  for (Index i = 0; i < 3; ++i)
    CHECK(posterior(i, label(i)) ==
          Approx(weights(label(i)) * std::exp(found(i) - labelled.log_prob(x)(i))).epsilon(1e-10));
  // Only the labels at hand receive gradients.
  const Tensor<double> slope = pf::gradient(pf::sum(labelled.log_prob(x, label)), labelled.mean.tensor());
  CHECK(slope(1, 0) == 0);
  CHECK(slope(0, 0) != 0);
}

TEST_CASE("draws for labels have the moments of their labels") {
  pf::Rng rng(2);
  const auto labelled = three_labels(rng);
  const Index n = 20'000;
  for (Index k = 0; k < 3; ++k) {
    const Tensor<double> x = labelled.sample(Tensor<Index>::full({n}, k), rng);
    REQUIRE(x.shape() == pf::Shape{n, 2});
    for (Index j = 0; j < 2; ++j) {
      const double std = std::exp(labelled.log_std(k, j));
      CHECK(pf::mean(x, 0)(j) == Approx(labelled.mean(k, j)).margin(5 * std / std::sqrt(double(n))));
      CHECK(std::sqrt(pf::var(x, 0)(j)) == Approx(std).epsilon(0.03));
    }
  }
  for (const Index none : {-4, -1, 3, 100}) {
    CHECK_THROWS_AS(labelled.sample(Tensor<Index>{none}, rng), pf::ValueError);
    CHECK_THROWS_AS(labelled.log_prob(Tensor<double>::ones({2, 2}), Tensor<Index>{0, none}), pf::ValueError);
  }
  CHECK_THROWS_AS(labelled.log_prob(Tensor<double>::ones({2, 2}), Tensor<Index>{0}), pf::ShapeError);
  CHECK_THROWS_AS(pf::LabelledNormal<>(0, 2, rng), pf::ValueError);
  // One number would be broadcast to many.
  CHECK(labelled.shape() == pf::Shape{2});
  const pf::LabelledNormal<double> narrow(3, 1, rng);
  CHECK_THROWS_AS(narrow.log_prob(Tensor<double>::ones({2, 2})), pf::ShapeError);
  CHECK_THROWS_AS(narrow.log_prob(Tensor<double>::ones({2, 2}), Tensor<Index>{0, 1}), pf::ShapeError);
  CHECK_THROWS_AS(narrow.label_probabilities(Tensor<double>::ones({2, 2})), pf::ShapeError);
}

TEST_CASE("tempered distributions have their spread times the temperature, and are densities") {
  pf::Rng rng(3);
  const pf::Normal<double> base(Tensor<double>{1, -2}, Tensor<double>{0.5, 2});
  const auto cool = pf::tempered(base, 0.6);
  // p^(1 / T^2), normalized: differences of log-densities are divided by T^2.
  const Tensor<double> x = pf::normal<double>({2, 2}, rng);
  const Tensor<double> was = base.log_prob(x), is = cool.log_prob(x);
  CHECK((is(0) - is(1)) * 0.36 == Approx(was(0) - was(1)).epsilon(1e-10));
  CHECK(cool.std()(1) == Approx(1.2).epsilon(1e-12));

  pf::LearnedNormal<double> learned(2);
  learned.mean = Tensor<double>{3, 4};
  CHECK(pf::tempered(learned, 2).mean()(1) == 4);
  CHECK(pf::tempered(learned, 2).std()(1) == Approx(2));

  const pf::LearnedMixture<double> bumps(3, 2, rng, 2.0);
  const auto narrow = pf::tempered(bumps, 0.5);
  CHECK_NOTHROW(pf::testing::check_distribution(narrow, rng));
  CHECK(narrow.components().std()(0, 0) == Approx(0.5));
  CHECK(narrow.mean().to_vector() == bumps().mean().to_vector());

  const auto labelled = three_labels(rng);
  const auto calm = pf::tempered(labelled, 0.5);
  CHECK_NOTHROW(pf::testing::check_distribution(calm(), rng));
  CHECK(calm.log_std(2, 1) == Approx(labelled.log_std(2, 1) - std::log(2)));
  for (const double bad : {0.0, -1.0, double(NAN)}) CHECK_THROWS_AS(pf::tempered(base, bad), pf::ValueError);
}
