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
inline std::size_t idx_width(std::uint8_t type) {
  switch (type) {
    case 0x08:
    case 0x09:
      return 1;
    case 0x0b:
      return 2;
    case 0x0c:
    case 0x0d:
      return 4;
    case 0x0e:
      return 8;
    default:
      return 0;
  }
}

inline std::uint64_t big_endian(const std::uint8_t* bytes, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) value = value << 8 | bytes[i];
  return value;
}

inline std::string hexadecimal(const std::uint8_t* bytes, std::size_t count) {
  std::string text = "0x";
  for (std::size_t i = 0; i < count; ++i)
    for (const int half : {bytes[i] >> 4, bytes[i] & 15}) text += "0123456789abcdef"[half];
  return text;
}

inline Idx open_idx(const std::string& path) {
  Idx idx;
  idx.bytes = read_file(path);
  const std::size_t size = idx.bytes.size();
  if (size < 4)
    fail<IoError>("read_idx: ", path, " has ", size,
                  " bytes, expected an IDX header of at least 4; it is cut off or no IDX file");
  idx.type = idx.bytes[2];
  const std::size_t width = idx_width(idx.type), rank = idx.bytes[3];
  if (idx.bytes[0] || idx.bytes[1] || width == 0 || rank > static_cast<std::size_t>(Shape::max_rank))
    fail<IoError>("read_idx: ", path, " begins with ", hexadecimal(idx.bytes.data(), 4),
                  ", expected 0x0000, a type 0x08, 0x09 or 0x0b to 0x0e, and at most 6 axes; it is no IDX file");
  idx.offset = 4 + 4 * rank;
  if (size < idx.offset)
    fail<IoError>("read_idx: ", path, " has ", size, " bytes, expected a header of ", idx.offset, " for ", rank,
                  " axes; it is cut off: copy or download it again");
  std::vector<Index> axes;
  for (std::size_t i = 0; i < rank; ++i)
    axes.push_back(static_cast<Index>(big_endian(idx.bytes.data() + 4 + 4 * i, 4)));
  std::uint64_t count = 0;
  const bool counted = pushforward::detail::count_elements(axes, count);
  const std::uint64_t held = size - idx.offset;
  if (!counted || count > held / width || count * width != held) {
    std::string lengths;
    for (Index axis : axes) lengths += (lengths.empty() ? "" : " x ") + std::to_string(axis);
    const bool longer = counted && count <= held / width;
    fail<IoError>("read_idx: ", path, " announces ", lengths, " numbers of ", width, " bytes, but ", held,
                  " bytes follow the header; it ", longer ? "has trailing bytes" : "is cut off or damaged",
                  ": copy or download it again");
  }
  idx.shape = Shape(std::span<const Index>(axes));
  return idx;
}

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
