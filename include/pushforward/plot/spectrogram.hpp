// Spectrograms: pictures of sound, time across and frequency up.
#pragma once

#include <string>
#include <vector>

#include <pushforward/data/spectrum.hpp>
#include <pushforward/plot/figure.hpp>

namespace pushforward::plot {

/// How a spectrogram looks. Zeros are chosen to suit.
struct SpectrogramOptions {
  std::string title = {}, x_label = "time (s)", y_label = "frequency (Hz)";
  Index width = 800, height = 480;  ///< Pixels; a panel of a Figure has its own.
  double rate = 8000;               ///< samples a second
  Index window = 256;               ///< samples that are looked at together, a power of two
  Index step = 0;                   ///< samples from one window to the next; 0: an eighth of the window
  double lowest = 0, highest = 0;   ///< Hz; 0: half the rate
  double decibels = 70;             ///< from the faintest color to the brightest
  double loudest = 0;               ///< amplitude of a sine that is brightest; 0: the strongest frequency there is
  Colormap colormap = Colormap::ember;
  bool axes = true;
  double font_size = 0;
};

namespace detail {

void draw_spectrogram(Canvas& canvas, const Rect& cell, const std::vector<double>& wave,
                      const SpectrogramOptions& options, double em);
void write_spectrogram(const std::string& path, const std::vector<double>& wave, const SpectrogramOptions& options);

template <class S>
std::vector<double> one_sound(const Tensor<S>& wave) {
  if (wave.rank() != 1) fail<ShapeError>("spectrogram: got shape ", wave.shape(), ", expected one sound [t]");
  return {wave.begin(), wave.end()};
}

}  // namespace detail

/// Writes the spectrogram of a sound [t] as a PNG file: the power of each frequency over time, in decibels, from the
/// middle of the first window to that of the last.
///
/// Throws ShapeError for another shape, ValueError for a sound shorter than a window or not finite, and for options out
/// of range, IoError.
template <class S>
void spectrogram(const std::string& path, const Tensor<S>& wave, const SpectrogramOptions& options = {}) {
  detail::write_spectrogram(path, detail::one_sound(wave), options);
}

/// The same in a panel of a figure. Throws IndexError for a panel that there is not, too.
template <class S>
void spectrogram(Figure& figure, Index row, Index column, const Tensor<S>& wave,
                 const SpectrogramOptions& options = {}) {
  detail::draw_spectrogram(figure.canvas(), figure.panel(row, column), detail::one_sound(wave), options,
                           options.font_size > 0 ? options.font_size : figure.font_size());
}

}  // namespace pushforward::plot

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/plot/spectrogram.inl>
#endif
