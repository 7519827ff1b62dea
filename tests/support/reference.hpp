// Naive tensors in double for oracles: one index per axis, no strides, no kernels.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <pushforward/autodiff/tensor.hpp>

#include "support/catch.hpp"

namespace support {

using pushforward::Index;
using pushforward::Shape;
using pushforward::Tensor;

using Position = std::vector<Index>;

inline Shape shape_of(const Position& lengths) { return Shape(std::span<const Index>(lengths)); }
inline Position lengths_of(const Shape& shape) { return Position(shape.begin(), shape.end()); }

/// Calls visit(position) for all positions of a shape in row-major order.
template <class Visit>
void for_each_position(const Shape& shape, const Visit& visit) {
  Position at(static_cast<std::size_t>(shape.rank()), 0);
  for (Index i = 0, n = shape.size(); i < n; ++i) {
    visit(at);
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      auto& here = at[static_cast<std::size_t>(axis)];
      if (++here < shape[axis]) break;
      here = 0;
    }
  }
}

template <class S>
S at(const Tensor<S>& x, const Position& position) {
  Index offset = 0;
  for (int i = 0; i < x.rank(); ++i) offset = offset * x.size(i) + position[static_cast<std::size_t>(i)];
  return x.data()[offset];
}

/// A tensor whose element at each position is f(position).
template <class S = double, class F>
Tensor<S> from_positions(const Shape& shape, const F& f) {
  std::vector<S> values;
  for_each_position(shape, [&](const Position& position) { values.push_back(static_cast<S>(f(position))); });
  return Tensor<S>(shape, values);
}

/// Small random numbers: the same in every run.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}

  double uniform(double low = -1, double high = 1) {
    return low + (high - low) * (static_cast<double>(next() >> 11) * 0x1p-53);
  }
  /// An integer in [low, high].
  Index integer(Index low, Index high) {
    return low + static_cast<Index>(next() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool coin() { return next() & 1; }

  /// A shape whose axes are short, now and then of length 1 or 0.
  Shape shape(int lowest_rank, int highest_rank, Index longest = 5) {
    Position lengths(static_cast<std::size_t>(integer(lowest_rank, highest_rank)));
    for (Index& length : lengths) length = integer(0, 19) == 0 ? 0 : integer(0, 4) == 0 ? 1 : integer(1, longest);
    return shape_of(lengths);
  }
  /// A pair that broadcasts: each axis of the result is 1 in one of them now and then; leading axes may be missing.
  std::pair<Shape, Shape> broadcastable(int highest_rank, Index longest = 5) {
    const Shape full = shape(0, highest_rank, longest);
    auto reduced = [&] {
      Position lengths = lengths_of(full);
      for (Index& length : lengths)
        if (integer(0, 2) == 0) length = 1;
      lengths.erase(lengths.begin(), lengths.begin() + (coin() ? integer(0, full.rank()) : 0));
      return shape_of(lengths);
    };
    const Shape a = reduced(), b = reduced();
    return {a, b};
  }
  template <class S = double>
  Tensor<S> tensor(const Shape& shape, double low = -1, double high = 1) {
    return Tensor<S>::generate(shape, [&](Index) { return static_cast<S>(uniform(low, high)); });
  }
  /// Some axes of a shape, in any order, negative or not.
  std::vector<int> axes(int rank) {
    std::vector<int> chosen;
    for (int i = 0; i < rank; ++i)
      if (coin()) chosen.insert(chosen.begin() + integer(0, static_cast<Index>(chosen.size())), coin() ? i : i - rank);
    return chosen;
  }

 private:
  std::uint64_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    std::uint64_t x = state_;
    x ^= x >> 31;
    x *= 0x7FB5D329728EA185u;
    return x ^ (x >> 27);
  }
  std::uint64_t state_;
};

/// The shape that NumPy's rules give, by its definition.
inline Shape broadcast_shape(const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  Position lengths;
  for (int i = 0; i < rank; ++i) {
    const int ia = i - rank + a.rank(), ib = i - rank + b.rank();
    const Index x = ia < 0 ? 1 : a[ia], y = ib < 0 ? 1 : b[ib];
    lengths.push_back(x == 1 ? y : x);
  }
  return shape_of(lengths);
}

/// The element of x that broadcasting puts at a position of a larger shape.
template <class S>
S broadcast_at(const Tensor<S>& x, const Position& position) {
  Position own(position.end() - x.rank(), position.end());
  for (int i = 0; i < x.rank(); ++i)
    if (x.size(i) == 1) own[static_cast<std::size_t>(i)] = 0;
  return at(x, own);
}

/// |a - b| <= within * max(1, |b|), and equal where not finite. Exact by default.
template <class S, class T>
void expect_equal(const Tensor<S>& a, const Tensor<T>& b, double within = 0) {
  REQUIRE(a.shape() == b.shape());
  Index wrong = -1;
  for (Index i = 0; i < a.size() && wrong < 0; ++i) {
    const double x = static_cast<double>(a.data()[i]), y = static_cast<double>(b.data()[i]);
    const bool same =
        x == y || (std::isnan(x) && std::isnan(y)) || std::abs(x - y) <= within * std::max(1.0, std::abs(y));
    if (!same) wrong = i;
  }
  INFO("shape " << a.shape().str() << ", element " << wrong << "\n  got      " << a.str() << "\n  expected "
                << b.str());
  CHECK(wrong == -1);
}

/// The message of the error of type E that f throws; empty if it throws none.
template <class E, class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return {};
}

}  // namespace support
