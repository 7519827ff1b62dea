#include <algorithm>
#include <cmath>
#include <vector>

#include <pushforward/data/digits.hpp>
#include <pushforward/ops/indexing.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;

namespace {

std::vector<double> class_means(const pf::data::Digits<>& digits) {
  std::vector<double> means(7840), counts(10);
  for (Index i = 0; i < digits.labels.size(); ++i) {
    const auto label = static_cast<std::size_t>(digits.labels(i));
    ++counts[label];
    for (Index j = 0; j < 784; ++j) means[label * 784 + static_cast<std::size_t>(j)] += digits.images(i, j);
  }
  for (std::size_t k = 0; k < means.size(); ++k) means[k] /= counts[k / 784];
  return means;
}

Index nearest_mean(const std::vector<double>& means, const float* image) {
  Index best = 0;
  double least = 1e300;
  for (Index c = 0; c < 10; ++c) {
    double distance = 0;
    for (Index j = 0; j < 784; ++j) {
      const double gap = image[j] - means[static_cast<std::size_t>(c * 784 + j)];
      distance += gap * gap;
    }
    if (distance < least) least = distance, best = c;
  }
  return best;
}

struct Moments {
  double ink = 0, x = 0, y = 0;
  explicit Moments(const float* image) {
    for (Index j = 0; j < 784; ++j) {
      ink += image[j];
      x += image[j] * static_cast<double>(j % 28);
      y += image[j] * static_cast<double>(j / 28);
    }
    x /= ink;
    y /= ink;
  }
};

}  // namespace

TEST_CASE("drawn digits are the same for a seed, whatever the number of threads") {
  const int threads = pf::num_threads();
  pf::Rng a(3), b(3), c(3);
  pf::set_num_threads(1);
  const auto one = pf::data::digits(300, a), next = pf::data::digits(300, a);
  pf::set_num_threads(5);
  const auto many = pf::data::digits(300, b);
  pf::set_num_threads(threads);
  CHECK(many.images.to_vector() == one.images.to_vector());
  CHECK(many.labels.to_vector() == one.labels.to_vector());
  CHECK(many.attributes.to_vector() == one.attributes.to_vector());
  CHECK(next.images.to_vector() != one.images.to_vector());
  const auto fewer = pf::data::digits(100, c).images.to_vector(), all = one.images.to_vector();
  CHECK(std::equal(fewer.begin(), fewer.end(), all.begin()));
}

TEST_CASE("drawn digits look like MNIST in their statistics") {
  pf::Rng rng(1);
  const auto digits = pf::data::digits(4000, rng);
  CHECK(digits.images.shape() == pf::Shape{4000, 784});
  CHECK(digits.attributes.shape() == pf::Shape{4000, 6});
  CHECK(digits.images.min() == 0);
  CHECK(digits.images.max() == 1);
  CHECK(digits.images.mean() == Catch::Approx(0.1307).margin(0.01));  // that of MNIST's training images
  std::vector<int> counts(10);
  for (const Index label : digits.labels) ++counts[static_cast<std::size_t>(label)];
  for (const int count : counts) CHECK(std::abs(count - 400) < 5 * std::sqrt(400 * 0.9));
  for (Index i = 0; i < 4000; ++i) {
    const Moments at(digits.images.data() + 784 * i);
    const bool centered = std::fabs(at.x - 13.5) < 3 && std::fabs(at.y - 13.5) < 3;
    if (!centered || at.ink < 15 || at.ink > 350)
      FAIL("digit " << i << ": ink " << at.ink << " around " << at.x << ", " << at.y);
  }
}

TEST_CASE("the classes of drawn digits can be told apart by their means") {
  pf::Rng rng(2);
  const std::vector<double> means = class_means(pf::data::digits(3000, rng));
  const auto held_out = pf::data::digits(1000, rng);
  int right = 0;
  for (Index i = 0; i < 1000; ++i) right += nearest_mean(means, held_out.images.data() + 784 * i) == held_out.labels(i);
  CHECK(right > 800);
  CHECK(right < 990);  // hands differ: the classes are no templates
}

TEST_CASE("the attributes of drawn digits say what is seen") {
  pf::Rng rng(8);
  const auto digits = pf::data::digits(2000, rng, {.classes = {0}});
  double thick = 0, thin = 0, apart_x = 0, apart_y = 0;
  Index thick_count = 0, thin_count = 0;
  for (Index i = 0; i < 2000; ++i) {
    const Moments at(digits.images.data() + 784 * i);
    const double thickness = digits.attributes(i, 1);
    if (thickness > 3) thick += at.ink, ++thick_count;
    if (thickness < 2.2) thin += at.ink, ++thin_count;
    apart_x = std::max(apart_x, std::fabs(at.x - 13.5 - digits.attributes(i, 3)));
    apart_y = std::max(apart_y, std::fabs(at.y - 13.5 - digits.attributes(i, 4)));
  }
  CHECK(thick_count > 100);
  CHECK(thin_count > 100);
  CHECK(thick / static_cast<double>(thick_count) > 1.3 * thin / static_cast<double>(thin_count));
  CHECK(apart_x < 0.1);
  CHECK(apart_y < 0.1);
}

TEST_CASE("digits can be had of some classes, and without variation") {
  pf::Rng rng(4);
  const auto some = pf::data::digits<double>(200, rng, {.classes = {3, 8}});
  CHECK(std::all_of(some.labels.begin(), some.labels.end(), [](Index label) { return label == 3 || label == 8; }));
  CHECK(std::count(some.labels.begin(), some.labels.end(), 3) > 50);
  const auto typical = pf::data::digits(100, rng, {.variation = 0, .classes = {1}});
  std::vector<std::vector<float>> kinds;
  for (Index i = 0; i < 100; ++i) {
    const std::vector<float> image(typical.images.data() + 784 * i, typical.images.data() + 784 * (i + 1));
    if (std::find(kinds.begin(), kinds.end(), image) == kinds.end()) kinds.push_back(image);
  }
  CHECK(kinds.size() <= 3);
  CHECK(pf::data::digits(0, rng).images.shape() == pf::Shape{0, 784});
  CHECK_THROWS_AS(pf::data::digits(-1, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::data::digits(1, rng, {.classes = {10}}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::digits(1, rng, {.variation = NAN}), pf::ValueError);
}

TEST_CASE("wild variation stays inside of the image and finite") {
  pf::Rng rng(6);
  const auto wild = pf::data::digits(500, rng, {.variation = 10});
  CHECK(wild.images.min() == 0);
  CHECK(wild.images.max() <= 1);
  CHECK(std::isfinite(wild.images.sum()));
  CHECK(wild.images.mean() > 0.03);
}
