// Exceptions: every message names the operation, what it got, what it expected and how to mend it.
#pragma once

#include <concepts>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace pushforward {

/// Base of all exceptions of the library.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// Shapes that do not fit an operation.
struct ShapeError : Error {
  using Error::Error;
};
/// A value outside of what an operation accepts.
struct ValueError : Error {
  using Error::Error;
};
/// An index or axis out of range.
struct IndexError : Error {
  using Error::Error;
};
/// A file that cannot be read, written or understood.
struct IoError : Error {
  using Error::Error;
};
/// A gradient that was asked for where none exists.
struct GradientError : Error {
  using Error::Error;
};

namespace detail {

template <class T>
void append(std::string& text, const T& part) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    text += std::string_view(part);
  } else if constexpr (std::is_same_v<T, bool>) {
    text += part ? "true" : "false";
  } else if constexpr (std::is_same_v<T, char>) {
    text += part;
  } else if constexpr (std::is_integral_v<T>) {
    text += std::to_string(part);
  } else if constexpr (std::is_floating_point_v<T>) {
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%.9g", static_cast<double>(part));
    text += buffer;
  } else {
    text += part.str();
  }
}

template <class... Parts>
std::string concatenate(const Parts&... parts) {
  std::string text;
  (append(text, parts), ...);
  return text;
}

}  // namespace detail

/// Throws `E` with the parts concatenated: strings, numbers, and values with a `str()`.
template <std::derived_from<Error> E, class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw E(detail::concatenate(parts...));
}

}  // namespace pushforward
