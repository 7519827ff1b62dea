// Tensor: an immutable handle to dense row-major numbers, and to how they were computed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <span>
#include <vector>

#include <Eigen/Core>

#include <pushforward/autodiff/node.hpp>
#include <pushforward/core/error.hpp>
#include <pushforward/core/memory.hpp>
#include <pushforward/core/shape.hpp>

namespace pushforward {

namespace detail {
struct Access;
}

/// An immutable handle to evaluated, dense, row-major numbers with up to six axes.
///
/// Copying is O(1) and shares the numbers; nobody can change them. A tensor that was computed from a `variable` also
/// knows how, so that `gradient` can differentiate it. `Scalar` is float, double, or Index for positions.
template <class S>
class Tensor {
 public:
  using Scalar = S;
  using Matrix = Eigen::Map<const Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
  using Array = Eigen::Map<const Eigen::Array<S, Eigen::Dynamic, 1>>;

  /// A tensor without elements, of shape [0].
  Tensor() : shape_{0} {}

  // Out of line: handles are copied and dropped everywhere, and inlining that makes programs large and slow to compile.
  [[gnu::noinline]] Tensor(const Tensor& other)
      : shape_(other.shape_), block_(other.block_), data_(other.data_), node_(other.node_) {}
  [[gnu::noinline]] Tensor(Tensor&& other) noexcept
      : shape_(std::exchange(other.shape_, Shape{0})),
        block_(std::move(other.block_)),
        data_(std::exchange(other.data_, nullptr)),
        node_(std::move(other.node_)) {}
  [[gnu::noinline]] Tensor& operator=(Tensor other) noexcept {
    shape_ = other.shape_;
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    std::swap(node_, other.node_);
    return *this;
  }
  [[gnu::noinline]] ~Tensor() = default;

  /// The vector of `values`, of shape [values.size()].
  Tensor(std::initializer_list<S> values) : Tensor(Shape{static_cast<Index>(values.size())}, values) {}

  /// `values` in row-major order, of `shape`; throws ShapeError if their number is not shape.size().
  Tensor(const Shape& shape, std::initializer_list<S> values)
      : Tensor(shape, std::span<const S>(values.begin(), values.size())) {}
  Tensor(const Shape& shape, const std::vector<S>& values) : Tensor(shape, std::span<const S>(values)) {}
  Tensor(const Shape& shape, std::span<const S> values) : Tensor(allocate(shape)) {
    if (shape.size() != static_cast<Index>(values.size()))
      fail<ShapeError>("Tensor: got ", values.size(), " values for shape ", shape, ", expected ", shape.size());
    std::copy(values.begin(), values.end(), data_);
  }

  /// A copy of an Eigen expression: vectors become shape [n], everything else [rows, columns].
  template <class Derived>
  explicit Tensor(const Eigen::DenseBase<Derived>& expression)
      : Tensor(allocate(Derived::IsVectorAtCompileTime ? Shape{expression.size()}
                                                       : Shape{expression.rows(), expression.cols()})) {
    using RowMajor = Eigen::Array<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    Eigen::Map<RowMajor>(data_, expression.rows(), expression.cols()) =
        expression.derived().eval().array().template cast<S>();
  }

