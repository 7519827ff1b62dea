// Bodies of wav.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include <pushforward/core/isa.hpp>
#include <pushforward/io/wav.hpp>

namespace pushforward::detail {

// Little-endian numbers, whatever the machine.
class WavWriter {
 public:
  explicit WavWriter(std::size_t room) { bytes_.reserve(room); }
  void name(std::string_view four) { bytes_.insert(bytes_.end(), four.begin(), four.end()); }
  void number(std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i) & 255));
  }
  std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
};

PUSHFORWARD_ONCE std::vector<std::uint8_t> wav_bytes(const WavSamples& sound, WavFormat format) {
  if (sound.channels < 1 || sound.channels > 65535)
    fail<ValueError>("write_wav: got ", sound.channels, " channels, expected 1 to 65535");
  const std::size_t width = format == WavFormat::pcm16 ? 2 : 4;
  constexpr std::uint64_t most = 0xffffffffu;
  const std::uint64_t block = static_cast<std::uint64_t>(sound.channels) * width, data = sound.values.size() * width;
  if (sound.rate < 1 || static_cast<std::uint64_t>(sound.rate) > most / block)
    fail<ValueError>("write_wav: .rate is ", sound.rate, ", expected a positive number of samples a second");
  if (data > most - 100) fail<ValueError>("write_wav: got ", data, " bytes of samples, but a WAV file ends at 4 GB");

  const std::uint64_t padding = data % 2, fact = format == WavFormat::float32 ? 12 : 0;
  WavWriter out(static_cast<std::size_t>(data) + 64);
  out.name("RIFF");
  out.number(36 + fact + data + padding, 4);
  out.name("WAVEfmt ");
  out.number(16, 4);
  out.number(format == WavFormat::pcm16 ? 1 : 3, 2);
  out.number(static_cast<std::uint64_t>(sound.channels), 2);
  out.number(static_cast<std::uint64_t>(sound.rate), 4);
  out.number(static_cast<std::uint64_t>(sound.rate) * block, 4);
  out.number(block, 2);
  out.number(8 * width, 2);
  if (fact) {  // the number of samples a channel, which formats other than whole numbers have to tell
    out.name("fact");
    out.number(4, 4);
    out.number(data / block, 4);
  }
  out.name("data");
  out.number(data, 4);
  for (std::size_t i = 0; i < sound.values.size(); ++i) {
    const double value = sound.values[i];
    if (!std::isfinite(value)) fail<ValueError>("write_wav: sample ", i, " is ", value, ", expected sound in [-1, 1]");
    if (format == WavFormat::pcm16) {
      const long level = std::lround(std::clamp(32768 * value, -32768.0, 32767.0));
      out.number(static_cast<std::uint64_t>(level), 2);
    } else {
      const auto sample = static_cast<float>(value);
      std::uint32_t bits = 0;
      std::memcpy(&bits, &sample, sizeof bits);
      out.number(bits, 4);
    }
  }
  return out.take();
}

// The parts of a WAV file: chunks of a name, a length and so many bytes.
class WavParser {
 public:
  WavParser(const std::string& path, const std::vector<std::uint8_t>& bytes) : path_(path), bytes_(bytes) {}

  WavSamples parse() {
    if (bytes_.size() < 12 || name(0) != "RIFF" || name(8) != "WAVE") broken("it does not begin as a WAV file does");
    for (std::size_t at = 12; at + 8 <= bytes_.size();) {
      const std::string_view chunk = name(at);
      const auto length = static_cast<std::size_t>(number(at + 4, 4));
      const std::size_t begin = at + 8;
      if (length > bytes_.size() - begin)
        broken(concatenate("its part '", chunk, "' of ", length, " bytes is cut off after ", bytes_.size() - begin));
      if (chunk == "fmt ") read_format(begin, length);
      if (chunk == "data") return read_samples(begin, length);
      at = begin + length + length % 2;
    }
    broken("there are no samples in it");
  }

 private:
  [[noreturn]] void broken(const std::string& what) const {
    fail<IoError>("read_wav: ", path_, " cannot be read: ", what);
  }
  std::string_view name(std::size_t at) const { return {reinterpret_cast<const char*>(bytes_.data()) + at, 4}; }
  std::uint64_t number(std::size_t at, std::size_t count) const {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value |= std::uint64_t{bytes_[at + i]} << (8 * i);
    return value;
  }

  void read_format(std::size_t at, std::size_t length) {
    if (length < 16) broken("the part that names its format is too short");
    code_ = number(at, 2);
    sound_.channels = static_cast<Index>(number(at + 2, 2));
    sound_.rate = static_cast<Index>(number(at + 4, 4));
    bits_ = number(at + 14, 2);
    constexpr std::uint64_t extensible = 0xfffe;
    if (code_ == extensible && length >= 26) code_ = number(at + 24, 2);
    const bool whole = code_ == 1 && (bits_ == 8 || bits_ == 16 || bits_ == 24 || bits_ == 32);
    const bool floating = code_ == 3 && (bits_ == 32 || bits_ == 64);
    if (!whole && !floating)
      broken(
          concatenate("it has format ", code_, " with ", bits_,
                      " bits, expected 1 (whole numbers of 8, 16, 24 or 32 bits) or 3 (floating point of 32 or 64)"));
    if (sound_.channels < 1 || sound_.rate < 1)
      broken(concatenate("it tells of ", sound_.channels, " channels at ", sound_.rate, " samples a second"));
  }

  double sample(std::size_t at) const {
    const std::uint64_t raw = number(at, bits_ / 8);
    if (code_ == 3 && bits_ == 32) {
      const auto bits = static_cast<std::uint32_t>(raw);
      float value = 0;
      std::memcpy(&value, &bits, sizeof value);
      return static_cast<double>(value);
    }
    if (code_ == 3) {
      double value = 0;
      std::memcpy(&value, &raw, sizeof value);
      return value;
    }
    const double half = std::ldexp(1.0, static_cast<int>(bits_) - 1), value = static_cast<double>(raw);
    if (bits_ == 8) return value / half - 1;  // the only width without a sign
    return (value >= half ? value - 2 * half : value) / half;
  }

  WavSamples read_samples(std::size_t at, std::size_t length) {
    if (bits_ == 0) broken("its samples come before their format");
    const std::size_t width = bits_ / 8, block = width * static_cast<std::size_t>(sound_.channels);
    if (length % block != 0)
      broken(concatenate("its ", length, " bytes of samples are no multiple of ", block, " for ", sound_.channels,
                         " channels of ", bits_, " bits"));
    sound_.values.reserve(length / width);
    for (std::size_t i = 0; i < length; i += width) {
      sound_.values.push_back(sample(at + i));
      if (!std::isfinite(sound_.values.back())) broken(concatenate("sample ", i / width, " is not finite"));
    }
    return std::move(sound_);
  }

  const std::string& path_;
  const std::vector<std::uint8_t>& bytes_;
  WavSamples sound_;
  std::uint64_t code_ = 0, bits_ = 0;
};

PUSHFORWARD_ONCE WavSamples parse_wav(const std::string& path, const std::vector<std::uint8_t>& bytes) {
  return WavParser(path, bytes).parse();
}

}  // namespace pushforward::detail
