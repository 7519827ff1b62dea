// sounds(): tones and chirps that the library draws itself, with their exact frequencies; mu-law levels and back.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/core/random.hpp>
#include <pushforward/core/threads.hpp>

namespace pushforward::data {

/// What a drawn sound does; its label is the position in this list.
enum class SoundKind { tone, rising, falling, vibrato };

/// How sounds are drawn.
struct SoundsOptions {
  Index length = 4000;                     ///< samples of each
  double rate = 8000;                      ///< samples a second
  double lowest = 200, highest = 1000;     ///< Hz, between which all frequencies stay
  double quietest = 0.25, loudest = 0.75;  ///< amplitudes
  double noise = 0.003;                    ///< standard deviation of white noise on top
  std::vector<SoundKind> kinds = {};       ///< which ones, equally often; none means all
};

/// Drawn sounds, what they are, and how they were drawn.
template <class S = float>
struct Sounds {
  Tensor<S> waves;        ///< [n, length], with noise, in [-1, 1]
  Tensor<S> clean;        ///< [n, length], without
  Tensor<S> frequencies;  ///< [n, length], Hz: the exact frequency at each sample
  Tensor<Index> labels;   ///< [n], positions in SoundKind
  /// [n, 4]: frequency (Hz) at the first sample and at the end, amplitude, phase (radians) at the first sample.
  Tensor<S> attributes;
};

namespace detail {

inline constexpr Index sound_kinds = 4, sound_attributes = 4;

// One sound as a formula.
struct Voice {
  SoundKind kind;
  double seconds;
  double begin, end;            // Hz
  double amplitude, phase;      // radians
  double depth, speed, offset;  // of the vibrato: part of the frequency, Hz, radians

  // Hz at a time in seconds.
  double frequency(double time) const;
  // 2 pi times its integral from 0 on, in radians.
  double turned(double time) const;
  double value(double time) const { return amplitude * std::sin(phase + turned(time)); }
};

Voice draw_voice(const SoundsOptions& options, Rng& rng);
void check_sounds(Index n, const SoundsOptions& options);
void check_mu_law(const char* name, Index levels);

// The compressed value in [-1, 1] of x in [-1, 1], and back.
double mu_law_compress(double x, double mu);
double mu_law_expand(double y, double mu);

}  // namespace detail

/// n sounds, drawn by the library: steady tones, tones that rise or fall evenly in pitch (chirps), and tones that sway,
/// with a little noise.
///
///     wave(t) = amplitude sin(phase + 2 pi * the integral of frequency from 0 to t) + noise
///
/// A chirp's frequency is begin (end / begin)^(t / duration). Sound i depends on the generator and i only. Throws
/// ValueError for negative n, or options out of range: frequencies between 0 and half the rate, amplitudes in (0, 1].
template <class S = float>
Sounds<S> sounds(Index n, Rng& rng, const SoundsOptions& options = {}) {
  detail::check_sounds(n, options);
  const Rng::State child = rng.split().state();
  const Index length = options.length, k = detail::sound_attributes;
  std::vector<S> waves(static_cast<std::size_t>(n * length)), clean(waves), frequencies(waves);
  std::vector<S> attributes(static_cast<std::size_t>(n * k));
  std::vector<Index> labels(static_cast<std::size_t>(n));
  parallel_for(n, 4, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      Rng item = Rng::from_state({child.key, child.stream + static_cast<std::uint64_t>(i), 0, 0});
      const detail::Voice voice = detail::draw_voice(options, item);
      labels[static_cast<std::size_t>(i)] = static_cast<Index>(voice.kind);
      const double row[] = {voice.frequency(0), voice.frequency(voice.seconds), voice.amplitude, voice.phase};
      for (Index j = 0; j < k; ++j) attributes[static_cast<std::size_t>(i * k + j)] = static_cast<S>(row[j]);
      for (Index t = 0; t < length; ++t) {
        const auto at = static_cast<std::size_t>(i * length + t);
        const double time = static_cast<double>(t) / options.rate, value = voice.value(time);
        clean[at] = static_cast<S>(value);
        waves[at] = static_cast<S>(std::clamp(value + options.noise * item.normal(), -1.0, 1.0));
        frequencies[at] = static_cast<S>(voice.frequency(time));
      }
    }
  });
  return {Tensor<S>({n, length}, waves), Tensor<S>({n, length}, clean), Tensor<S>({n, length}, frequencies),
          Tensor<Index>({n}, labels), Tensor<S>({n, k}, attributes)};
}

/// The levels 0 .. levels - 1 of sound in [-1, 1] (beyond it clamped), finer for quiet sound: same shape.
///
///     level = round((levels - 1) (f(x) + 1) / 2),   f(x) = sign(x) log(1 + mu |x|) / log(1 + mu),   mu = levels - 1
///
/// (ITU-T G.711; WaveNet, van den Oord et al. 2016, section 2.2.) Throws ValueError for fewer than 2 levels, and for
/// NaN.
template <class S>
Tensor<S> mu_law_encode(const Tensor<S>& x, Index levels = 256) {
  detail::check_mu_law("mu_law_encode", levels);
  const double mu = static_cast<double>(levels - 1);
  return Tensor<S>::generate(x.shape(), [&](Index i) {
    const double value = static_cast<double>(x.data()[i]);
    if (std::isnan(value)) fail<ValueError>("mu_law_encode: element ", i, " is NaN, expected sound in [-1, 1]");
    const double level = 0.5 * mu * (detail::mu_law_compress(std::clamp(value, -1.0, 1.0), mu) + 1);
    return static_cast<S>(std::floor(level + 0.5));
  });
}

/// The sound in [-1, 1] of mu-law levels: the middle of what mu_law_encode gives each level, so that encoding it again
/// gives the same level. Numbers between levels give what lies between. Throws ValueError for numbers outside of 0 to
/// levels - 1, and for fewer than 2 levels.
template <class S>
Tensor<S> mu_law_decode(const Tensor<S>& encoded, Index levels = 256) {
  detail::check_mu_law("mu_law_decode", levels);
  const double mu = static_cast<double>(levels - 1);
  return Tensor<S>::generate(encoded.shape(), [&](Index i) {
    const double level = static_cast<double>(encoded.data()[i]);
    if (!(level >= 0 && level <= mu))
      fail<ValueError>("mu_law_decode: element ", i, " is ", level, ", expected a level 0 to ", levels - 1);
    return static_cast<S>(detail::mu_law_expand(2 * level / mu - 1, mu));
  });
}

}  // namespace pushforward::data

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/data/audio.inl>
#endif
