#include <pushforward/distributions/discretized_logistic.hpp>
#include <pushforward/distributions/independent.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;
using Pixels = pf::DiscretizedLogistic<double>;

TEST_CASE("the masses of all levels of a DiscretizedLogistic sum to one, wide or narrow, inside or outside") {
  for (double mean : {-40.0, -1.0, 0.0, 0.3, 5.0})
    for (double log_scale : {-12.0, -3.0, 0.0, 4.0}) {
      const Pixels d(Tensor<double>{mean}, Tensor<double>{log_scale});
      const Tensor<double> all = d.log_prob(pf::unsqueeze(d.levels(), -1));
      REQUIRE(all.shape() == pf::Shape{256});
      CHECK(pf::exp(all).sum() == Approx(1.0).epsilon(1e-9));
      CHECK(std::isfinite(all.min()));
    }
}

TEST_CASE("a level's mass is the difference of two sigmoids, the ends take what lies beyond") {
  const double mean = 0.2, scale = 0.1, half = 1.0 / 255;
  const Pixels d(Tensor<double>{mean}, Tensor<double>{std::log(scale)});
  auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  const double x = 2.0 * 140 / 255 - 1;
  CHECK(d.log_prob(Tensor<double>{x}).item() ==
        Approx(std::log(sigmoid((x + half - mean) / scale) - sigmoid((x - half - mean) / scale))));
  CHECK(d.log_prob(Tensor<double>{-1.0}).item() == Approx(std::log(sigmoid((-1 + half - mean) / scale))));
  CHECK(d.log_prob(Tensor<double>{1.0}).item() == Approx(std::log(sigmoid((mean + half - 1) / scale))));
  CHECK(d.log_prob(Tensor<double>{x + 0.3 * half}).item() == d.log_prob(Tensor<double>{x}).item());
  CHECK(d.cdf(Tensor<double>{-1.1, x, 1.0}).to_vector() == std::vector<double>{0, d.cdf(Tensor<double>{x}).item(), 1});
  CHECK(d.cdf(Tensor<double>{x}).item() == Approx(sigmoid((x + half - mean) / scale)));
}

TEST_CASE("far from its mean a DiscretizedLogistic loses no digit in floats") {
  const pf::DiscretizedLogistic<> narrow(Tensor<>{-0.9f}, Tensor<>{-7.0f});
  const Pixels exact(Tensor<double>{static_cast<double>(-0.9f)}, Tensor<double>{-7.0});
  for (float x : {-1.0f, 0.0f, 1.0f})
    CHECK(narrow.log_prob(Tensor<>{x}).item() ==
          Approx(exact.log_prob(Tensor<double>{static_cast<double>(x)}).item()).epsilon(1e-5));
}

TEST_CASE("draws of a DiscretizedLogistic follow its masses and moments") {
  pf::Rng rng(1);
  // Levels on the integers, which the check sums over.
  const Pixels few(Tensor<double>{{3, 1}, {2.0, 6.4, -3.0}}, Tensor<double>{0.5}, {.levels = 8, .low = 0, .high = 7});
  const Index n = 50'000;
  const Tensor<double> x = few.sample(n, rng);
  for (Index k = 0; k < 3; ++k)
    for (int level = 0; level < 8; ++level) {
      const double p = std::exp(few.log_prob(Tensor<double>::full({3, 1}, level))(k));
      const double share = pf::mean(pf::equal(pf::select(x, 1, k), level)).item();
      CHECK(std::abs(share - p) < 5 * std::sqrt(p * (1 - p) / static_cast<double>(n)) + 1e-9);
    }
  double mean = 0, second = 0, entropy = 0;
  for (int level = 0; level < 8; ++level) {
    const double score = few.log_prob(Tensor<double>::full({3, 1}, level))(0), p = std::exp(score);
    mean += p * level, second += p * level * level, entropy -= p * score;
  }
  CHECK(few.mean()(0, 0) == Approx(mean));
  CHECK(few.variance()(0, 0) == Approx(second - mean * mean));
  CHECK(few.entropy()(0) == Approx(entropy));
  CHECK(few.sample(rng).shape() == pf::Shape{3, 1});
}

TEST_CASE("a DiscretizedLogistic is twice differentiable in its parameters, at the ends too") {
  const Tensor<double> x{{4, 1}, {-1.0, 1.0, 11.0 / 255, 1.0 / 255}}, mean{0.1}, log_scale{-1.5};
  auto f = [&](const auto& m, const auto& s) { return Pixels(m, s).log_prob(x); };
  CHECK_NOTHROW(pf::testing::check_gradients(f, {mean, log_scale}, {.order = 2}));
  auto extreme = [&](float s) {
    const Tensor<> log_s = pf::variable(Tensor<>{s});
    return pf::gradient(pf::sum(pf::DiscretizedLogistic<>(Tensor<>{0.1f}, log_s).log_prob(Tensor<>{0.5f})), log_s)
        .item();
  };
  for (float s : {-100.0f, -30.0f, 30.0f, 100.0f}) CHECK(std::isfinite(extreme(s)));
}

TEST_CASE("every pixel of an image may have a mixture of its own") {
  pf::Rng rng(2);
  const Index h = 2, w = 3, k = 4;
  const pf::Mixture<Pixels> each(pf::normal<double>({h, w, k}, rng), Pixels(0.5 * pf::normal<double>({h, w, k, 1}, rng),
                                                                            Tensor<double>::full({h, w, k, 1}, -2)));
  const pf::Independent<pf::Mixture<Pixels>> image(each, 2);
  const Tensor<double> x = image.sample(5, rng);
  REQUIRE(x.shape() == pf::Shape{5, h, w, 1});
  const Tensor<double> found = image.log_prob(x);
  REQUIRE(found.shape() == pf::Shape{5});
  CHECK(found(3) == Approx(pf::select(each.log_prob(x), 0, 3).sum()));
  double total = 0;
  for (double level : each.components().levels())
    total += std::exp(each.log_prob(Tensor<double>::full({h, w, 1}, level))(1, 2));
  CHECK(total == Approx(1.0));
  CHECK(image.mean().shape() == pf::Shape{h, w, 1});
}

TEST_CASE("Independent adds up batch axes of any distribution") {
  pf::Rng rng(3);
  const pf::Normal<double> rows(pf::normal<double>({3, 2}, rng), Tensor<double>::ones({3, 2}));
  const pf::Independent<pf::Normal<double>> all(rows, 1);
  const Tensor<double> x = all.rsample(4, rng);
  CHECK(all.log_prob(x).shape() == pf::Shape{4});
  CHECK(all.log_prob(x)(2) == Approx(pf::select(rows.log_prob(x), 0, 2).sum()));
  CHECK(all.entropy().item() == Approx(rows.entropy().sum()));
  CHECK_THROWS_AS(pf::Independent<pf::Normal<double>>(rows, -1), pf::ValueError);
  CHECK_THROWS_AS((pf::Independent<pf::Normal<double>>(rows, 4).log_prob(x)), pf::ShapeError);
}

TEST_CASE("a DiscretizedLogistic refuses bad parameters") {
  const Tensor<> zero{0.0f};
  CHECK_THROWS_AS(pf::DiscretizedLogistic<>(Tensor<>{std::nanf("")}, zero), pf::ValueError);
  CHECK_THROWS_AS(pf::DiscretizedLogistic<>(zero, zero, {.levels = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::DiscretizedLogistic<>(zero, zero, {.low = 1, .high = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::DiscretizedLogistic<>(Tensor<>::zeros({2}), Tensor<>::zeros({3})), pf::ShapeError);
}