  static Tensor zeros(const Shape& shape) { return full(shape, S(0)); }
  static Tensor ones(const Shape& shape) { return full(shape, S(1)); }
  static Tensor full(const Shape& shape, S value) {
    return build(shape, [&](S* out) { std::fill_n(out, shape.size(), value); });
  }
  /// A tensor of shape [] that holds `value`.
  static Tensor scalar(S value) { return full(Shape{}, value); }
  /// start, start + step, ...: all values below `stop` (above it if step is negative).
  static Tensor arange(S start, S stop, S step = S(1)) {
    if (step == S(0)) fail<ValueError>("arange: the step is 0; expected a positive or negative step");
    const double count =
        std::ceil((static_cast<double>(stop) - static_cast<double>(start)) / static_cast<double>(step));
    if (!(std::abs(count) < 1e18))
      fail<ValueError>("arange: from ", start, " to ", stop, " by ", step, " there are ", count,
                       " values; expected a finite number");
    return generate(Shape{std::max(Index{0}, static_cast<Index>(count))},
                    [&](Index i) { return start + static_cast<S>(i) * step; });
  }
  /// `count` equally spaced values from `first` to `last`, both included.
  static Tensor linspace(S first, S last, Index count) {
    const S step = count > 1 ? (last - first) / static_cast<S>(count - 1) : S(0);
    return generate(Shape{count},
                    [&](Index i) { return i + 1 == count && count > 1 ? last : first + static_cast<S>(i) * step; });
  }
  /// The n x n identity matrix.
  static Tensor eye(Index n) {
    return generate(Shape{n, n}, [&](Index i) { return i / n == i % n ? S(1) : S(0); });
  }
  /// A tensor whose elements `fill(S* out)` writes in row-major order; it must write all of them.
  template <class Fill>
  static Tensor build(const Shape& shape, const Fill& fill) {
    Tensor result = allocate(shape);
    fill(result.data_);
    return result;
  }
  /// A tensor whose element at row-major position i is `f(i)`.
  template <class F>
  static Tensor generate(const Shape& shape, const F& f) {
    return build(shape, [&](S* out) {
      for (Index i = 0, n = shape.size(); i < n; ++i) out[i] = f(i);
    });
  }

  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  /// The number of elements.
  Index size() const { return shape_.size(); }
  /// The length of an axis; negative axes count from the end. Throws IndexError.
  Index size(int axis) const { return shape_[axis]; }
  bool empty() const { return size() == 0; }

  /// The elements in row-major order.
  const S* data() const { return data_; }
  const S* begin() const { return data_; }
  const S* end() const { return data_ + size(); }
  std::vector<S> to_vector() const { return std::vector<S>(begin(), end()); }

  /// The only element. Throws ShapeError unless there is exactly one.
  S item() const {
    if (size() != 1) fail<ShapeError>("item: shape ", shape_, " has ", size(), " elements, expected exactly one");
    return data_[0];
  }
  /// The element at one index per axis (negative from the end). Throws IndexError.
  template <std::convertible_to<Index>... I>
  S operator()(I... indices) const {
    const Index at[] = {static_cast<Index>(indices)..., 0};
    if (static_cast<int>(sizeof...(I)) != rank())
      fail<IndexError>("Tensor: got ", sizeof...(I), " indices for shape ", shape_, ", expected one per axis");
    Index offset = 0;
    for (int i = 0; i < rank(); ++i) {
      const Index length = shape_[i], index = at[i] < 0 ? at[i] + length : at[i];
      if (index < 0 || index >= length)
        fail<IndexError>("Tensor: index ", at[i], " is out of range on axis ", i, " of shape ", shape_);
      offset = offset * length + index;
    }
    return data_[offset];
  }

  /// The elements as an Eigen matrix without a copy: [rows, columns] of rank 2, [n, 1] of rank 1, and with all axes but
  /// the last merged into the rows beyond. It must not outlive the tensor.
  Matrix matrix() const {
    const Index columns = rank() >= 2 ? size(-1) : 1;
    return Matrix(data_, columns ? size() / columns : (rank() == 2 ? size(0) : 0), columns);
  }
  /// The elements as a flat Eigen array without a copy. It must not outlive the tensor.
  Array array() const { return Array(data_, size()); }

  /// Quick looks: plain numbers, without a graph, summed in double.
  double sum() const {
    double total = 0;
    for (S x : *this) total += static_cast<double>(x);
    return total;
  }
  double mean() const { return sum() / static_cast<double>(size()); }
  S min() const { return *std::min_element(checked_begin("min"), end()); }
  S max() const { return *std::max_element(checked_begin("max"), end()); }

