// Bodies of text.hpp.
#pragma once

#include <pushforward/data/text.hpp>

namespace pushforward::data {

namespace detail {

// The code point that begins at `at`, which moves behind it. Throws ValueError for what is not UTF-8.
PUSHFORWARD_ONCE char32_t next_character(const char* operation, std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t begin = at;
  const unsigned first = byte(at++);
  if (first < 0x80) return first;
  const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  constexpr char32_t least[] = {0, 0x80, 0x800, 0x10000};
  bool valid = first >= 0xC2 && first <= 0xF4 && begin + more < text.size();
  char32_t code = first & (0x3Fu >> more);
  for (std::size_t i = 0; valid && i < more; ++i, ++at) {
    valid = (byte(at) & 0xC0) == 0x80;
    code = code << 6 | (byte(at) & 0x3Fu);
  }
  if (!valid || code < least[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
    fail<ValueError>(operation, ": the text is not UTF-8 at byte ", begin,
                     "; use Vocabulary::bytes(), or convert the text first");
  return code;
}

PUSHFORWARD_ONCE void append_character(std::string& text, char32_t code) {
  const auto put = [&](char32_t byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (code < 0x80) return put(code);
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  put((0xF00u >> (more + 1) & 0xF0u) | code >> 6 * more);
  for (int i = more - 1; i >= 0; --i) put(0x80 | (code >> 6 * i & 0x3F));
}

// A character as an error names it: 'q' (U+0071).
PUSHFORWARD_ONCE std::string character_name(char32_t code) {
  std::string name;
  if (code >= 0x20 && code != 0x7F) {
    name = "'";
    append_character(name, code);
    name += "' ";
  }
  constexpr const char* digits = "0123456789ABCDEF";
  std::string number;
  for (char32_t rest = code; number.size() < 4 || rest > 0; rest >>= 4) number.insert(0, 1, digits[rest & 15]);
  return name + "(U+" + number + ")";
}

}  // namespace detail

PUSHFORWARD_ONCE Vocabulary::Vocabulary(std::string_view text) {
  of_bytes_ = text == bytes().symbols();  // which is not UTF-8
  if (of_bytes_) return;
  if (text.empty()) fail<ValueError>("Vocabulary: the text is empty, expected at least one character");
  for (std::size_t at = 0; at < text.size();) {
    const char32_t code = detail::next_character("Vocabulary", text, at);
    const auto place = std::lower_bound(symbols_.begin(), symbols_.end(), code);
    if (place == symbols_.end() || *place != code) symbols_.insert(place, code);
  }
}

PUSHFORWARD_ONCE std::string Vocabulary::symbols() const {
  std::string text;
  if (of_bytes_)
    for (int byte = 0; byte < 256; ++byte) text += static_cast<char>(static_cast<unsigned char>(byte));
  for (const char32_t code : symbols_) detail::append_character(text, code);
  return text;
}

PUSHFORWARD_ONCE Tensor<Index> Vocabulary::encode(std::string_view text) const {
  std::vector<Index> tokens;
  tokens.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    if (of_bytes_) {
      tokens.push_back(static_cast<unsigned char>(text[at++]));
      continue;
    }
    const std::size_t begin = at;
    const char32_t code = detail::next_character("Vocabulary::encode", text, at);
    const auto place = std::lower_bound(symbols_.begin(), symbols_.end(), code);
    if (place == symbols_.end() || *place != code)
      fail<ValueError>("Vocabulary::encode: ", detail::character_name(code), " at byte ", begin, " is not one of the ",
                       size(), " characters of the vocabulary; make it from a text that has it");
    tokens.push_back(place - symbols_.begin());
  }
  const auto count = static_cast<Index>(tokens.size());
  return Tensor<Index>(Shape{count}, tokens);
}

PUSHFORWARD_ONCE std::string Vocabulary::decode(const Tensor<Index>& tokens) const {
  if (tokens.rank() != 1)
    fail<ShapeError>("Vocabulary::decode: got tokens ", tokens.shape(),
                     ", expected one sequence [t]; take it with "
                     "reshape(slice(tokens, 0, i, i + 1), {t})");
  std::string text;
  for (Index i = 0; i < tokens.size(); ++i) {
    const Index token = tokens.data()[i];
    if (token < 0 || token >= size())
      fail<IndexError>("Vocabulary::decode: token ", i, " is ", token, ", expected 0 to ", size() - 1);
    if (of_bytes_)
      text += static_cast<char>(static_cast<unsigned char>(token));
    else
      detail::append_character(text, symbols_[static_cast<std::size_t>(token)]);
  }
  return text;
}

PUSHFORWARD_ONCE std::string load_text(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_file(path);
  if (bytes.empty()) fail<IoError>("load_text: ", path, " is empty");
  return std::string(bytes.begin(), bytes.end());
}

PUSHFORWARD_ONCE std::string load_tiny_shakespeare(const std::string& directory) {
  return load_text(detail::find_file("load_tiny_shakespeare", directory, "tinyshakespeare", "input.txt"));
}

PUSHFORWARD_ONCE std::pair<Tensor<Index>, Tensor<Index>> split_sequence(const Tensor<Index>& tokens, double fraction) {
  if (tokens.rank() != 1) fail<ShapeError>("split_sequence: got tokens ", tokens.shape(), ", expected [t]");
  const Index t = tokens.size();
  const Index last = fraction > 0 && fraction < 1 ? static_cast<Index>(fraction * static_cast<double>(t)) : 0;
  if (last < 1 || last >= t)
    fail<ValueError>("split_sequence: the fraction ", fraction, " of ", t,
                     " tokens leaves one part empty, expected a number between 0 and 1 that does not");
  return {slice(tokens, 0, 0, t - last), slice(tokens, 0, t - last, t)};
}

PUSHFORWARD_ONCE Tensor<Index> windows(const Tensor<Index>& tokens, const WindowOptions& options) {
  const Index length = options.length, stride = options.stride == 0 ? length : options.stride;
  if (length < 1 || stride < 1)
    fail<ValueError>("windows: .length is ", options.length, " and .stride ", options.stride,
                     ", expected a positive length and a stride of 0 or more");
  if (tokens.rank() != 1 || tokens.size() < length)
    fail<ShapeError>("windows: got tokens ", tokens.shape(), ", expected [t] with t of at least the length ", length);
  const Index n = (tokens.size() - length) / stride + 1;
  return Tensor<Index>::build(Shape{n, length}, [&](Index* out) {
    for (Index i = 0; i < n; ++i) std::copy_n(tokens.data() + i * stride, length, out + i * length);
  });
}

}  // namespace pushforward::data
