// CSV: tables of numbers.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/io/gzip.hpp>

namespace pushforward {

/// How a table of numbers is written as text.
struct CsvOptions {
  char delimiter = ',';
  /// Reading: whether the first line holds names, which are skipped.
  bool header = false;
  /// Writing: the names of the columns for a first line; none without.
  std::vector<std::string> columns = {};
};

namespace detail {

bool parse_number(std::string_view text, double& value);

template <class S>
void append_number(std::string& text, S value) {
#ifdef __cpp_lib_to_chars
  char buffer[40];
  text.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
#else
  char buffer[40];
  if constexpr (std::is_integral_v<S>)
    std::snprintf(buffer, sizeof buffer, "%lld", static_cast<long long>(value));
  else
    std::snprintf(buffer, sizeof buffer, std::is_same_v<S, float> ? "%.9g" : "%.17g", static_cast<double>(value));
  text += buffer;
#endif
}

std::string_view trimmed(std::string_view text, char delimiter);

// Whether `value` is finite as an S, and whole if S is.
template <class S>
bool fits(double value) {
  if constexpr (std::is_integral_v<S>)
    return std::abs(value) <= 9007199254740992.0 &&
           value == std::floor(value);  // 2^53: doubles count exactly up to it.
  else
    return std::abs(value) <= static_cast<double>(std::numeric_limits<S>::max());
}

// The numbers of one line behind those already in `values`; how many there were.
template <class S>
Index parse_csv_line(const std::string& path, std::string_view line, Index number, char delimiter,
                     std::vector<S>& values) {
  for (Index column = 1;; ++column) {
    const std::size_t end = line.find(delimiter);
    const std::string_view cell = trimmed(line.substr(0, end), delimiter);
    double value = 0;
    if (!parse_number(cell, value))
      fail<IoError>("read_csv: ", path, ", line ", number, ", column ", column, ": got '", cell.substr(0, 40),
                    "', expected a number", number == 1 ? "; say .header = true if the first line holds names" : "");
    if (!fits<S>(value))
      fail<IoError>("read_csv: ", path, ", line ", number, ", column ", column, ": got '", cell.substr(0, 40),
                    "', expected a ", std::is_integral_v<S> ? "whole" : "finite",
                    " number; drop or fill missing values first");
    values.push_back(static_cast<S>(value));
    if (end == std::string_view::npos) return column;
    line.remove_prefix(end + 1);
  }
}

}  // namespace detail

/// The numbers of a CSV file (which may be gzip-compressed) as a tensor of shape [rows, columns].
///
/// Blank lines are skipped; cells may be quoted. Throws IoError that names the line of a cell that is no finite number
/// or of a row of another length, or says that there are no rows.
template <class S = float>
Tensor<S> read_csv(const std::string& path, const CsvOptions& options = {}) {
  const std::vector<std::uint8_t> bytes = read_file(path);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // A byte order mark.
  std::vector<S> values;
  Index columns = 0, rows = 0, number = 0;
  bool header = options.header;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (detail::trimmed(line, options.delimiter).empty()) continue;
    if (std::exchange(header, false)) continue;
    const Index count = detail::parse_csv_line<S>(path, line, number, options.delimiter, values);
    if (rows++ == 0) columns = count;
    if (count != columns)
      fail<IoError>("read_csv: ", path, ", line ", number, ": got ", count, " cells, expected ", columns,
                    " as in the rows before");
  }
  if (rows == 0) fail<IoError>("read_csv: ", path, " has no rows of numbers");
  return Tensor<S>({rows, columns}, values);
}

/// Writes a tensor of shape [rows, columns], or [rows] as one column, as a CSV file. Numbers are written with as many
/// digits as it takes to read the same bits again.
///
/// The file is written aside and renamed, and missing parent folders are created. Throws ShapeError for other shapes or
/// the wrong number of `options.columns`, IoError if the file cannot be written.
template <class S>
void write_csv(const std::string& path, const Tensor<S>& values, const CsvOptions& options = {}) {
  if (values.rank() != 1 && values.rank() != 2)
    fail<ShapeError>("write_csv: got shape ", values.shape(), ", expected [rows, columns] or [rows]; reshape it");
  const Index rows = values.size(0), columns = values.rank() == 2 ? values.size(1) : 1;
  const std::vector<std::string>& names = options.columns;
  if (!names.empty() && static_cast<Index>(names.size()) != columns)
    fail<ShapeError>("write_csv: got ", names.size(), " names for ", columns, " columns");
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i) text += options.delimiter;
    text += names[i];
  }
  if (!names.empty()) text += '\n';
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < columns; ++j) {
      detail::append_number(text, values.data()[i * columns + j]);
      text += j + 1 < columns ? options.delimiter : '\n';
    }
  detail::FileAside file("write_csv", path);
  file.write(text.data(), text.size());
  file.commit();
}

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/io/csv.inl>
#endif