  /// Whether it was computed from a variable, so that a gradient can flow through it.
  bool tracked() const { return static_cast<bool>(node_); }

  std::string str() const;

 private:
  friend struct detail::Access;

  [[gnu::noinline]] static Tensor allocate(const Shape& shape) {
    Tensor result;
    result.shape_ = shape;
    if (const Index n = shape.size(); n > 0) {
      if (n > std::numeric_limits<Index>::max() / static_cast<Index>(sizeof(S))) throw std::bad_alloc();
      result.block_ = detail::Block::create(static_cast<std::size_t>(n) * sizeof(S));
      result.data_ = static_cast<S*>(result.block_->data());
    }
    return result;
  }
  const S* checked_begin(const char* operation) const {
    if (empty()) fail<ShapeError>(operation, ": a tensor of shape ", shape_, " has no elements");
    return data_;
  }

  Shape shape_;
  detail::Ref<detail::Block> block_;
  S* data_ = nullptr;
  detail::Ref<detail::Node<S>> node_;
};

namespace detail {

// What op bodies may do and users may not.
struct Access {
  template <class S>
  static Tensor<S> allocate(const Shape& shape) {
    return Tensor<S>::allocate(shape);
  }
  template <class S>
  static S* data(const Tensor<S>& tensor) {
    return tensor.data_;
  }
  template <class S>
  static const Ref<Node<S>>& node(const Tensor<S>& tensor) {
    return tensor.node_;
  }
  template <class S>
  [[gnu::noinline]] static Tensor<S> with_node(Tensor<S> tensor, Ref<Node<S>> node) {
    tensor.node_ = std::move(node);
    return tensor;
  }
  template <class S>
  static bool unique(const Tensor<S>& tensor) {
    return tensor.block_.unique() && !tensor.node_;
  }
  // The same numbers, without the graph, seen as another shape of the same size.
  template <class S>
  [[gnu::noinline]] static Tensor<S> view(const Tensor<S>& tensor, const Shape& shape, Index offset = 0) {
    Tensor<S> result = tensor;
    result.node_ = {};
    result.shape_ = shape;
    if (result.data_) result.data_ += offset;
    return result;
  }
  // Shape and graph without the numbers: what a rule holds of an operand whose value it does not need.
  template <class S>
  [[gnu::noinline]] static Tensor<S> shell(const Tensor<S>& tensor) {
    Tensor<S> result = tensor;
    result.block_ = {};
    result.data_ = nullptr;
    return result;
  }
};

template <class S>
bool is_recorded(const Tensor<S>& tensor) {
  return recording_flag() && tensor.tracked();
}

}  // namespace detail

/// `x` as a point of differentiation: a new variable with the value of `x` and no history.
template <class S>
Tensor<S> variable(const Tensor<S>& x) {
  return detail::Access::with_node(x, detail::Ref<detail::Node<S>>(new detail::Leaf<S>));
}

/// The value of `x` as a constant: gradients do not flow past it.
template <class S>
Tensor<S> stop_gradient(const Tensor<S>& x) {
  return detail::Access::with_node(x, {});
}

/// The numbers row by row, the middle of long axes left out, for printing and debugging.
template <class S>
std::string Tensor<S>::str() const {
  constexpr Index most = 8;
  std::string text = "Tensor" + shape_.str() + " ";
  auto print = [&](auto&& self, int axis, Index offset) -> void {
    if (axis == rank()) return detail::append(text, data_[offset]);
    text += "[";
    const Index n = shape_[axis], stride = shape_.product(axis + 1, rank());
    for (Index i = 0; i < n; ++i) {
      if (i) text += ", ";
      if (n > most && i == most / 2) {
        text += "..., ";
        i = n - most / 2;
      }
      self(self, axis + 1, offset + i * stride);
    }
    text += "]";
  };
  if (empty())
    text += "[]";
  else
    print(print, 0, 0);
  return text;
}

}  // namespace pushforward
