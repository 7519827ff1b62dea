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
  template <class T>
  requires std::is_convertible_v<const T&, std::string_view> Part(const T& text) : text_(text) {}
  template <class T>
  requires std::is_arithmetic_v<T> Part(T number)
      : kind_(std::is_floating_point_v<T> ? Kind::real
              : std::is_same_v<T, char>   ? Kind::character
                                          : Kind::integer) {
    if constexpr (std::is_floating_point_v<T>)
      real_ = static_cast<double>(number);
    else
      integer_ = static_cast<long long>(number);
  }
  // Anything with a str(), such as a Shape.
  template <class T>
  requires requires(const T& value) { value.str(); }
  Part(const T& value)
      : kind_(Kind::object), object_(&value), str_([](const void* of) { return static_cast<const T*>(of)->str(); }) {}

  void append_to(std::string& message) const {
    char buffer[40];
    switch (kind_) {
      case Kind::text:
        message += text_;
        break;
      case Kind::character:
        message += static_cast<char>(integer_);
        break;
      case Kind::integer:
        message += std::to_string(integer_);
        break;
      case Kind::real:  // the sign of a NaN says nothing
        message.append(buffer, static_cast<std::size_t>(std::snprintf(buffer, sizeof buffer, "%.9g",
                                                                      real_ == real_ ? real_ : __builtin_nan(""))));
        break;
      case Kind::object:
        message += str_(object_);
        break;
    }
  }

 private:
  enum class Kind { text, character, integer, real, object };
  Kind kind_ = Kind::text;
  std::string_view text_;
  long long integer_ = 0;
  double real_ = 0;
  const void* object_ = nullptr;
  std::string (*str_)(const void*) = nullptr;
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
