// Bodies of audio.hpp.
#pragma once

#include <numbers>

#include <pushforward/core/isa.hpp>
#include <pushforward/data/audio.hpp>

namespace pushforward::data::detail {

PUSHFORWARD_ONCE double Voice::frequency(double time) const {
  if (kind == SoundKind::vibrato) return begin * (1 + depth * std::sin(2 * std::numbers::pi * speed * time + offset));
  return begin * std::pow(end / begin, time / seconds);
}

PUSHFORWARD_ONCE double Voice::turned(double time) const {
  const double even = 2 * std::numbers::pi * begin * time;
  if (kind == SoundKind::vibrato)
    return even + begin * depth / speed * (std::cos(offset) - std::cos(2 * std::numbers::pi * speed * time + offset));
  const double rate = std::log(end / begin) / seconds;  // of growth, 1 / s
  return rate == 0 ? even : 2 * std::numbers::pi * begin * std::expm1(rate * time) / rate;
}

PUSHFORWARD_ONCE Voice draw_voice(const SoundsOptions& o, Rng& rng) {
  const auto count = static_cast<Index>(o.kinds.size());
  Voice voice{};
  voice.kind = count ? o.kinds[static_cast<std::size_t>(rng.uniform_index(count))]
                     : static_cast<SoundKind>(rng.uniform_index(sound_kinds));
  voice.seconds = static_cast<double>(o.length) / o.rate;
  // Pitch is even on a logarithmic scale.
  const auto pitch = [&](double low, double high) { return low * std::pow(high / low, rng.uniform()); };
  const double middle = std::sqrt(o.lowest * o.highest);
  voice.begin = voice.end = pitch(o.lowest, o.highest);
  if (voice.kind == SoundKind::rising) voice.begin = pitch(o.lowest, middle), voice.end = pitch(middle, o.highest);
  if (voice.kind == SoundKind::falling) voice.begin = pitch(middle, o.highest), voice.end = pitch(o.lowest, middle);
  if (voice.kind == SoundKind::vibrato) {
    voice.depth = std::min(0.06, 0.25 * (o.highest / o.lowest - 1));
    voice.begin = voice.end = pitch(o.lowest / (1 - voice.depth), o.highest / (1 + voice.depth));
    voice.speed = 5 + 3 * rng.uniform();
    voice.offset = 2 * std::numbers::pi * rng.uniform();
  }
  voice.amplitude = o.quietest + (o.loudest - o.quietest) * rng.uniform();
  voice.phase = 2 * std::numbers::pi * rng.uniform();
  return voice;
}

PUSHFORWARD_ONCE void check_sounds(Index n, const SoundsOptions& o) {
  if (n < 0 || o.length < 1)
    fail<ValueError>("sounds: got ", n, " sounds of ", o.length, " samples, expected 0 or more of at least 1");
  if (!(o.rate > 0 && std::isfinite(o.rate)))
    fail<ValueError>("sounds: .rate is ", o.rate, ", expected a positive number of samples a second");
  if (!(0 < o.lowest && o.lowest <= o.highest && o.highest <= o.rate / 2))
    fail<ValueError>("sounds: .lowest is ", o.lowest, " and .highest ", o.highest,
                     " Hz, expected positive ones in order, up to half the rate of ", o.rate);
  if (!(0 < o.quietest && o.quietest <= o.loudest && o.loudest <= 1))
    fail<ValueError>("sounds: .quietest is ", o.quietest, " and .loudest ", o.loudest,
                     ", expected amplitudes above 0 in order, up to 1");
  if (!(o.noise >= 0 && std::isfinite(o.noise)))
    fail<ValueError>("sounds: .noise is ", o.noise, ", expected a standard deviation of 0 or more");
}

PUSHFORWARD_ONCE void check_mu_law(const char* name, Index levels) {
  if (levels < 2 || levels > 65536) fail<ValueError>(name, ": got ", levels, " levels, expected 2 to 65536");
}

PUSHFORWARD_ONCE double mu_law_compress(double x, double mu) {
  return std::copysign(std::log1p(mu * std::abs(x)) / std::log1p(mu), x);
}

PUSHFORWARD_ONCE double mu_law_expand(double y, double mu) {
  return std::copysign(std::min(1.0, std::expm1(std::abs(y) * std::log1p(mu)) / mu), y);
}

}  // namespace pushforward::data::detail
