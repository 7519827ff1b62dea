// Reading and writing at positions given by index tensors; sorting; one-hot codes.
#pragma once

#include <numeric>
#include <vector>

#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

namespace detail {

inline Index checked_position(const char* name, Index index, Index length) {
  const Index at = index < 0 ? index + length : index;
  if (at < 0 || at >= length)
    fail<IndexError>(name, ": index ", index, " is out of range for an axis of length ", length);
  return at;
}

// Calls visit(element of the index tensor, element of the full tensor) for every element of `index`.
template <class Visit>
void for_each_gathered(const char* name, const Shape& full, int axis, const Tensor<Index>& index, const Visit& visit) {
  if (index.rank() != full.rank())
    fail<ShapeError>(name, ": index of shape ", index.shape(), " for shape ", full, ", expected as many axes");
  for (int i = 0; i < full.rank(); ++i)
    if (i != axis && index.size(i) > full[i])
      fail<ShapeError>(name, ": index of shape ", index.shape(), " is longer than ", full, " on axis ", i);
  const Walk strides(full);
  Walk walk(full);
  walk.shape = index.shape();
  walk.stride[axis] = 0;
  const Index step = strides.stride[axis], length = full[axis];
  walk_rows(walk, [&](Index position, Index offset, Index n, Index stride) {
    for (Index i = 0; i < n; ++i)
      visit(position + i, offset + i * stride + checked_position(name, index.data()[position + i], length) * step);
  });
}

}  // namespace detail

template <class S>
Tensor<S> scatter_add(const Tensor<S>& x, int axis, const Tensor<Index>& index, const Tensor<S>& source);

/// y[.., i, ..] = x[.., index[.., i, ..], ..]: one position on `axis` for every element of `index`, whose other axes
/// match those of x (they may be shorter). Negative positions count from the end. Throws IndexError, ShapeError.
template <class S>
Tensor<S> gather(const Tensor<S>& x, int axis, const Tensor<Index>& index) {
  axis = x.shape().axis(axis, "gather");
  Tensor<S> y = detail::Access::allocate<S>(index.shape());
  S* out = detail::Access::data(y);
  detail::for_each_gathered("gather", x.shape(), axis, index, [&](Index i, Index from) { out[i] = x.data()[from]; });
  return detail::record("gather", std::move(y), detail::edge(x, [shape = x.shape(), axis, index](const Tensor<S>& g) {
                          return scatter_add(Tensor<S>::zeros(shape), axis, index, g);
                        }));
}

/// x with source[.., i, ..] added at position index[.., i, ..] of `axis`, repeated positions adding up: the adjoint of
/// gather. `source` has the shape of `index`. Throws IndexError, ShapeError.
template <class S>
Tensor<S> scatter_add(const Tensor<S>& x, int axis, const Tensor<Index>& index, const Tensor<S>& source) {
  axis = x.shape().axis(axis, "scatter_add");
  if (!(source.shape() == index.shape()))
    fail<ShapeError>("scatter_add: source of shape ", source.shape(), " and index of shape ", index.shape(),
                     " must have equal shapes");
  Tensor<S> y = Tensor<S>(x.shape(), std::span<const S>(x.data(), static_cast<std::size_t>(x.size())));
  S* out = detail::Access::data(y);
  detail::for_each_gathered("scatter_add", x.shape(), axis, index,
                            [&](Index i, Index to) { out[to] += source.data()[i]; });
  return detail::record("scatter_add", std::move(y), detail::edge(x, [](const Tensor<S>& g) { return g; }),
                        detail::edge(source, [axis, index](const Tensor<S>& g) { return gather(g, axis, index); }));
}

namespace detail {

template <class S>
Tensor<S> add_rows(const Tensor<S>& x, const Shape& shape, int axis, const Tensor<Index>& index);

}  // namespace detail

