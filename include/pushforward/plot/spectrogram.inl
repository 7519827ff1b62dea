// Bodies of spectrogram.hpp.
#pragma once

#include <algorithm>
#include <cmath>

#include <pushforward/core/isa.hpp>
#include <pushforward/plot/spectrogram.hpp>

namespace pushforward::plot::detail {

PUSHFORWARD_ONCE void draw_spectrogram(Canvas& canvas, const Rect& cell, const std::vector<double>& wave,
                                       const SpectrogramOptions& o, double em) {
  const Index step = o.step == 0 ? std::max<Index>(1, o.window / 8) : o.step;
  const data::Spectrogram s = data::detail::make_spectrogram(wave, {.rate = o.rate, .window = o.window, .step = step});
  const double highest = o.highest > 0 ? o.highest : o.rate / 2;
  if (!(o.lowest >= 0 && o.lowest < highest && highest <= o.rate / 2 && o.decibels > 0 && o.loudest >= 0))
    fail<ValueError>("spectrogram: got .lowest ", o.lowest, " and .highest ", o.highest, " Hz, .decibels ", o.decibels,
                     " and .loudest ", o.loudest,
                     ", expected frequencies in order up to half the rate, a positive range"
                     " and an amplitude of 0 (for the strongest) or more");
  const Index lines = s.power.size(1), windows = s.power.size(0);
  // From the middle of the first window to that of the last: nearer to the ends there is nothing to see.
  const double seen = windows > 1 ? static_cast<double>(windows - 1) * s.seconds : s.seconds;
  const Range times{s.first, s.first + seen};
  const Axes axes("spectrogram", cell,
                  {.title = o.title,
                   .x_label = o.axes ? o.x_label : "",
                   .y_label = o.axes ? o.y_label : "",
                   .x_range = times,
                   .y_range = {o.lowest, highest},
                   .decorated = o.axes,
                   .font_size = em},
                  {times, Range{o.lowest, highest}});
  const double most = o.loudest > 0 ? o.loudest * o.loudest : std::max(s.power.max(), 1e-300);
  const auto shade = [&](Index window, Index line) {
    const double power = s.power.data()[window * lines + line] / most;
    return power > 0 ? std::clamp(1 + 10 * std::log10(power) / o.decibels, 0.0, 1.0) : 0.0;
  };
  const Rect box = axes.box();
  canvas.shade(box, [&](double x, double y) {
    const double hertz = o.lowest + (box.bottom() - y) / box.height * (highest - o.lowest);
    // Between windows and lines.
    const double w = std::clamp((x - box.x) / box.width * seen / s.seconds, 0.0, static_cast<double>(windows - 1));
    const double k = std::clamp(hertz / s.hertz, 0.0, static_cast<double>(lines - 1));
    const auto i = static_cast<Index>(w), j = static_cast<Index>(k);
    const Index i1 = std::min(i + 1, windows - 1), j1 = std::min(j + 1, lines - 1);
    const double u = w - static_cast<double>(i), v = k - static_cast<double>(j);
    return color_of(o.colormap, (1 - u) * ((1 - v) * shade(i, j) + v * shade(i, j1)) +
                                    u * ((1 - v) * shade(i1, j) + v * shade(i1, j1)));
  });
  axes.draw_frame(canvas);
}

PUSHFORWARD_ONCE void write_spectrogram(const std::string& path, const std::vector<double>& wave,
                                        const SpectrogramOptions& options) {
  Canvas canvas(options.width, options.height);
  const auto width = static_cast<double>(canvas.width()), height = static_cast<double>(canvas.height());
  draw_spectrogram(canvas, {0, 0, width, height}, wave, options, font_size_of(options.font_size, width, height));
  write_png(path, canvas.image());
}

}  // namespace pushforward::plot::detail
