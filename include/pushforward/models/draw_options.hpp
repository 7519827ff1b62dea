// DrawOptions: how an autoregressive model draws: temperature, the k most likely classes, the most likely mass.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <pushforward/distributions/categorical.hpp>

namespace pushforward {

/// How one number or token is drawn from its conditional; the defaults draw from the model as it is.
struct DrawOptions {
  double temperature = 1;  ///< probabilities go to the power 1 / temperature; 0 takes the most likely
  Index top_k = 0;         ///< draws among so many of the most likely classes; 0: all
  double top_p = 1;        ///< draws among the fewest most likely classes that have this share of the probability

  /// Whether these are the defaults.
  bool plain() const { return temperature == 1 && top_k == 0 && top_p == 1; }
  /// Throws ValueError for a negative or infinite temperature, a negative `top_k`, or a `top_p` outside of (0, 1].
  void check() const {
    if (!(temperature >= 0 && std::isfinite(temperature)))
      fail<ValueError>("DrawOptions: .temperature is ", temperature, ", expected a finite number from 0 on");
    if (top_k < 0) fail<ValueError>("DrawOptions: .top_k is ", top_k, ", expected a number from 0 on; 0 means all");
    if (!(top_p > 0 && top_p <= 1))
      fail<ValueError>("DrawOptions: .top_p is ", top_p, ", expected a number above 0 and up to 1");
  }
};

namespace detail {

// Takes all but the most likely classes out of a row: the first `most`, and of them those that reach the share top_p.
template <class S>
void keep_most_likely(S* logits, Index k, Index most, double top_p) {
  std::vector<Index> order(static_cast<std::size_t>(k));
  std::iota(order.begin(), order.end(), Index{0});
  auto likelier = [&](Index a, Index b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
  std::partial_sort(order.begin(), order.begin() + most, order.end(), likelier);
  order.resize(static_cast<std::size_t>(most));
  auto weight = [&](Index i) {
    return std::exp(static_cast<double>(logits[i]) - static_cast<double>(logits[order[0]]));
  };
  double total = 0, reached = 0;
  for (Index i : order) total += weight(i);
  std::vector<S> kept(static_cast<std::size_t>(k), -std::numeric_limits<S>::infinity());
  for (Index i : order) {
    kept[static_cast<std::size_t>(i)] = logits[i];
    reached += weight(i);
    if (reached >= top_p * total) break;
  }
  std::copy(kept.begin(), kept.end(), logits);
}

}  // namespace detail

/// The logits [.., k] that a draw with these options is made from: constants of the same shape, -infinity where a class
/// is left out.
///
/// The temperature comes first (the logits over it), then `top_k`, then `top_p` of what is left (nucleus sampling,
/// Holtzman et al. 2020). Of equally likely classes the first ones stay. Throws ShapeError for logits without classes,
/// ValueError for options or logits that make no probabilities.
template <class S>
Tensor<S> shaped_logits(const Tensor<S>& logits, const DrawOptions& options) {
  options.check();
  if (logits.rank() == 0 || logits.size(-1) == 0)
    fail<ShapeError>("shaped_logits: logits of shape ", logits.shape(), ", expected [.., k] with k > 0 classes");
  detail::check_logits("shaped_logits", logits);
  if (options.plain()) return stop_gradient(logits);
  const Index k = logits.size(-1), rows = logits.size() / k;
  const Index most = options.temperature == 0 ? 1 : options.top_k == 0 ? k : std::min(k, options.top_k);
  return Tensor<S>::build(logits.shape(), [&](S* out) {
    for (Index r = 0; r < rows; ++r) {
      const S* const row = logits.data() + r * k;
      S* const to = out + r * k;
      const double largest = static_cast<double>(*std::max_element(row, row + k));
      const double cold = options.temperature == 0 ? 1 : options.temperature;
      for (Index i = 0; i < k; ++i)  // from the largest, so that no finite one becomes +infinity
        to[i] = options.temperature == 1 ? row[i] : static_cast<S>((static_cast<double>(row[i]) - largest) / cold);
      if (most < k || options.top_p < 1) detail::keep_most_likely(to, k, most, options.top_p);
    }
  });
}

/// One class for each row of logits [n, k], drawn as the options say: [n]. Throws as `shaped_logits` does.
template <class S>
Tensor<Index> draw(const Tensor<S>& logits, Rng& rng, const DrawOptions& options = {}) {
  if (logits.rank() != 2) fail<ShapeError>("draw: logits of shape ", logits.shape(), ", expected [n, k]");
  const Tensor<S> shaped = shaped_logits(logits, options);
  return options.temperature == 0 ? argmax(shaped, -1) : categorical(shaped, rng);
}

}  // namespace pushforward
