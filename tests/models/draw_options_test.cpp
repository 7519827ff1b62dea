#include <pushforward/models/draw_options.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;
using pf::Tensor;

namespace {

constexpr double out = -std::numeric_limits<double>::infinity();

// The share of each class in draws from one row of logits.
std::vector<double> shares(const Tensor<double>& logits, const pf::DrawOptions& options, pf::Rng& rng) {
  constexpr Index n = 20'000;
  const Index k = logits.size(0);
  std::vector<double> counts(static_cast<std::size_t>(k));
  for (Index c : pf::draw(pf::expand(logits, {n, k}), rng, options))
    counts[static_cast<std::size_t>(c)] += 1.0 / static_cast<double>(n);
  return counts;
}

}  // namespace

TEST_CASE("a temperature divides logits, and the most likely classes are kept") {
  const Tensor<double> logits{1, 3, 2, 3, -1};
  CHECK(pf::shaped_logits(logits, {}).to_vector() == logits.to_vector());
  CHECK(pf::shaped_logits(logits, {.temperature = 0.5}).to_vector() == std::vector<double>{-4, 0, -2, 0, -8});
  CHECK(pf::shaped_logits(logits, {.top_k = 1}).to_vector() == std::vector<double>{out, 3, out, out, out});
  CHECK(pf::shaped_logits(logits, {.top_k = 3}).to_vector() == std::vector<double>{out, 3, 2, 3, out});
  CHECK(pf::shaped_logits(logits, {.top_k = 99}).to_vector() == logits.to_vector());
  CHECK(pf::shaped_logits(logits, {.temperature = 0}).to_vector() == std::vector<double>{out, 0, out, out, out});
  CHECK(pf::shaped_logits(Tensor<double>{out, -1e300, -1e307}, {.temperature = 1e-10}).to_vector() ==
        std::vector<double>{out, 0, out});
  // Temperatures whose inverse is infinite are near 0, too.
  CHECK(pf::shaped_logits(Tensor<double>{1, 3, 2, out}, {.temperature = 1e-310}).to_vector() ==
        std::vector<double>{out, 0, out, out});
  pf::Rng rng(5);
  CHECK(pf::draw(Tensor<>({2, 3}, {1, 3, 2, 0, -1, -2}), rng, {.temperature = 5e-324}).to_vector() ==
        std::vector<Index>{1, 0});
}

TEST_CASE("top_p keeps the fewest classes that reach its share, after the temperature and top_k") {
  const Tensor<double> logits = pf::log(Tensor<double>{0.1, 0.5, 0.15, 0.25});
  auto kept = [&](const pf::DrawOptions& options) {
    std::vector<int> result;
    for (double l : pf::shaped_logits(logits, options)) result.push_back(l > out ? 1 : 0);
    return result;
  };
  CHECK(kept({.top_p = 0.4}) == std::vector<int>{0, 1, 0, 0});
  CHECK(kept({.top_p = 0.6}) == std::vector<int>{0, 1, 0, 1});
  CHECK(kept({.top_p = 0.8}) == std::vector<int>{0, 1, 1, 1});
  CHECK(kept({.top_p = 0.95}) == std::vector<int>{1, 1, 1, 1});
  CHECK(kept({.top_k = 2, .top_p = 0.6}) == std::vector<int>{0, 1, 0, 0});  // 0.5 of the 0.75 that are left
  CHECK(kept({.temperature = 0.5, .top_p = 0.7}) == std::vector<int>{0, 1, 0, 0});
  CHECK(kept({.temperature = 100, .top_p = 0.7}) == std::vector<int>{0, 1, 1, 1});
}

TEST_CASE("draws follow the shaped probabilities") {
  pf::Rng rng(1);
  const Tensor<double> p{0.1, 0.5, 0.15, 0.25};
  const std::vector<double> plain = shares(pf::log(p), {}, rng), two = shares(pf::log(p), {.top_k = 2}, rng),
                            cold = shares(pf::log(p), {.temperature = 0.5}, rng);
  const double squares = 0.01 + 0.25 + 0.0225 + 0.0625;
  for (std::size_t i = 0; i < 4; ++i) {  // 5 standard deviations of a share: 5 sqrt(0.25 / 20000)
    const double q = p(static_cast<Index>(i));
    CHECK(std::abs(plain[i] - q) < 0.018);
    CHECK(std::abs(two[i] - (q >= 0.25 ? q / 0.75 : 0)) < (q >= 0.25 ? 0.018 : 1e-9));
    CHECK(std::abs(cold[i] - q * q / squares) < 0.018);
  }
  CHECK(shares(pf::log(p), {.temperature = 0}, rng)[1] == Catch::Approx(1));
}

TEST_CASE("draws are categorical draws, the same for every number of threads, in float and double") {
  pf::Rng logits_rng(2);
  const Tensor<> logits = 3 * pf::normal({300, 40}, logits_rng);
  const pf::DrawOptions shaped{.temperature = 0.8, .top_k = 20, .top_p = 0.9};
  pf::Rng a(3), b(3), c(3), d(3);
  CHECK(pf::draw(logits, a).to_vector() == pf::categorical(logits, b).to_vector());
  const std::vector<Index> once = pf::draw(logits, c, shaped).to_vector();
  const int threads = pf::num_threads();
  pf::set_num_threads(1);
  CHECK(pf::draw(logits, d, shaped).to_vector() == once);
  pf::set_num_threads(threads);
  CHECK(pf::draw(Tensor<>::zeros({0, 4}), a, shaped).shape() == pf::Shape{0});
}

TEST_CASE("nonsense for a draw is refused") {
  pf::Rng rng(4);
  const Tensor<> logits = Tensor<>::zeros({2, 3});
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();
  for (const pf::DrawOptions& wrong :
       {pf::DrawOptions{.temperature = -1}, pf::DrawOptions{.temperature = nan},
        pf::DrawOptions{.temperature = infinite}, pf::DrawOptions{.top_k = -1}, pf::DrawOptions{.top_p = 0},
        pf::DrawOptions{.top_p = 1.5}, pf::DrawOptions{.top_p = nan}})
    CHECK_THROWS_AS(pf::draw(logits, rng, wrong), pf::ValueError);
  CHECK_THROWS_AS(pf::draw(Tensor<>::zeros({3}), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::draw(Tensor<>::zeros({2, 0}), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::draw(Tensor<>({1, 2}, {nan, 0}), rng, {.top_k = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::draw(Tensor<>({1, 2}, {infinite, 0}), rng, {.temperature = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::draw(Tensor<>({1, 2}, {-infinite, -infinite}), rng), pf::ValueError);
}
