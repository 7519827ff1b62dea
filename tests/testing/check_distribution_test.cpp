#include "pushforward/testing/check_distribution.hpp"

#include <numbers>

#include "pushforward/ops/random.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Rng;
using pf::Tensor;
using pf::testing::check_distribution;

namespace {

// A normal distribution over the last axis, with independent or correlated coordinates, and mistakes on request.
struct Gauss {
  Index features = 1;
  double scale = 1, drawn_scale = 1, log_factor = 0, shift = 0, correlation = 0, stated_variance = 1,
         stated_entropy = 0.5 + 0.5 * std::log(2 * std::numbers::pi);

  Tensor<double> sample(Index n, Rng& rng) const {
    const Tensor<double> e = pf::normal<double>({n, features}, rng) * drawn_scale + shift;
    if (features != 2) return e;
    return Tensor<double>::generate(e.shape(), [&](Index i) {
      return i % 2 ? correlation * e.data()[i - 1] + std::sqrt(1 - correlation * correlation) * e.data()[i]
                   : e.data()[i];
    });
  }
  Tensor<double> log_prob(const Tensor<double>& x) const {
    const double constant = std::log(scale) + 0.5 * std::log(2 * std::numbers::pi);
    return pf::sum(-0.5 * pf::square(x / scale) - constant, -1) + log_factor;
  }
  Tensor<double> mean() const { return Tensor<double>::zeros({features}); }
  Tensor<double> variance() const { return Tensor<double>::full({features}, stated_variance); }
  double entropy() const { return static_cast<double>(features) * stated_entropy; }
};

struct Cauchy {
  Tensor<double> sample(Index n, Rng& rng) const {
    const Tensor<double> x = pf::normal<double>({n, 1}, rng);
    return x / pf::normal<double>({n, 1}, rng);
  }
  Tensor<double> log_prob(const Tensor<double>& x) const {
    return -pf::sum(pf::log1p(pf::square(x)), -1) - std::log(std::numbers::pi);
  }
  double mean() const { return std::nan(""); }
};

// Two densities at once: x^2 with x uniform (a pole at 0), and uniform (jumps).
struct Batch {
  Tensor<> sample(Index n, Rng& rng) const {
    const Tensor<> u = pf::uniform({n, 2, 1}, rng);
    return Tensor<>::generate(u.shape(), [&](Index i) { return i % 2 ? u.data()[i] : u.data()[i] * u.data()[i]; });
  }
  Tensor<> log_prob(const Tensor<>& x) const {
    return Tensor<>::generate({x.size(0), 2}, [&](Index i) {
      const float v = x.data()[i];
      if (!(v >= 0 && v <= 1)) return -std::numeric_limits<float>::infinity();
      return i % 2 ? 0.0f : std::log(0.5f / std::sqrt(std::max(v, 1e-30f)));
    });
  }
  Tensor<> mean() const { return Tensor<>({2, 1}, {1.0f / 3, 0.5f}); }
};

struct Dice {
  double weight = 1.0 / 6;
  Tensor<Index> sample(Index n, Rng& rng) const {
    return Tensor<Index>::generate({n}, [&](Index) { return rng.uniform_index(6); });
  }
  Tensor<> log_prob(const Tensor<Index>& x) const {
    return Tensor<>::generate(x.shape(), [&](Index i) {
      const Index v = x.data()[i];
      return v < 0 || v > 5 ? -std::numeric_limits<float>::infinity()
                            : static_cast<float>(std::log(v == 0 ? weight : (1 - weight) / 5));
    });
  }
};

}  // namespace

TEST_CASE("right distributions pass: thin and heavy tails, poles, jumps, batches, masses") {
  Rng rng(7);
  CHECK_NOTHROW(check_distribution(Gauss{}, rng));
  CHECK_NOTHROW(check_distribution(Gauss{.features = 2}, rng));
  CHECK_NOTHROW(check_distribution(Gauss{.features = 5}, rng));
  CHECK_NOTHROW(check_distribution(Cauchy{}, rng));
  CHECK_NOTHROW(check_distribution(Batch{}, rng));
  CHECK_NOTHROW(check_distribution(Dice{}, rng));
}

TEST_CASE("each kind of mistake in a distribution is found") {
  Rng rng(8);
  CHECK_THROWS_WITH(check_distribution(Gauss{.log_factor = 0.02}, rng), ContainsSubstring("integrates to 1.02"));
  CHECK_THROWS_WITH(check_distribution(Gauss{.drawn_scale = 1.1}, rng), ContainsSubstring("of the draws of sample"));
  CHECK_THROWS_WITH(check_distribution(Gauss{.shift = 0.1}, rng), ContainsSubstring("of the draws of sample"));
  CHECK_THROWS_WITH(check_distribution(Gauss{.features = 2, .log_factor = -0.02}, rng),
                    ContainsSubstring("integrates to 0.98"));
  CHECK_THROWS_WITH(check_distribution(Gauss{.features = 2, .correlation = 0.3}, rng), ContainsSubstring("and y <"));
  CHECK_THROWS_WITH(check_distribution(Gauss{.stated_variance = 1.1}, rng), ContainsSubstring("variance()"));
  CHECK_THROWS_WITH(check_distribution(Gauss{.stated_entropy = 1.5}, rng), ContainsSubstring("entropy()"));
  CHECK_THROWS_WITH(check_distribution(Gauss{.features = 3, .shift = 0.1}, rng), ContainsSubstring("mean()"));
  CHECK_THROWS_WITH(check_distribution(Dice{.weight = 0.2}, rng), ContainsSubstring("of the draws of sample"));
}
