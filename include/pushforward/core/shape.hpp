// Shape: the lengths of up to six axes.
#pragma once

#include <initializer_list>
#include <span>
#include <string>

#include <pushforward/core/error.hpp>
#include <pushforward/core/threads.hpp>

namespace pushforward {

/// The lengths of a tensor's axes, at most 6; `{}` is the shape of a scalar.
///
/// Throws ShapeError for more than 6 axes, a negative length, or more elements than an Index can count.
class Shape {
 public:
  static constexpr int max_rank = 6;

  // Shapes are used everywhere: what is more than a few instructions stays out of line, so that programs stay small.
  Shape() = default;
  Shape(std::initializer_list<Index> axes) : Shape(std::span<const Index>(axes.begin(), axes.size())) {}
  [[gnu::noinline]] explicit Shape(std::span<const Index> axes) {
    if (axes.size() > max_rank)
      fail<ShapeError>("Shape: got ", axes.size(), " axes, expected at most 6; reshape to fewer");
    for (Index length : axes) axes_[rank_++] = length;
    check();
  }

  int rank() const { return rank_; }
  /// The number of elements: the product of all lengths, 1 for a scalar.
  Index size() const { return size_; }
  /// The length of axis `i`; negative axes count from the end. Throws IndexError.
  Index operator[](int i) const { return axes_[axis(i)]; }
  /// `i` counted from the front. Throws IndexError, which names `operation`, when there is no such axis.
  int axis(int i, const char* operation = "Shape") const {
    const int front = i < 0 ? i + rank_ : i;
    if (front < 0 || front >= rank_) missing_axis(i, operation);
    return front;
  }

  const Index* begin() const { return axes_; }
  const Index* end() const { return axes_ + rank_; }

  /// This shape with axis `i` (negative from the end) of another length.
  [[gnu::noinline]] Shape with(int i, Index length) const {
    Shape changed = *this;
    changed.axes_[axis(i)] = length;
    changed.check();
    return changed;
  }
  /// This shape without axis `i`.
  [[gnu::noinline]] Shape without(int i) const {
    Shape fewer;
    const int gone = axis(i);
    for (int j = 0; j < rank_; ++j)
      if (j != gone) fewer.axes_[fewer.rank_++] = axes_[j];
    fewer.check();
    return fewer;
  }
  /// This shape with an axis of `length` inserted before axis `i` (0 to rank()).
  [[gnu::noinline]] Shape inserted(int i, Index length) const {
    if (i < 0 || i > rank_)
      fail<IndexError>("Shape: cannot insert an axis at ", i, " into ", *this, ", expected 0 to ", rank_);
    if (rank_ == max_rank) fail<ShapeError>("Shape: a seventh axis for ", *this, "; at most 6 are possible");
    Shape more;
    for (int j = 0; j < i; ++j) more.axes_[more.rank_++] = axes_[j];
    more.axes_[more.rank_++] = length;
    for (int j = i; j < rank_; ++j) more.axes_[more.rank_++] = axes_[j];
    more.check();
    return more;
  }
  /// The product of the lengths of axes [first, last).
  [[gnu::noinline]] Index product(int first, int last) const {
    Index result = 1;
    for (int i = first; i < last; ++i) result *= axes_[i];
    return result;
  }

  std::string str() const {
    std::string text = "[";
    for (int i = 0; i < rank_; ++i) text += (i ? ", " : "") + std::to_string(axes_[i]);
    return text + "]";
  }

  [[gnu::noinline]] friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i)
      if (a.axes_[i] != b.axes_[i]) return false;
    return true;
  }

 private:
  [[noreturn, gnu::noinline, gnu::cold]] void missing_axis(int i, const char* operation) const {
    fail<IndexError>(operation, ": axis ", i, " does not exist in shape ", *this, ", expected ",
                     rank_ ? detail::concatenate(-rank_, " to ", rank_ - 1) : "a shape with axes");
  }
  // Every change of axes ends here.
  void check() {
    Index product = 1;
    bool overflow = false;
    for (int i = 0; i < rank_; ++i) {
      if (axes_[i] < 0) fail<ShapeError>("Shape: axis ", i, " of ", *this, " is negative, expected 0 or more");
      if (axes_[i] > 0) overflow |= __builtin_mul_overflow(product, axes_[i], &product);
    }
    if (overflow) fail<ShapeError>("Shape: ", *this, " has more elements than can be counted");
    size_ = product;
    for (int i = 0; i < rank_; ++i)
      if (axes_[i] == 0) size_ = 0;
  }

  Index axes_[max_rank] = {};
  Index size_ = 1;
  int rank_ = 0;
};

/// The shape that `a` and `b` broadcast to by NumPy's rules: axes are matched from the last, and an axis of length 1
/// (or a missing one) repeats. Throws ShapeError.
[[gnu::noinline]] inline Shape broadcast(const Shape& a, const Shape& b, const char* operation = "broadcast") {
  if (a == b) return a;
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  const int offset = longer.rank() - shorter.rank();
  Shape result = longer;
  for (int i = 0; i < shorter.rank(); ++i) {
    const Index x = longer[i + offset], y = shorter[i];
    if (x != y && x != 1 && y != 1)
      fail<ShapeError>(operation, ": shapes ", a, " and ", b, " do not broadcast: matched from the last axis, lengths ",
                       "must be equal or 1, but ", x, " meets ", y);
    if (x == 1) result = result.with(i + offset, y);
  }
  return result;
}

}  // namespace pushforward
