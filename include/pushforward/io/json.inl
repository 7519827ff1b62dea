// Bodies of json.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/io/json.hpp>

namespace pushforward::detail {

PUSHFORWARD_ONCE std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](std::size_t i) { return (at(i) & 0xc0) == 0x80; };
  const unsigned first = at(0);
  if (first < 0x80) return text.empty() ? 0 : 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool overlong = first == 0xe0 && at(1) < 0xa0, surrogate = first == 0xed && at(1) > 0x9f;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool overlong = first == 0xf0 && at(1) < 0x90, beyond = first == 0xf4 && at(1) > 0x8f;
    return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

PUSHFORWARD_ONCE bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

PUSHFORWARD_ONCE void append_utf8(std::string& text, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) return put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
  if (code < 0x10000) return put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
  put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f)), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
}

PUSHFORWARD_ONCE std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      constexpr const char* digits = "0123456789abcdef";
      out += "\\u00";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

PUSHFORWARD_ONCE void JsonReader::broken(std::string_view what) const {
  fail<IoError>(where_, ": the JSON header has ", what, " at byte ", at_, "; the file is damaged or of another format");
}

PUSHFORWARD_ONCE char JsonReader::peek() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
    ++at_;
  return at_ < text_.size() ? text_[at_] : '\0';
}

PUSHFORWARD_ONCE bool JsonReader::accept(char c) {
  if (at_end() || peek() != c) return false;
  ++at_;
  return true;
}

PUSHFORWARD_ONCE bool JsonReader::at_end() {
  peek();
  return at_ >= text_.size();
}

PUSHFORWARD_ONCE std::uint64_t JsonReader::unsigned_integer() {
  const char first = peek();
  if (first < '0' || first > '9') broken("no unsigned whole number");
  if (first == '0' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1])) broken("a number with a leading zero");
  std::uint64_t value = 0;
  for (; at_ < text_.size() && is_digit(text_[at_]); ++at_) {
    const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
    if (value > (~std::uint64_t{0} - digit) / 10) broken("a number beyond 64 bits");
    value = 10 * value + digit;
  }
  if (at_ < text_.size() && (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E'))
    broken("a number that is not whole");
  return value;
}

PUSHFORWARD_ONCE std::string JsonReader::string() {
  std::string out;
  expect('"');
  for (;;) {
    if (at_ >= text_.size()) broken("a string without an end");
    const char c = text_[at_];
    if (c == '"') return ++at_, out;
    if (c == '\\') {
      ++at_;
      escape(out);
      continue;
    }
    const std::size_t length = utf8_length(text_.substr(at_));
    if (length == 0) broken("a string that is not valid UTF-8");
    if (static_cast<unsigned char>(c) < 0x20) broken("a bare control character in a string");
    out.append(text_.substr(at_, length));
    at_ += length;
  }
}

PUSHFORWARD_ONCE void JsonReader::escape(std::string& out) {
  constexpr std::string_view codes = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
  const char code = at_ < text_.size() ? text_[at_++] : '\0';
  if (code == 'u') return append_utf8(out, escaped_code());
  const std::size_t which = codes.find(code);
  if (which == std::string_view::npos || code == '\0') broken("an unknown escape in a string");
  out += meanings[which];
}

PUSHFORWARD_ONCE std::uint32_t JsonReader::escaped_code() {
  const std::uint32_t high = hexadecimal();
  if (high < 0xd800 || high > 0xdfff) return high;
  if (high > 0xdbff || text_.substr(at_, 2) != "\\u") broken("half a surrogate pair");
  at_ += 2;
  const std::uint32_t low = hexadecimal();
  if (low < 0xdc00 || low > 0xdfff) broken("half a surrogate pair");
  return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

PUSHFORWARD_ONCE std::uint32_t JsonReader::hexadecimal() {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    const int digit = is_digit(c)            ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) broken("an escape without four hexadecimal digits");
    value = value << 4 | static_cast<std::uint32_t>(digit);
  }
  return value;
}

}  // namespace pushforward::detail
