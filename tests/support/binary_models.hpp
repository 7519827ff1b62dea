// What tests of densities over binary numbers share: all events, and draws against their probabilities.
#pragma once

#include <cmath>
#include <vector>

#include <pushforward/ops/math.hpp>
#include <pushforward/ops/random.hpp>

namespace support {

namespace pf = pushforward;

/// Every binary vector of d numbers, [2^d, d].
template <class S = double>
pf::Tensor<S> all_binary(pf::Index d) {
  return pf::Tensor<S>::generate({pf::Index{1} << d, d},
                                 [&](pf::Index i) { return static_cast<S>((i / d) >> (i % d) & 1); });
}

/// Pearson's statistic of draws [n, d] against the probabilities of all 2^d events, less its mean, in standard
/// deviations.
template <class S>
double chi_square(const pf::Tensor<S>& draws, const std::vector<double>& probabilities) {
  std::vector<double> counts(probabilities.size());
  const pf::Index n = draws.size(0), d = draws.size(1);
  for (pf::Index r = 0; r < n; ++r) {
    std::size_t code = 0;
    for (pf::Index i = 0; i < d; ++i) code += std::size_t{draws(r, i) != S(0)} << i;
    counts[code] += 1;
  }
  double total = 0;
  for (std::size_t k = 0; k < counts.size(); ++k) {
    const double expected = static_cast<double>(n) * probabilities[k];
    total += (counts[k] - expected) * (counts[k] - expected) / expected;
  }
  const double freedom = static_cast<double>(counts.size()) - 1;
  return (total - freedom) / std::sqrt(2 * freedom);
}

/// The probabilities of all binary vectors of d numbers.
template <class Model>
std::vector<double> probabilities(const Model& model, pf::Index d) {
  using S = typename Model::Scalar;
  std::vector<double> result;
  for (S nats : model.log_prob(all_binary<S>(d))) result.push_back(std::exp(static_cast<double>(nats)));
  return result;
}

inline double total(const std::vector<double>& numbers) {
  double sum = 0;
  for (double x : numbers) sum += x;
  return sum;
}

/// Runs a test with 1 and with 2 threads.
template <class Test>
void with_threads(const Test& test) {
  const int before = pf::num_threads();
  for (const int used : {1, 2}) {
    pf::set_num_threads(used);
    test();
  }
  pf::set_num_threads(before);
}

}  // namespace support
