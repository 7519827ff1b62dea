// Bodies of safetensors.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/io/safetensors.hpp>

namespace pushforward {

PUSHFORWARD_ONCE const NamedTensor* SafeTensors::find(std::string_view name) const {
  for (const NamedTensor& tensor : tensors)
    if (tensor.name == name) return &tensor;
  return nullptr;
}

}  // namespace pushforward

namespace pushforward::detail {

PUSHFORWARD_ONCE float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16, exponent = half >> 10 & 31,
                      fraction = half & 1023;
  if (exponent == 0) {
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -value : value;
  }
  const std::uint32_t biased = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | biased << 23 | fraction << 13);
}

PUSHFORWARD_ONCE std::string safetensors_header(const std::vector<NamedTensor>& tensors,
                                                const std::vector<std::size_t>& order,
                                                const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      if (!is_utf8(key) || !is_utf8(value))
        fail<ValueError>("save_safetensors: the metadata '", key, "' is not valid UTF-8");
      header += concatenate(header.back() == '{' ? "" : ",", json_quoted(key), ":", json_quoted(value));
    }
    header += "}";
  }
  std::uint64_t offset = 0;
  for (std::size_t i : order) {
    const AnyTensor& value = tensors[i].value;
    const auto& [type, bytes] = tensor_types[value.index()];
    header += concatenate(header.back() == '{' ? "" : ",", json_quoted(tensors[i].name), ":{\"dtype\":\"", type,
                          "\",\"shape\":[");
    const Shape& shape = std::visit([](const auto& t) -> const Shape& { return t.shape(); }, value);
    for (Index length : shape) header += concatenate(header.back() == '[' ? "" : ",", length);
    const std::uint64_t begin = offset;
    offset += static_cast<std::uint64_t>(shape.size()) * bytes;
    header += concatenate("],\"data_offsets\":[", begin, ",", offset, "]}");
  }
  header += "}";
  return header.append((8 - header.size() % 8) % 8, ' ');
}

PUSHFORWARD_ONCE SafeTensorsReader::SafeTensorsReader(const std::string& path, const std::vector<std::uint8_t>& bytes)
    : path_(path) {
  constexpr std::uint64_t most_header = 100'000'000;
  if (bytes.size() < 8) broken("has ", bytes.size(), " bytes, too few for the length of a header");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  if (length > bytes.size() - 8 || length > most_header)
    broken("claims a header of ", length, " bytes and has ", bytes.size() - 8,
           " left; it was cut off or is of another format");
  data_ = bytes.data() + 8 + length;
  data_size_ = bytes.size() - 8 - length;
  if (length == 0 || bytes[8] != '{') broken("has a header that does not begin with '{'; it is of another format");
  read_header(std::string_view(reinterpret_cast<const char*>(bytes.data()) + 8, length));
  for (const TensorEntry& entry : entries_) check(entry);
  check_layout();
}

PUSHFORWARD_ONCE SafeTensors SafeTensorsReader::read() {
  SafeTensors file{{}, std::move(metadata_)};
  for (const TensorEntry& entry : entries_) file.tensors.push_back({entry.name, tensor(entry)});
  return file;
}

PUSHFORWARD_ONCE void SafeTensorsReader::read_header(std::string_view text) {
  JsonReader json("load_safetensors: " + path_, text);
  std::map<std::string, bool> seen;
  json.each('{', '}', [&] {
    const std::string name = json.string();
    json.expect(':');
    if (!seen.emplace(name, true).second) broken("has two entries named '", name, "'");
    if (name != "__metadata__") return entries_.push_back(read_entry(json, name));
    json.each('{', '}', [&] {
      const std::string key = json.string();
      json.expect(':');
      if (!metadata_.emplace(key, json.string()).second) broken("has the metadata '", key, "' twice");
    });
  });
  if (!json.at_end()) json.broken("text after its end");
}

PUSHFORWARD_ONCE TensorEntry SafeTensorsReader::read_entry(JsonReader& json, const std::string& name) const {
  TensorEntry entry;
  entry.name = name;
  std::vector<std::uint64_t> offsets;
  unsigned seen = 0;
  json.each('{', '}', [&] {
    const std::string key = json.string();
    json.expect(':');
    const unsigned bit = key == "dtype" ? 1u : key == "shape" ? 2u : key == "data_offsets" ? 4u : 0u;
    if (bit == 0 || (seen & bit)) broken("describes tensor '", name, "' with an unknown or repeated key '", key, "'");
    seen |= bit;
    if (bit == 1) return void(entry.type = json.string());
    json.each('[', ']', [&] { (bit == 2 ? entry.axes : offsets).push_back(json.unsigned_integer()); });
  });
  if (seen != 7 || offsets.size() != 2)
    broken("describes tensor '", name, "' without one of dtype, shape and two data_offsets");
  entry.begin = offsets[0];
  entry.end = offsets[1];
  return entry;
}

