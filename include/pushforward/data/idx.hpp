// IDX files, the format of MNIST: a magic number, the lengths of the axes, the numbers.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/io/gzip.hpp>

namespace pushforward::data {

namespace detail {

// A checked IDX file: where its numbers begin, and of what type and shape they are.
struct Idx {
  std::vector<std::uint8_t> bytes;
  Shape shape;
  std::uint8_t type = 0;
  std::size_t offset = 0;

  const std::uint8_t* values() const { return bytes.data() + offset; }
};

inline constexpr std::uint8_t idx_unsigned_byte = 0x08;

// Bytes of one number of an IDX type; 0 for a code that is none.
std::size_t idx_width(std::uint8_t type);

std::uint64_t big_endian(const std::uint8_t* bytes, std::size_t width);

std::string hexadecimal(const std::uint8_t* bytes, std::size_t count);

Idx open_idx(const std::string& path);

template <class S>
S idx_value(const std::uint8_t* bytes, std::uint8_t type) {
  const std::uint64_t bits = big_endian(bytes, idx_width(type));
  const auto reinterpret = [](auto from, auto to) {
    std::memcpy(&to, &from, sizeof to);
    return static_cast<S>(to);
  };
  switch (type) {
    case 0x09:
      return static_cast<S>(static_cast<std::int8_t>(bits));
    case 0x0b:
      return static_cast<S>(static_cast<std::int16_t>(bits));
    case 0x0c:
      return static_cast<S>(static_cast<std::int32_t>(bits));
    case 0x0d:
      return reinterpret(static_cast<std::uint32_t>(bits), float{});
    case 0x0e:
      return reinterpret(bits, double{});
    default:
      return static_cast<S>(bits);
  }
}

}  // namespace detail

/// The numbers of an IDX file as they stand there (bytes 0 to 255 for images), plain or gzip-compressed, in its shape.
///
/// All six IDX types are read and converted to S; S = Index takes whole numbers only. Throws IoError if the file cannot
/// be read, is not IDX, or its length does not match its header.
template <class S = float>
Tensor<S> read_idx(const std::string& path) {
  const detail::Idx idx = detail::open_idx(path);
  if (std::is_integral_v<S> && idx.type >= 0x0d)
    fail<IoError>("read_idx: ", path, " holds fractional numbers, expected whole ones; read it as float or double");
  const std::size_t width = detail::idx_width(idx.type);
  return Tensor<S>::generate(idx.shape, [&](Index i) {
    return detail::idx_value<S>(idx.values() + static_cast<std::size_t>(i) * width, idx.type);
  });
}

}  // namespace pushforward::data

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/data/idx.inl>
#endif
