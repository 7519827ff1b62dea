// summary(): a model's parameters and buffers as text.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <pushforward/nn/module.hpp>

namespace pushforward {

namespace detail {

struct SummaryVisitor final : Visitor {
  struct Row {
    std::string path, shape, count;
  };
  std::vector<Row> rows{{"path", "shape", "count"}};
  Index parameters = 0, buffers = 0, bytes = 0;

  template <class T>
  void add(const Path& path, const T& tensor, Index& total, const char* note) {
    if (tensor.empty()) return;
    rows.push_back({path.str() + note, tensor.shape().str(), std::to_string(tensor.size())});
    total += tensor.size();
    bytes += tensor.size() * static_cast<Index>(sizeof(typename T::Scalar));
  }
  void parameter(const Path& path, Parameter<float>& p) override { add(path, p, parameters, ""); }
  void parameter(const Path& path, Parameter<double>& p) override { add(path, p, parameters, ""); }
  void buffer(const Path& path, Buffer<float>& b) override { add(path, b, buffers, " (buffer)"); }
  void buffer(const Path& path, Buffer<double>& b) override { add(path, b, buffers, " (buffer)"); }
  void buffer(const Path& path, Buffer<Index>& b) override { add(path, b, buffers, " (buffer)"); }
};

}  // namespace detail

/// A table with one line per parameter and buffer (path, shape, count of numbers), and a last line with the number of
/// parameters and buffers and their bytes.
template <class M>
std::string summary(const M& model) {
  detail::SummaryVisitor table;
  walk(const_cast<M&>(model), table);  // reads only
  std::size_t path = 0, shape = 0, count = 0;
  for (const auto& row : table.rows) {
    path = std::max(path, row.path.size());
    shape = std::max(shape, row.shape.size());
    count = std::max(count, row.count.size());
  }
  std::string text;
  for (const auto& row : table.rows)
    text += row.path + std::string(path - row.path.size() + 2, ' ') + row.shape +
            std::string(shape - row.shape.size() + 2, ' ') + std::string(count - row.count.size(), ' ') + row.count +
            "\n";
  text += "total: " + std::to_string(table.parameters) + " parameters, ";
  if (table.buffers > 0) text += std::to_string(table.buffers) + " numbers in buffers, ";
  return text + std::to_string(table.bytes) + " bytes\n";
}

}  // namespace pushforward
