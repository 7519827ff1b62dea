// Bodies of idx.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/data/idx.hpp>

namespace pushforward::data::detail {

PUSHFORWARD_ONCE std::size_t idx_width(std::uint8_t type) {
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

PUSHFORWARD_ONCE std::uint64_t big_endian(const std::uint8_t* bytes, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) value = value << 8 | bytes[i];
  return value;
}

PUSHFORWARD_ONCE std::string hexadecimal(const std::uint8_t* bytes, std::size_t count) {
  std::string text = "0x";
  for (std::size_t i = 0; i < count; ++i)
    for (const int half : {bytes[i] >> 4, bytes[i] & 15}) text += "0123456789abcdef"[half];
  return text;
}

PUSHFORWARD_ONCE Idx open_idx(const std::string& path) {
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

}  // namespace pushforward::data::detail
