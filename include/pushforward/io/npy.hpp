// NPY: one array a file, as NumPy's `save` and `load` write and read it.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/io/gzip.hpp>

namespace pushforward {

namespace detail {

static_assert(std::endian::native == std::endian::little, "pushforward/io needs a little-endian machine");

struct NpyHeader {
  std::string type;
  bool fortran_order = false;
  std::vector<Index> axes;
};

// Reads the dictionary of an NPY header, `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
class NpyHeaderReader {
 public:
  NpyHeaderReader(const std::string& path, std::string_view text) : path_(path), text_(text) {}

  NpyHeader read();

 private:
  [[noreturn]] void broken(const std::string& what) const;
  char peek();
  bool accept(char c);
  void expect(char c) {
    if (!accept(c)) broken(std::string("no '") + c + "'");
  }
  std::string quoted();
  bool boolean();
  std::vector<Index> tuple();

  const std::string& path_;
  std::string_view text_;
  std::size_t at_ = 0;
};

template <class S>
constexpr const char* npy_type() {
  static_assert(std::is_same_v<S, float> || std::is_same_v<S, double> || std::is_same_v<S, Index>,
                "NPY files hold Tensor<float>, Tensor<double> or Tensor<Index>");
  return std::is_same_v<S, float> ? "<f4" : std::is_same_v<S, double> ? "<f8" : "<i8";
}

// The elements at `bytes`, stored as `From`, as numbers of type S.
template <class From, class S>
void convert_elements(const std::uint8_t* bytes, Index count, S* out) {
  for (Index i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, bytes + static_cast<std::size_t>(i) * sizeof(From), sizeof(From));
    out[i] = static_cast<S>(value);
  }
}

}  // namespace detail

/// Writes a tensor as an NPY file (version 1.0, C order, little endian); NumPy's `load` reads it.
///
/// The file is written aside and renamed, and missing parent folders are created. Throws IoError.
template <class S>
void write_npy(const std::string& path, const Tensor<S>& values) {
  std::string shape;
  for (Index length : values.shape()) shape += std::to_string(length) + ",";
  std::string header =
      std::string("{'descr': '") + detail::npy_type<S>() + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  constexpr std::size_t prefix = 10, alignment = 64;
  header.append(alignment - 1 - (prefix + header.size()) % alignment, ' ');
  header += '\n';
  std::string start("\x93NUMPY\x01\x00", 8);
  start += static_cast<char>(header.size() & 0xff);
  start += static_cast<char>(header.size() >> 8);
  start += header;
  detail::FileAside file("write_npy", path);
  file.write(start.data(), start.size());
  file.write(values.data(), static_cast<std::size_t>(values.size()) * sizeof(S));
  file.commit();
}

/// The array of an NPY file (which may be gzip-compressed) as a tensor of S: `read_npy("x.npy")`,
/// `read_npy<double>(...)`.
///
/// Reads 32- and 64-bit floats, 64-bit integers and unsigned bytes in C order, converted to S; floats are not read as
/// Index. Throws IoError that says what the file holds instead, or where it is damaged.
template <class S = float>
Tensor<S> read_npy(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_file(path);
  if (bytes.size() < 12 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0)
    fail<IoError>("read_npy: ", path, " is no NPY file: it does not begin with \\x93NUMPY");
  const int version = bytes[6];
  if (version < 1 || version > 3)
    fail<IoError>("read_npy: ", path, " has NPY version ", version, ", expected 1, 2 or 3");
  const std::size_t prefix = version == 1 ? 10 : 12;
  std::size_t length = bytes[8] | std::size_t{bytes[9]} << 8;
  if (version > 1) length |= std::size_t{bytes[10]} << 16 | std::size_t{bytes[11]} << 24;
  if (length > bytes.size() - prefix)
    fail<IoError>("read_npy: ", path, ": the header claims ", length, " bytes, the file has ", bytes.size() - prefix,
                  " left");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + prefix, length);
  const detail::NpyHeader header = detail::NpyHeaderReader(path, text).read();

  const bool floats = header.type == "<f4" || header.type == "<f8";
  if (!floats && header.type != "<i8" && header.type != "|u1")
    fail<IoError>("read_npy: ", path, " holds elements of type ", header.type,
                  ", expected <f4, <f8, <i8 or |u1; convert with astype");
  if (floats && std::is_integral_v<S>)
    fail<IoError>("read_npy: ", path, " holds elements of type ", header.type,
                  ", which do not fit a Tensor<Index>; read it as float");
  if (header.fortran_order && header.axes.size() > 1)
    fail<IoError>("read_npy: ", path, " is in Fortran order, expected C order; save numpy.ascontiguousarray of it");
  const std::uint64_t element = header.type == "|u1"   ? 1
                                : header.type == "<f4" ? 4
                                                       : 8,
                      size = bytes.size() - prefix - length;
  std::uint64_t elements = 0;
  if (!detail::count_elements(header.axes, elements) || elements != size / element || size % element != 0)
    fail<IoError>("read_npy: ", path, ": its shape asks for ", elements, " elements of ", element,
                  " bytes, the file has ", size, " bytes of them; it was cut off or damaged");
  return Tensor<S>::build(Shape(std::span<const Index>(header.axes)), [&](S* out) {
    const std::uint8_t* data = bytes.data() + prefix + length;
    const auto count = static_cast<Index>(elements);
    if (header.type == "<f4") detail::convert_elements<float>(data, count, out);
    if (header.type == "<f8") detail::convert_elements<double>(data, count, out);
    if (header.type == "<i8") detail::convert_elements<std::int64_t>(data, count, out);
    if (header.type == "|u1") detail::convert_elements<std::uint8_t>(data, count, out);
  });
}

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/io/npy.inl>
#endif
