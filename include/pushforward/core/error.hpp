// Exceptions: every message names the operation, what it got, what it expected and how to mend it.
#pragma once

#include <concepts>
#include <cstdio>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include <pushforward/core/isa.hpp>

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

// One part of a message with its type erased: error paths are many, and should cost little to compile.
class Part {
 public:
  Part(const char* text) : Part(std::string_view(text)) {}
  Part(std::string_view text) : kind_(Kind::text), size_(text.size()) { value_.data = text.data(); }
  Part(const std::string& text) : Part(std::string_view(text)) {}
  Part(char character) : kind_(Kind::character) { value_.integer = character; }
  template <class T>
  requires std::is_arithmetic_v<T> Part(T number) : kind_(std::is_floating_point_v<T> ? Kind::real : Kind::integer) {
    if constexpr (std::is_floating_point_v<T>)
      value_.real = static_cast<double>(number);
    else
      value_.integer = static_cast<long long>(number);
  }
  // Anything with a str(), such as a Shape.
  template <class T>
  requires requires(const T& value) { value.str(); }
  Part(const T& value) : kind_(Kind::object), str_([](const void* of) { return static_cast<const T*>(of)->str(); }) {
    value_.data = &value;
  }

  void append_to(std::string& message) const {
    char buffer[40];
    switch (kind_) {
      case Kind::text:
        message.append(static_cast<const char*>(value_.data), size_);
        break;
      case Kind::character:
        message += static_cast<char>(value_.integer);
        break;
      case Kind::integer:
        message += std::to_string(value_.integer);
        break;
      case Kind::real:  // the sign of a NaN says nothing
        message.append(
            buffer, static_cast<std::size_t>(std::snprintf(
                        buffer, sizeof buffer, "%.9g", value_.real == value_.real ? value_.real : __builtin_nan(""))));
        break;
      case Kind::object:
        message += str_(value_.data);
        break;
    }
  }

 private:
  enum class Kind { text, character, integer, real, object };
  union {
    const void* data;
    long long integer;
    double real;
  } value_ = {};
  Kind kind_;
  union {
    std::size_t size_ = 0;
    std::string (*str_)(const void*);
  };
};

inline void append(std::string& message, const Part& part) { part.append_to(message); }

inline std::string concatenate(std::initializer_list<Part> parts) {
  std::string message;
  for (const Part& part : parts) part.append_to(message);
  return message;
}
template <class... Parts>
std::string concatenate(const Parts&... parts) {
  return concatenate({Part(parts)...});
}

template <class E>
[[noreturn, gnu::noinline, gnu::cold]] void throw_error(std::initializer_list<Part> parts) {
  throw E(concatenate(parts));
}

}  // namespace detail

/// Throws `E` with the parts concatenated: strings, numbers, and values with a `str()`.
template <std::derived_from<Error> E, class... Parts>
[[noreturn]] PUSHFORWARD_INLINE void fail(const Parts&... parts) {
  detail::throw_error<E>({detail::Part(parts)...});
}

}  // namespace pushforward
