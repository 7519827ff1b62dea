// PNG: 8-bit grey and RGB pictures, compressed where zlib is there and valid without it.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/io/file.hpp>

namespace pushforward {

/// A picture of 8 bits a channel: rows from the top, pixels from the left, channels (1 grey, 3 RGB) innermost.
struct Image {
  Index width = 0, height = 0, channels = 1;
  std::vector<std::uint8_t> pixels;
};

/// The picture of a tensor of shape [h, w], [1, h, w] or [3, h, w] with values in [0, 1] (beyond them clamped, NaN
/// black).
///
/// Throws ShapeError for other shapes.
template <class S>
Image to_image(const Tensor<S>& values) {
  const int rank = values.rank();
  if (values.empty() || !(rank == 2 || (rank == 3 && (values.size(0) == 1 || values.size(0) == 3))))
    fail<ShapeError>("to_image: got shape ", values.shape(),
                     ", expected [h, w], [1, h, w] or [3, h, w]; index or reshape it");
  Image image{values.size(-1), values.size(-2), rank == 3 ? values.size(0) : 1, {}};
  const Index area = image.width * image.height;
  image.pixels.resize(static_cast<std::size_t>(values.size()));
  for (Index c = 0; c < image.channels; ++c)
    for (Index i = 0; i < area; ++i) {
      const double value = static_cast<double>(values.data()[c * area + i]);
      const double level = value > 0 ? std::min(value, 1.0) : 0.0;
      image.pixels[static_cast<std::size_t>(i * image.channels + c)] =
          static_cast<std::uint8_t>(std::lround(255 * level));
    }
  return image;
}

namespace detail {

using Bytes = std::vector<std::uint8_t>;

std::uint32_t crc32_of(const std::uint8_t* bytes, std::size_t count);

inline void put_big_endian(Bytes& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

void put_chunk(Bytes& out, const char* type, const Bytes& data);

// A zlib stream of stored blocks: larger, but readable by everything.
Bytes zlib_stored(const Bytes& data);

Bytes zlib_compressed(const Bytes& data);

// Every row behind its filter byte, by whichever filter leaves the smallest numbers: nothing, minus the pixel on the
// left, or minus the pixel above (PNG specification, section 9).
Bytes filter_rows(const Image& image);

}  // namespace detail

/// The bytes of `image` as a PNG file. Throws ValueError if it is empty, too large for PNG, or has other than 1 or 3
/// channels, or if its number of pixels does not fit its size.
std::vector<std::uint8_t> encode_png(const Image& image);

/// Writes `image` as a PNG file, aside and then renamed; missing parent folders are created.
///
/// Throws ValueError like `encode_png`, and IoError if the file cannot be written.
void write_png(const std::string& path, const Image& image);

/// Writes a tensor of shape [h, w], [1, h, w] or [3, h, w] with values in [0, 1] as a PNG file.
template <class S>
void write_png(const std::string& path, const Tensor<S>& values) {
  write_png(path, to_image(values));
}

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/io/png.inl>
#endif
