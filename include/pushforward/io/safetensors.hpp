// Safetensors: named tensors in one file, readable by other tools and safe to load from strangers.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/io/file.hpp>
#include <pushforward/io/json.hpp>

namespace pushforward {

/// A tensor of any type that a safetensors file holds.
using AnyTensor = std::variant<Tensor<float>, Tensor<double>, Tensor<Index>, Tensor<std::uint8_t>>;

/// A tensor and the name it has in a file.
struct NamedTensor {
  std::string name;
  AnyTensor value;
};

/// What a safetensors file holds: named tensors, in the order of the file, and text about them.
struct SafeTensors {
  std::vector<NamedTensor> tensors;
  std::map<std::string, std::string> metadata;

  /// The entry called `name`, null if there is none.
  const NamedTensor* find(std::string_view name) const;
  /// The tensor called `name` of scalar type S. Throws ValueError if there is none, or it has another type.
  template <class S = float>
  const Tensor<S>& get(std::string_view name) const;
};

namespace detail {

static_assert(std::endian::native == std::endian::little && sizeof(Index) == 8,
              "safetensors needs a 64-bit little-endian machine");

struct TensorType {
  std::string_view name;
  std::uint64_t bytes;
};
// In the order of AnyTensor, then those that are only read.
inline constexpr TensorType tensor_types[] = {{"F32", 4}, {"F64", 8}, {"I64", 8}, {"U8", 1}, {"F16", 2}, {"BF16", 2}};

// One entry of the header.
struct TensorEntry {
  std::string name, type;
  std::vector<std::uint64_t> axes;
  std::uint64_t begin = 0, end = 0;
};

float half_to_float(std::uint16_t half);

inline float bfloat_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::string safetensors_header(const std::vector<NamedTensor>& tensors, const std::vector<std::size_t>& order,
                               const std::map<std::string, std::string>& metadata);

// Reads and checks the header of a safetensors file.
class SafeTensorsReader {
 public:
  SafeTensorsReader(const std::string& path, const std::vector<std::uint8_t>& bytes);

  SafeTensors read();

 private:
  template <class... Parts>
  [[noreturn]] void broken(const Parts&... parts) const {
    fail<IoError>("load_safetensors: ", path_, " ", parts...);
  }

  void read_header(std::string_view text);

  TensorEntry read_entry(JsonReader& json, const std::string& name) const;

  static const TensorType* type_of(const TensorEntry& entry);

  void check(const TensorEntry& entry) const;

  // Tensors must follow each other without gaps or overlaps, so that nothing hides in a file and nothing is read twice.
  void check_layout() const;

  AnyTensor tensor(const TensorEntry& entry) const;
  template <class S>
  Tensor<S> copy(const TensorEntry& entry, const Shape& shape) const {
    return Tensor<S>::build(shape, [&](S* out) {
      if (entry.end > entry.begin) std::memcpy(out, data_ + entry.begin, entry.end - entry.begin);
    });
  }

  const std::string& path_;
  const std::uint8_t* data_ = nullptr;
  std::uint64_t data_size_ = 0;
  std::vector<TensorEntry> entries_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace detail

template <class S>
const Tensor<S>& SafeTensors::get(std::string_view name) const {
  const NamedTensor* entry = find(name);
  if (!entry) fail<ValueError>("SafeTensors: there is no tensor '", name, "' among ", tensors.size());
  const Tensor<S>* value = std::get_if<Tensor<S>>(&entry->value);
  if (!value)
    fail<ValueError>("SafeTensors: tensor '", name, "' has type ", detail::tensor_types[entry->value.index()].name,
                     ", expected ", detail::tensor_types[AnyTensor(Tensor<S>()).index()].name);
  return *value;
}

/// Writes named tensors and text about them as a safetensors file: the length of a JSON header, the header, the
/// numbers.
///
/// The file is written aside and renamed, and missing parent folders are created. Throws ValueError for names that
/// repeat, are "__metadata__" or not valid UTF-8, and IoError if the file cannot be written.
void save_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                      const std::map<std::string, std::string>& metadata = {});

/// The tensors and the text of a safetensors file. 16-bit floats become float.
///
/// Nothing in the file is trusted: lengths, JSON, names, types, shapes and offsets are checked before any tensor is
/// made. Throws IoError that names the file, the tensor and what is wrong with it.
SafeTensors load_safetensors(const std::string& path);

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/io/safetensors.inl>
#endif
