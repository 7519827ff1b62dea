// What tests of autoregressive models of images share: images at random and all of them, and draws with whole passes.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <pushforward/models/autoregressive/full_completion.hpp>

#include "support/binary_models.hpp"
#include "support/catch.hpp"
#include "support/models.hpp"

namespace support {

/// Images of levels 0 .. count - 1, all alike likely.
template <class S>
pf::Tensor<S> random_levels(const pf::Shape& shape, pf::Index count, pf::Rng& rng) {
  const pf::Tensor<double> u = pf::uniform<double>(shape, rng, 0, static_cast<double>(count));
  return pf::Tensor<S>::generate(shape, [&](pf::Index i) { return static_cast<S>(std::floor(u.data()[i])); });
}

/// Every image of `count` levels: [count^d, colors, height, width].
inline pf::Tensor<double> all_images(pf::Index colors, pf::Index height, pf::Index width, pf::Index count) {
  const pf::Index d = colors * height * width;
  const auto power = [&](pf::Index i) { return static_cast<pf::Index>(std::llround(std::pow(count, i))); };
  return pf::Tensor<double>::generate({power(d), colors, height, width},
                                      [&](pf::Index i) { return static_cast<double>(i / d / power(i % d) % count); });
}

template <class S>
bool same_bits(const pf::Tensor<S>& a, const pf::Tensor<S>& b) {
  return a.shape() == b.shape() && std::equal(a.begin(), a.end(), b.begin());
}

/// Checks that completions of x (given labels, if there are any) keep what is known, and have the bits of a whole pass
/// for each number, with 1 and with 2 threads.
template <class Model, class S>
void check_completions(const Model& model, const pf::Tensor<S>& x, const pf::Tensor<S>& known,
                       const pf::Tensor<pf::Index>& labels = {}, const pf::DrawOptions& options = {}) {
  const auto parameters = [&](const pf::Tensor<S>& at) { return model.parameters(at, labels); };
  pf::Tensor<S> whole;
  with_threads([&] {
    pf::Rng a(5), b(5);
    if (whole.empty())
      whole = pf::full_completion(parameters, model.conditional(), x, known, a, options,
                                  pf::detail::order_of(model, x.size() / x.size(0)));
    const pf::Tensor<S> cached = model.complete(x, known, labels, b, options);
    CHECK(same_bits(cached, whole));
    CHECK(same_bits(cached * known, x * known));
  });
}

/// The same for draws, one for each label.
template <class Model>
void check_class_draws(const Model& model, const pf::Tensor<pf::Index>& labels) {
  using S = typename Model::Scalar;
  const pf::Tensor<S> nothing = pf::Tensor<S>::zeros(model.images().event().inserted(0, labels.size()));
  pf::Rng a(5), b(5);
  const pf::Tensor<S> slow =
      pf::full_completion([&](const pf::Tensor<S>& at) { return model.parameters(at, labels); }, model.conditional(),
                          nothing, nothing, b, {}, pf::detail::order_of(model, model.images().event().size()));
  CHECK(same_bits(model.sample(labels, a), slow));
}

/// Checks that a model of images [n, 1, h, w] with classes refuses labels, and one without them does, as all families
/// do.
template <class Classes, class Plain>
void check_refused_labels(const Classes& classes, const Plain& plain, const char* name) {
  using S = typename Classes::Scalar;
  using Labels = pf::Tensor<pf::Index>;
  const auto named = Catch::Matchers::ContainsSubstring(std::string(name) + "::");
  pf::Rng rng(1);
  const pf::Tensor<S> x = pf::Tensor<S>::zeros(classes.images().event().inserted(0, 2));
  CHECK_THROWS_AS(classes.log_prob(x), pf::ValueError);
  CHECK_THROWS_AS(classes.log_prob(x, Labels{0, classes.classes()}), pf::ValueError);
  CHECK_THROWS_AS(classes.log_prob(x, Labels{-1, 0}), pf::ValueError);
  CHECK_THROWS_AS(classes.log_prob(x, Labels{0}), pf::ShapeError);
  CHECK_THROWS_WITH(classes.log_prob(x, Labels{-1, 0}), named);
  CHECK_THROWS_WITH(classes.parameters(x, Labels{-1, 0}), named);
  CHECK_THROWS_AS(classes.sample(2, rng), pf::ValueError);
  CHECK_THROWS_AS(classes.sample(Labels{0, classes.classes()}, rng), pf::ValueError);
  CHECK_THROWS_AS(classes.sample(Labels({1, 2}, {0, 0}), rng), pf::ShapeError);
  CHECK_THROWS_AS(plain.log_prob(x, Labels{0, 0}), pf::ValueError);
  CHECK_THROWS_AS(plain.sample(Labels{0, 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(plain.sample(-1, rng), pf::ValueError);
  CHECK_THROWS_WITH(plain.sample(-1, rng), named);
  CHECK_THROWS_AS(plain.log_prob_by_class(x), pf::ValueError);
  CHECK_THROWS_WITH(plain.log_prob_by_class(x), named);
}

/// Checks that a model refuses to be given numbers that it cannot hold, but does not care what stands where nothing is
/// known; `bad` is finite.
template <class Model, class S>
void check_refused_numbers(const Model& model, const pf::Tensor<S>& x, double bad) {
  pf::Rng rng(1);
  const double infinity = std::numeric_limits<double>::infinity();
  const pf::Index last = x.size() - 1;
  for (const double value : {bad, infinity, -infinity, std::numeric_limits<double>::quiet_NaN()}) {
    const auto with = pf::Tensor<S>::generate(
        x.shape(), [&](pf::Index i) { return i == last ? static_cast<S>(value) : x.data()[i]; });
    const auto known = [&](bool also_the_last) {
      return pf::Tensor<S>::generate(x.shape(), [&](pf::Index i) { return i < last || also_the_last ? S(1) : S(0); });
    };
    CHECK_THROWS_AS(model.complete(with, known(true), rng), pf::ValueError);
    CHECK_THROWS_WITH(model.complete(with, known(true), rng),
                      Catch::Matchers::ContainsSubstring("known element " + std::to_string(last)));
    const pf::Tensor<S> completed = model.complete(with, known(false), rng);
    CHECK(std::equal(x.begin(), x.end() - 1, completed.begin()));
    CHECK(std::isfinite(completed.data()[last]));
  }
}

}  // namespace support
