// spectrogram(): how strong each frequency is in a sound, window after window, by a fast Fourier transform.
#pragma once

#include <complex>
#include <vector>

#include <pushforward/autodiff/tensor.hpp>

namespace pushforward::data {

/// How a spectrogram is made.
struct SpectrogramOptions {
  double rate = 8000;  ///< samples a second
  Index window = 256;  ///< samples that are looked at together, a power of two
  Index step = 0;      ///< samples from one window to the next; 0: a quarter of the window
};

/// The powers of a sound's frequencies over time.
struct Spectrogram {
  Tensor<double> power;  ///< [windows, window / 2 + 1]: a^2 for a sine of amplitude a in the middle of a line
  double first = 0;      ///< seconds at the middle of the first window
  double seconds = 0;    ///< from one window to the next
  double hertz = 0;      ///< from one frequency to the next; the first is 0
};

namespace detail {

// The discrete Fourier transform in place: x_k becomes the sum over j of x_j exp(-2 pi i j k / n), n a power of two
// (Cooley and Tukey 1965).
void fourier_transform(std::vector<std::complex<double>>& x);

Spectrogram make_spectrogram(const std::vector<double>& wave, const SpectrogramOptions& options);

}  // namespace detail

/// The short-time Fourier transform of a sound [t], as powers: windows of Hann's shape, which overlap.
///
/// Throws ShapeError for another shape, ValueError for a sound that is shorter than a window or not finite, and for
/// options out of range.
template <class S>
Spectrogram spectrogram(const Tensor<S>& wave, const SpectrogramOptions& options = {}) {
  if (wave.rank() != 1) fail<ShapeError>("spectrogram: got shape ", wave.shape(), ", expected one sound [t]");
  return detail::make_spectrogram(std::vector<double>(wave.begin(), wave.end()), options);
}

/// The strongest frequency of each window in Hz: between the lines, by a parabola through the logarithms of the
/// strongest power and its neighbors.
std::vector<double> strongest_frequencies(const Spectrogram& spectrogram);

}  // namespace pushforward::data

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/data/spectrum.inl>
#endif