PUSHFORWARD_ONCE const TensorType* SafeTensorsReader::type_of(const TensorEntry& entry) {
  for (const TensorType& type : tensor_types)
    if (type.name == entry.type) return &type;
  return nullptr;
}

PUSHFORWARD_ONCE void SafeTensorsReader::check(const TensorEntry& entry) const {
  const TensorType* type = type_of(entry);
  if (!type)
    broken("holds tensor '", entry.name, "' of type ", entry.type, ", expected F32, F64, I64, U8, F16 or BF16");
  if (entry.axes.size() > Shape::max_rank)
    broken("holds tensor '", entry.name, "' with ", entry.axes.size(), " axes, expected at most 6");
  if (entry.begin > entry.end || entry.end > data_size_)
    broken("puts tensor '", entry.name, "' at bytes ", entry.begin, " to ", entry.end, " of ", data_size_,
           "; it was cut off or damaged");
  std::uint64_t elements = 0;
  if (!count_elements(entry.axes, elements))
    broken("holds tensor '", entry.name, "' with more elements than can be counted");
  if (elements != (entry.end - entry.begin) / type->bytes || (entry.end - entry.begin) % type->bytes != 0)
    broken("gives tensor '", entry.name, "' ", entry.end - entry.begin, " bytes, but its shape has ", elements,
           " elements of ", type->bytes, " bytes");
}

PUSHFORWARD_ONCE void SafeTensorsReader::check_layout() const {
  std::vector<const TensorEntry*> sorted;
  for (const TensorEntry& entry : entries_) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(), [](const TensorEntry* a, const TensorEntry* b) {
    return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
  });
  std::uint64_t offset = 0;
  for (const TensorEntry* entry : sorted) {
    if (entry->begin != offset)
      broken(entry->begin < offset ? "overlaps tensor '" : "leaves a gap before tensor '", entry->name,
             "': it begins at byte ", entry->begin, ", expected ", offset);
    offset = entry->end;
  }
  if (offset != data_size_) broken("has ", data_size_ - offset, " bytes after its last tensor, expected none");
}

PUSHFORWARD_ONCE AnyTensor SafeTensorsReader::tensor(const TensorEntry& entry) const {
  std::vector<Index> axes(entry.axes.begin(), entry.axes.end());
  const Shape shape{std::span<const Index>(axes)};
  if (entry.type == "F32") return copy<float>(entry, shape);
  if (entry.type == "F64") return copy<double>(entry, shape);
  if (entry.type == "I64") return copy<Index>(entry, shape);
  if (entry.type == "U8") return copy<std::uint8_t>(entry, shape);
  return Tensor<float>::generate(shape, [&](Index i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, data_ + entry.begin + 2 * static_cast<std::uint64_t>(i), 2);
    return entry.type == "F16" ? half_to_float(bits) : bfloat_to_float(bits);
  });
}

}  // namespace pushforward::detail

namespace pushforward {

PUSHFORWARD_ONCE void save_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                                       const std::map<std::string, std::string>& metadata) {
  std::map<std::string_view, bool> seen;
  for (const auto& [name, value] : tensors) {
    if (!detail::is_utf8(name)) fail<ValueError>("save_safetensors: the name '", name, "' is not valid UTF-8");
    if (name == "__metadata__")
      fail<ValueError>("save_safetensors: the name __metadata__ is taken by the format; choose another");
    if (!seen.emplace(name, true).second) fail<ValueError>("save_safetensors: two tensors are named '", name, "'");
  }
  // Wide types first, so that every tensor is aligned in the file.
  std::vector<std::size_t> order(tensors.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto width = [&](std::size_t i) { return detail::tensor_types[tensors[i].value.index()].bytes; };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return width(a) > width(b); });

  const std::string header = detail::safetensors_header(tensors, order, metadata);
  const auto length = static_cast<std::uint64_t>(header.size());
  detail::FileAside file("save_safetensors", path);
  file.write(&length, 8);
  file.write(header.data(), header.size());
  for (std::size_t i : order)
    std::visit([&](const auto& t) { file.write(t.data(), static_cast<std::size_t>(t.size()) * sizeof(*t.data())); },
               tensors[i].value);
  file.commit();
}

PUSHFORWARD_ONCE SafeTensors load_safetensors(const std::string& path) {
  constexpr std::uint64_t most = std::uint64_t{1} << 46;
  const std::vector<std::uint8_t> bytes = detail::read_bytes("load_safetensors", path, most);
  return detail::SafeTensorsReader(path, bytes).read();
}

}  // namespace pushforward
