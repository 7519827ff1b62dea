// WAV: sound files of 16-bit or floating-point samples.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/io/file.hpp>

namespace pushforward {

/// How the samples of a WAV file are stored: 16 bits, or 32-bit floating point.
enum class WavFormat { pcm16, float32 };

/// How a sound is written.
struct WavOptions {
  Index rate = 16000;  ///< samples a second
  WavFormat format = WavFormat::pcm16;
};

/// Sound from a file.
template <class S = float>
struct Sound {
  Tensor<S> samples;  ///< [channels, t], whole numbers of the file as -1 to 1
  Index rate = 0;     ///< samples a second
};

namespace detail {

// Samples in the order of the file: all channels of one time, then of the next.
struct WavSamples {
  Index rate = 0, channels = 0;
  std::vector<double> values;
};

std::vector<std::uint8_t> wav_bytes(const WavSamples& sound, WavFormat format);
WavSamples parse_wav(const std::string& path, const std::vector<std::uint8_t>& bytes);

}  // namespace detail

/// Writes sound [t] or [channels, t] with samples in [-1, 1] as a WAV file, aside and then renamed; missing parent
/// folders are created.
///
/// With 16 bits a sample x is stored as round(32768 x), beyond the range clamped. Throws ShapeError for another shape,
/// ValueError for samples that are not finite, a rate or number of channels out of range, or more than 4 GB, IoError.
template <class S>
void write_wav(const std::string& path, const Tensor<S>& samples, const WavOptions& options = {}) {
  if (samples.rank() != 1 && samples.rank() != 2)
    fail<ShapeError>("write_wav: got shape ", samples.shape(), ", expected sound [t] or [channels, t]");
  const Index channels = samples.rank() == 1 ? 1 : samples.size(0), t = samples.size(-1);
  detail::WavSamples sound{options.rate, channels, {}};
  for (Index i = 0; i < t; ++i)
    for (Index c = 0; c < channels; ++c) sound.values.push_back(static_cast<double>(samples.data()[c * t + i]));
  const std::vector<std::uint8_t> bytes = detail::wav_bytes(sound, options.format);
  detail::FileAside file("write_wav", path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

/// Reads a WAV file of 8, 16, 24 or 32-bit whole numbers or of 32 or 64-bit floating-point ones.
///
/// A 16-bit sample k becomes k / 32768, so that what write_wav stores is read back. Throws IoError for a file that is
/// missing, damaged or of another kind, with what is wrong.
template <class S = float>
Sound<S> read_wav(const std::string& path) {
  const detail::WavSamples sound =
      detail::parse_wav(path, detail::read_bytes("read_wav", path, std::uint64_t{1} << 32));
  const Index channels = sound.channels, t = static_cast<Index>(sound.values.size()) / channels;
  return {Tensor<S>::generate({channels, t},
                              [&](Index i) {
                                return static_cast<S>(sound.values[static_cast<std::size_t>(i % t * channels + i / t)]);
                              }),
          sound.rate};
}

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/io/wav.inl>
#endif
