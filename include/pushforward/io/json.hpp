// The part of JSON that file headers use: a strict reader that trusts nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <pushforward/core/error.hpp>

namespace pushforward::detail {

// The length of the UTF-8 sequence at the front of `text`, 0 if it is not valid (overlong, surrogate, cut off).
std::size_t utf8_length(std::string_view text);

bool is_utf8(std::string_view text);

void append_utf8(std::string& text, std::uint32_t code);

// `text` as a JSON string, with its quotes.
std::string json_quoted(std::string_view text);

// Walks through JSON text piece by piece, as its caller expects them; whatever else stands there throws an IoError. The
// caller says which pieces may come, so that there is no recursion to exhaust.
class JsonReader {
 public:
  JsonReader(std::string where, std::string_view text) : where_(std::move(where)), text_(text) {}

  [[noreturn]] void broken(std::string_view what) const;

  // The next character past blanks, '\0' at the end.
  char peek();
  bool accept(char c);
  bool at_end();
  void expect(char c) {
    if (!accept(c)) broken(std::string("no '") + c + "' where one is needed");
  }

  // Calls `element()` for each element up to `close`; the opening bracket is still to come.
  template <class Element>
  void each(char open, char close, const Element& element) {
    expect(open);
    if (accept(close)) return;
    do element();
    while (accept(','));
    expect(close);
  }

  std::uint64_t unsigned_integer();

  std::string string();

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  void escape(std::string& out);
  // A character behind `\u`: four hexadecimal digits, and four more for the second half of a surrogate pair.
  std::uint32_t escaped_code();
  std::uint32_t hexadecimal();

  std::string where_;
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace pushforward::detail

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/io/json.inl>
#endif
