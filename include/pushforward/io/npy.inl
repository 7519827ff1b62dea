// Bodies of npy.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/io/npy.hpp>

namespace pushforward::detail {

PUSHFORWARD_ONCE NpyHeader NpyHeaderReader::read() {
  NpyHeader header;
  int seen = 0;
  expect('{');
  while (!accept('}')) {
    const std::string key = quoted();
    expect(':');
    if (key == "descr" && !(seen & 1)) {
      header.type = quoted(), seen |= 1;
    } else if (key == "fortran_order" && !(seen & 2)) {
      header.fortran_order = boolean(), seen |= 2;
    } else if (key == "shape" && !(seen & 4)) {
      header.axes = tuple(), seen |= 4;
    } else {
      broken("an unknown or repeated key '" + key + "'");
    }
    if (!accept(',') && peek() != '}') broken("a missing comma");
  }
  if (seen != 7) broken("no descr, fortran_order or shape");
  if (peek()) broken("text after its end");
  return header;
}

PUSHFORWARD_ONCE void NpyHeaderReader::broken(const std::string& what) const {
  fail<IoError>("read_npy: ", path_, ": the header has ", what, " at character ", at_,
                "; it is damaged or no NPY file");
}

PUSHFORWARD_ONCE char NpyHeaderReader::peek() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  return at_ < text_.size() ? text_[at_] : '\0';
}

PUSHFORWARD_ONCE bool NpyHeaderReader::accept(char c) {
  if (peek() != c) return false;
  ++at_;
  return true;
}

PUSHFORWARD_ONCE std::string NpyHeaderReader::quoted() {
  const char quote = peek();
  if (quote != '\'' && quote != '"') broken("no plain string (structured types are not supported)");
  const std::size_t begin = ++at_, end = text_.find(quote, begin);
  if (end == std::string_view::npos) broken("a string without an end");
  at_ = end + 1;
  return std::string(text_.substr(begin, end - begin));
}

PUSHFORWARD_ONCE bool NpyHeaderReader::boolean() {
  peek();
  const bool value = text_.substr(at_, 4) == "True";
  if (!value && text_.substr(at_, 5) != "False") broken("neither True nor False");
  at_ += value ? 4 : 5;
  return value;
}

PUSHFORWARD_ONCE std::vector<Index> NpyHeaderReader::tuple() {
  std::vector<Index> axes;
  expect('(');
  while (!accept(')')) {
    Index length = 0;
    if (peek() < '0' || text_[at_] > '9') broken("an axis that is no number");
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (length > (Index{1} << 48)) broken("an axis that is too long");
      length = 10 * length + (text_[at_] - '0');
    }
    if (axes.size() == Shape::max_rank) broken("more than 6 axes");
    axes.push_back(length);
    if (!accept(',') && peek() != ')') broken("a missing comma");
  }
  return axes;
}

}  // namespace pushforward::detail