/// The slices of x at the positions `index` (a vector) of one axis, which becomes index.size() long.
template <class S>
Tensor<S> index_select(const Tensor<S>& x, int axis, const Tensor<Index>& index) {
  axis = x.shape().axis(axis, "index_select");
  if (index.rank() != 1)
    fail<ShapeError>("index_select: index of shape ", index.shape(), ", expected a vector of positions");
  const Index n = x.size(axis), inner = x.shape().product(axis + 1, x.rank()), outer = x.shape().product(0, axis);
  Tensor<S> y = detail::Access::allocate<S>(x.shape().with(axis, index.size()));
  S* out = detail::Access::data(y);
  for (Index o = 0; o < outer; ++o)
    for (Index position : index) {
      std::copy_n(x.data() + (o * n + detail::checked_position("index_select", position, n)) * inner, inner, out);
      out += inner;
    }
  return detail::record("index_select", std::move(y),
                        detail::edge(x, [shape = x.shape(), axis, index](const Tensor<S>& g) {
                          return detail::add_rows(g, shape, axis, index);
                        }));
}

namespace detail {

// Zeros of `shape` with the slices of x added at positions `index`: the adjoint of index_select.
template <class S>
Tensor<S> add_rows(const Tensor<S>& x, const Shape& shape, int axis, const Tensor<Index>& index) {
  const Index n = shape[axis], inner = shape.product(axis + 1, shape.rank()), outer = shape.product(0, axis);
  Tensor<S> y = Tensor<S>::zeros(shape);
  const S* in = x.data();
  for (Index o = 0; o < outer; ++o)
    for (Index position : index) {
      S* out = Access::data(y) + (o * n + checked_position("index_select", position, n)) * inner;
      for (Index j = 0; j < inner; ++j) out[j] += in[j];
      in += inner;
    }
  return record("add_rows", std::move(y),
                edge(x, [axis, index](const Tensor<S>& g) { return index_select(g, axis, index); }));
}

}  // namespace detail

/// Codes [.., classes] with 1 at the position of each label and 0 elsewhere. Throws IndexError for labels outside.
template <class S = float>
Tensor<S> one_hot(const Tensor<Index>& labels, Index classes) {
  Tensor<S> y = Tensor<S>::zeros(labels.shape().inserted(labels.rank(), classes));
  for (Index i = 0; i < labels.size(); ++i) {
    const Index label = labels.data()[i];
    if (label < 0 || label >= classes) fail<IndexError>("one_hot: label ", label, " is outside of 0 to ", classes - 1);
    detail::Access::data(y)[i * classes + label] = S(1);
  }
  return y;
}

/// Values along the last axis, and the positions they came from.
template <class S>
struct Sorted {
  Tensor<S> values;
  Tensor<Index> indices;
};

namespace detail {

template <class S>
Sorted<S> sort_rows(const Tensor<S>& x, Index keep, bool descending) {
  const Index n = x.size(-1), rows = n ? x.size() / n : 0;
  Tensor<Index> indices = Tensor<Index>::build(x.shape().with(-1, keep), [&](Index* out) {
    std::vector<Index> order(static_cast<std::size_t>(n));
    for (Index r = 0; r < rows; ++r) {
      const S* row = x.data() + r * n;
      std::iota(order.begin(), order.end(), Index{0});
      auto before = [&](Index a, Index b) {  // NaN last, ties in their order
        if (row[a] != row[a] || row[b] != row[b]) return row[a] == row[a] ? true : row[b] == row[b] ? false : a < b;
        return row[a] != row[b] ? (descending ? row[a] > row[b] : row[a] < row[b]) : a < b;
      };
      std::partial_sort(order.begin(), order.begin() + keep, order.end(), before);
      std::copy_n(order.begin(), keep, out + r * keep);
    }
  });
  return {gather(x, -1, indices), indices};
}

}  // namespace detail

/// The last axis in ascending (or descending) order. Gradients flow to the values, not through the order; NaN comes
/// last.
template <class S>
Sorted<S> sort(const Tensor<S>& x, bool descending = false) {
  return detail::sort_rows(x, x.size(-1), descending);
}

/// The k largest values of the last axis in descending order. Gradients flow to the values. Throws ValueError if k does
/// not fit.
template <class S>
Sorted<S> top_k(const Tensor<S>& x, Index k) {
  if (k < 0 || k > x.size(-1))
    fail<ValueError>("top_k: k is ", k, ", but the last axis of shape ", x.shape(), " has length ", x.size(-1));
  return detail::sort_rows(x, k, true);
}

}  // namespace pushforward
