// Bodies of spectrum.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include <pushforward/core/isa.hpp>
#include <pushforward/data/spectrum.hpp>

namespace pushforward::data::detail {

PUSHFORWARD_ONCE void fourier_transform(std::vector<std::complex<double>>& x) {
  const std::size_t n = x.size();
  for (std::size_t i = 1, j = 0; i < n; ++i) {  // j is i with its bits reversed
    std::size_t bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(x[i], x[j]);
  }
  for (std::size_t half = 1; half < n; half *= 2)
    for (std::size_t k = 0; k < half; ++k) {
      const std::complex<double> turn =
          std::polar(1.0, -std::numbers::pi * static_cast<double>(k) / static_cast<double>(half));
      for (std::size_t i = k; i < n; i += 2 * half) {
        const std::complex<double> even = x[i], odd = turn * x[i + half];
        x[i] = even + odd;
        x[i + half] = even - odd;
      }
    }
}

PUSHFORWARD_ONCE Spectrogram make_spectrogram(const std::vector<double>& wave, const SpectrogramOptions& o) {
  const auto t = static_cast<Index>(wave.size());
  const Index n = o.window, step = o.step > 0 ? o.step : std::max<Index>(1, n / 4);
  if (n < 4 || n > (Index{1} << 24) || (n & (n - 1)) != 0 || o.step < 0 || !(o.rate > 0 && std::isfinite(o.rate)))
    fail<ValueError>("spectrogram: got .window ", n, ", .step ", o.step, " and .rate ", o.rate,
                     ", expected a power of two from 4 on, 0 (for a quarter of it) or more, and a positive number");
  if (t < n)
    fail<ValueError>("spectrogram: the sound has ", t, " samples, fewer than a window of ", n,
                     "; give a longer sound or a smaller .window");
  for (std::size_t i = 0; i < wave.size(); ++i)
    if (!std::isfinite(wave[i])) fail<ValueError>("spectrogram: sample ", i, " of the sound is ", wave[i]);

  std::vector<double> hann;
  double total = 0;
  for (Index i = 0; i < n; ++i) {
    hann.push_back(0.5 -
                   0.5 * std::cos(2 * std::numbers::pi * (static_cast<double>(i) + 0.5) / static_cast<double>(n)));
    total += hann.back();
  }
  const Index windows = (t - n) / step + 1, lines = n / 2 + 1;
  std::vector<std::complex<double>> x(static_cast<std::size_t>(n));
  Spectrogram result{
      {}, 0.5 * static_cast<double>(n) / o.rate, static_cast<double>(step) / o.rate, o.rate / static_cast<double>(n)};
  result.power = Tensor<double>::build({windows, lines}, [&](double* out) {
    for (Index w = 0; w < windows; ++w) {
      for (Index i = 0; i < n; ++i)
        x[static_cast<std::size_t>(i)] =
            wave[static_cast<std::size_t>(w * step + i)] * hann[static_cast<std::size_t>(i)];
      fourier_transform(x);
      for (Index k = 0; k < lines; ++k) {
        const double both = k == 0 || k == n / 2 ? 1 : 2;  // frequencies of either sign
        *out++ = std::norm(x[static_cast<std::size_t>(k)] * (both / total));
      }
    }
  });
  return result;
}

}  // namespace pushforward::data::detail

namespace pushforward::data {

PUSHFORWARD_ONCE std::vector<double> strongest_frequencies(const Spectrogram& s) {
  const Index lines = s.power.size(1);
  std::vector<double> result;
  for (Index w = 0; w < s.power.size(0); ++w) {
    const double* const row = s.power.data() + w * lines;
    const Index k = std::max_element(row, row + lines) - row;
    double between = 0;
    if (k > 0 && k + 1 < lines && row[k - 1] > 0 && row[k + 1] > 0) {
      const double low = std::log(row[k - 1]), high = std::log(row[k + 1]), bend = low + high - 2 * std::log(row[k]);
      if (bend < 0) between = 0.5 * (low - high) / bend;
    }
    result.push_back((static_cast<double>(k) + between) * s.hertz);
  }
  return result;
}

}  // namespace pushforward::data
