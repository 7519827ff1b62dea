// Bodies of png.hpp.
#pragma once

#if defined(PUSHFORWARD_HAS_ZLIB) && PUSHFORWARD_HAS_ZLIB
#include <zlib.h>
#endif

#include <pushforward/core/isa.hpp>
#include <pushforward/io/png.hpp>

namespace pushforward::detail {

PUSHFORWARD_ONCE std::uint32_t crc32_of(const std::uint8_t* bytes, std::size_t count) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  std::uint32_t crc = 0xffffffffu;
  for (std::size_t i = 0; i < count; ++i) crc = table[(crc ^ bytes[i]) & 0xff] ^ (crc >> 8);
  return crc ^ 0xffffffffu;
}

PUSHFORWARD_ONCE void put_chunk(Bytes& out, const char* type, const Bytes& data) {
  put_big_endian(out, static_cast<std::uint32_t>(data.size()));
  const std::size_t begin = out.size();
  out.insert(out.end(), type, type + 4);
  out.insert(out.end(), data.begin(), data.end());
  put_big_endian(out, crc32_of(out.data() + begin, out.size() - begin));
}

PUSHFORWARD_ONCE Bytes zlib_stored(const Bytes& data) {
  constexpr std::size_t most = 65535;
  Bytes out{0x78, 0x01};
  std::uint32_t low = 1, high = 0;
  for (std::size_t begin = 0; begin == 0 || begin < data.size(); begin += most) {
    const std::size_t count = std::min(most, data.size() - begin);
    const auto bytes = static_cast<std::uint16_t>(count), flipped = static_cast<std::uint16_t>(~count);
    const bool last = begin + count == data.size();
    for (int byte : {last ? 1 : 0, bytes & 0xff, bytes >> 8, flipped & 0xff, flipped >> 8})
      out.push_back(static_cast<std::uint8_t>(byte));
    out.insert(out.end(), data.begin() + static_cast<std::ptrdiff_t>(begin),
               data.begin() + static_cast<std::ptrdiff_t>(begin + count));
    for (std::size_t i = begin; i < begin + count; ++i) {
      low = (low + data[i]) % 65521;
      high = (high + low) % 65521;
    }
  }
  put_big_endian(out, (high << 16) | low);
  return out;
}

PUSHFORWARD_ONCE Bytes zlib_compressed(const Bytes& data) {
#if defined(PUSHFORWARD_HAS_ZLIB) && PUSHFORWARD_HAS_ZLIB
  uLongf size = compressBound(static_cast<uLong>(data.size()));
  Bytes out(size);
  if (compress2(out.data(), &size, data.data(), static_cast<uLong>(data.size()), 6) == Z_OK) {
    out.resize(size);
    return out;
  }
#endif
  return zlib_stored(data);
}

PUSHFORWARD_ONCE Bytes filter_rows(const Image& image) {
  const auto row_bytes = static_cast<std::size_t>(image.width * image.channels);
  const auto pixel_bytes = static_cast<std::size_t>(image.channels);
  Bytes out, tried(row_bytes), best(row_bytes);
  out.reserve((row_bytes + 1) * static_cast<std::size_t>(image.height));
  const Bytes nothing(row_bytes, 0);
  for (Index y = 0; y < image.height; ++y) {
    const std::uint8_t* row = image.pixels.data() + static_cast<std::size_t>(y) * row_bytes;
    const std::uint8_t* above = y ? row - row_bytes : nothing.data();
    std::size_t least = 0;
    std::uint8_t chosen = 0;
    for (std::uint8_t filter = 0; filter < 3; ++filter) {
      std::size_t cost = 0;
      for (std::size_t i = 0; i < row_bytes; ++i) {
        const int guess = filter == 0 ? 0 : filter == 2 ? above[i] : i < pixel_bytes ? 0 : row[i - pixel_bytes];
        tried[i] = static_cast<std::uint8_t>(row[i] - guess);
        cost += static_cast<std::size_t>(std::min<int>(tried[i], 256 - tried[i]));
      }
      if (filter && cost >= least) continue;
      least = cost;
      chosen = filter;
      best.swap(tried);
    }
    out.push_back(chosen);
    out.insert(out.end(), best.begin(), best.end());
  }
  return out;
}

}  // namespace pushforward::detail

namespace pushforward {

PUSHFORWARD_ONCE std::vector<std::uint8_t> encode_png(const Image& image) {
  constexpr Index most = Index{1} << 30;  // Bytes of pixels, so that they fit one chunk.
  if (image.width < 1 || image.height < 1 || image.width > most / 3 || image.height > most / 3 / image.width ||
      (image.channels != 1 && image.channels != 3))
    fail<ValueError>("encode_png: got an image of ", image.width, " x ", image.height, " pixels and ", image.channels,
                     " channels, expected 1 to 2^30 / 3 pixels and 1 or 3 channels");
  if (image.pixels.size() != static_cast<std::size_t>(image.width * image.height * image.channels))
    fail<ValueError>("encode_png: got ", image.pixels.size(), " bytes of pixels, expected width * height * channels = ",
                     image.width * image.height * image.channels);
  detail::Bytes out{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, header;
  detail::put_big_endian(header, static_cast<std::uint32_t>(image.width));
  detail::put_big_endian(header, static_cast<std::uint32_t>(image.height));
  header.insert(header.end(), {8, static_cast<std::uint8_t>(image.channels == 3 ? 2 : 0), 0, 0, 0});
  detail::put_chunk(out, "IHDR", header);
  detail::put_chunk(out, "IDAT", detail::zlib_compressed(detail::filter_rows(image)));
  detail::put_chunk(out, "IEND", {});
  return out;
}

PUSHFORWARD_ONCE void write_png(const std::string& path, const Image& image) {
  const std::vector<std::uint8_t> bytes = encode_png(image);
  detail::FileAside file("write_png", path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

}  // namespace pushforward
