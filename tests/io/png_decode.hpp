// A small PNG decoder that shares no code with the encoder: it checks every checksum and undoes every filter.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(PUSHFORWARD_HAS_ZLIB) && PUSHFORWARD_HAS_ZLIB
#include <zlib.h>
#endif

struct DecodedPng {
  std::size_t width = 0, height = 0, channels = 0;
  std::vector<std::uint8_t> pixels;

  const std::uint8_t* at(std::size_t x, std::size_t y) const { return pixels.data() + (y * width + x) * channels; }
};

namespace png_decode {

using Bytes = std::vector<std::uint8_t>;

inline void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(std::string("PNG: ") + what);
}

inline std::uint32_t big_endian(const Bytes& b, std::size_t at) {
  return std::uint32_t{b.at(at)} << 24 | std::uint32_t{b.at(at + 1)} << 16 | std::uint32_t{b.at(at + 2)} << 8 |
         b.at(at + 3);
}

inline std::uint32_t crc(const Bytes& b, std::size_t begin, std::size_t end) {
  std::uint32_t value = ~0u;
  for (std::size_t i = begin; i < end; ++i) {
    value ^= b.at(i);
    for (int k = 0; k < 8; ++k) value = (value >> 1) ^ (0xedb88320u & (0u - (value & 1u)));
  }
  return ~value;
}

inline Bytes inflate_stored(const Bytes& z) {
  Bytes out;
  std::size_t at = 2;
  for (bool last = false; !last;) {
    last = z.at(at) & 1;
    require((z.at(at) >> 1) == 0, "no stored block");
    const std::size_t size = z.at(at + 1) | std::size_t{z.at(at + 2)} << 8,
                      check = z.at(at + 3) | std::size_t{z.at(at + 4)} << 8;
    require((size ^ check) == 0xffff, "stored length");
    for (std::size_t i = 0; i < size; ++i) out.push_back(z.at(at + 5 + i));
    at += 5 + size;
  }
  std::uint32_t a = 1, b = 0;
  for (std::uint8_t byte : out) a = (a + byte) % 65521, b = (b + a) % 65521;
  require(big_endian(z, at) == (b << 16 | a) && at + 4 == z.size(), "adler32");
  return out;
}

inline Bytes inflate(const Bytes& z, [[maybe_unused]] std::size_t expected) {
#if defined(PUSHFORWARD_HAS_ZLIB) && PUSHFORWARD_HAS_ZLIB
  Bytes out(expected + 1);
  uLongf size = static_cast<uLongf>(out.size());
  require(uncompress(out.data(), &size, z.data(), static_cast<uLong>(z.size())) == Z_OK, "zlib stream");
  out.resize(size);
  return out;
#else
  return inflate_stored(z);
#endif
}

}  // namespace png_decode

inline DecodedPng decode_png(const std::vector<std::uint8_t>& file) {
  using namespace png_decode;
  const Bytes signature{0x89, 'P', 'N', 'G', 13, 10, 26, 10};
  require(file.size() > 8 && Bytes(file.begin(), file.begin() + 8) == signature, "signature");
  DecodedPng png;
  Bytes packed;
  bool ended = false;
  for (std::size_t at = 8; at < file.size();) {
    const std::size_t size = big_endian(file, at), data = at + 8;
    const std::string type(file.begin() + static_cast<std::ptrdiff_t>(at + 4),
                           file.begin() + static_cast<std::ptrdiff_t>(at + 8));
    require(big_endian(file, data + size) == crc(file, at + 4, data + size), "crc");
    if (type == "IHDR") {
      png.width = big_endian(file, data);
      png.height = big_endian(file, data + 4);
      png.channels = file.at(data + 9) == 2 ? 3 : 1;
      require(file.at(data + 8) == 8 && (file.at(data + 9) == 0 || file.at(data + 9) == 2), "8 bits, grey or RGB");
    }
    for (std::size_t i = 0; type == "IDAT" && i < size; ++i) packed.push_back(file.at(data + i));
    ended = type == "IEND";
    at = data + size + 4;
  }
  require(ended, "IEND last");
  const std::size_t row = png.width * png.channels;
  const Bytes raw = inflate(packed, png.height * (row + 1));
  require(raw.size() == png.height * (row + 1), "number of pixels");
  for (std::size_t y = 0; y < png.height; ++y)
    for (std::size_t i = 0; i < row; ++i) {
      const std::size_t size = png.pixels.size();
      const int left = i >= png.channels ? png.pixels[size - png.channels] : 0, above = y ? png.pixels[size - row] : 0;
      const int filter = raw[y * (row + 1)];
      require(filter <= 2, "filter");
      png.pixels.push_back(static_cast<std::uint8_t>(raw[y * (row + 1) + 1 + i] + (filter == 1   ? left
                                                                                   : filter == 2 ? above
                                                                                                 : 0)));
    }
  return png;
}
