// Shapes: reshape, permute, slice, concat, pad and their kin. Where rows stay contiguous the numbers are shared.
#pragma once

#include <numeric>
#include <vector>

#include <pushforward/ops/arithmetic.hpp>

namespace pushforward {

namespace detail {

// A walk over the elements of a shape with one stride per axis.
struct Walk {
  Shape shape;
  Index stride[Shape::max_rank] = {};
  Index offset = 0;

  explicit Walk(const Shape& s) : shape(s) {
    Index step = 1;
    for (int i = s.rank() - 1; i >= 0; --i) {
      stride[i] = step;
      step *= s[i];
    }
  }
};

// Calls visit(position, offset, n, stride) for each innermost run of the walk, rows in row-major order.
template <class Visit>
void walk_rows(const Walk& walk, const Visit& visit) {
  const int rank = walk.shape.rank();
  const Index total = walk.shape.size();
  if (total == 0) return;
  if (rank == 0) return visit(Index{0}, walk.offset, Index{1}, Index{1});
  const Index n = walk.shape[-1];
  Index at[Shape::max_rank] = {}, offset = walk.offset;
  for (Index position = 0; position < total; position += n) {
    visit(position, offset, n, walk.stride[rank - 1]);
    for (int i = rank - 2; i >= 0; --i) {
      offset += walk.stride[i];
      if (++at[i] < walk.shape[i]) break;
      offset -= walk.stride[i] * at[i];
      at[i] = 0;
    }
  }
}

// The elements of `in` met by the walk, in row-major order.
template <class S>
void read_walk(const Walk& walk, const S* in, S* out) {
  walk_rows(walk, [&](Index position, Index offset, Index n, Index stride) {
    S* to = out + position;
    const S* from = in + offset;
    if (stride == 1)
      std::copy_n(from, n, to);
    else
      for (Index i = 0; i < n; ++i) to[i] = from[i * stride];
  });
}

// Writes row-major elements to the places met by the walk.
template <class S>
void write_walk(const Walk& walk, const S* in, S* out) {
  walk_rows(walk, [&](Index position, Index offset, Index n, Index stride) {
    const S* from = in + position;
    S* to = out + offset;
    for (Index i = 0; i < n; ++i) to[i * stride] = from[i];
  });
}

// [rows, columns] -> [columns, rows] in tiles that stay in the first-level cache.
template <class S>
void transpose_matrix(const S* __restrict in, Index rows, Index columns, S* __restrict out) {
  constexpr Index tile = 16;
  for (Index r = 0; r < rows; r += tile)
    for (Index c = 0; c < columns; c += tile) {
      const Index last_r = std::min(rows, r + tile), last_c = std::min(columns, c + tile);
      for (Index j = c; j < last_c; ++j)
        for (Index i = r; i < last_r; ++i) out[j * rows + i] = in[i * columns + j];
    }
}

}  // namespace detail

/// The same elements in row-major order seen as `shape`, in O(1); one length may be -1 and is inferred.
/// Throws ShapeError if the sizes differ.
template <class S>
Tensor<S> reshape(const Tensor<S>& x, std::initializer_list<Index> lengths);
template <class S>
Tensor<S> reshape(const Tensor<S>& x, const Shape& shape) {
  if (shape.size() != x.size())
    fail<ShapeError>("reshape: shape ", x.shape(), " has ", x.size(), " elements, ", shape, " has ", shape.size(),
                     "; they must be equal");
  if (x.shape() == shape) return x;
  return detail::record("reshape", detail::Access::view(x, shape),
                        detail::edge(x, [from = x.shape()](const Tensor<S>& g) { return reshape(g, from); }));
}
template <class S>
Tensor<S> reshape(const Tensor<S>& x, std::initializer_list<Index> lengths) {
  std::vector<Index> axes(lengths);
  int inferred = -1;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] != -1) continue;
    if (inferred >= 0) fail<ShapeError>("reshape: two lengths are -1; only one can be inferred");
    inferred = static_cast<int>(i);
  }
  if (inferred >= 0) {
    axes[static_cast<std::size_t>(inferred)] = 1;
    const Index known = Shape(std::span<const Index>(axes)).size();
    if (known == 0 || x.size() % known != 0)
      fail<ShapeError>("reshape: ", x.size(), " elements of shape ", x.shape(),
                       " cannot be split by the known lengths (product ", known, ")");
    axes[static_cast<std::size_t>(inferred)] = x.size() / known;
  }
  return reshape(x, Shape(std::span<const Index>(axes)));
}

/// All axes merged into one: shape [x.size()].
template <class S>
Tensor<S> flatten(const Tensor<S>& x) {
  return reshape(x, Shape{x.size()});
}
/// A new axis of length 1 before axis `axis`; -1 appends it.
template <class S>
Tensor<S> unsqueeze(const Tensor<S>& x, int axis) {
  return reshape(x, x.shape().inserted(axis < 0 ? axis + x.rank() + 1 : axis, 1));
}
/// Without the axis `axis`, which must have length 1.
template <class S>
Tensor<S> squeeze(const Tensor<S>& x, int axis) {
  if (x.size(axis) != 1)
    fail<ShapeError>("squeeze: axis ", axis, " of shape ", x.shape(), " has length ", x.size(axis), ", expected 1");
  return reshape(x, x.shape().without(axis));
}

/// The axes of `x` in another order: axis i of the result is axis order[i] of x.
template <class S>
Tensor<S> permute(const Tensor<S>& x, std::vector<int> order) {
  if (static_cast<int>(order.size()) != x.rank())
    fail<ShapeError>("permute: got ", order.size(), " axes for shape ", x.shape(), ", expected each axis once");
  std::vector<int> inverse(order.size(), -1);
  const detail::Walk from(x.shape());
  detail::Walk walk(x.shape());
  for (int i = 0; i < x.rank(); ++i) {
    int& axis = order[static_cast<std::size_t>(i)];
    axis = x.shape().axis(axis, "permute");
    if (inverse[static_cast<std::size_t>(axis)] != -1)
      fail<ValueError>("permute: axis ", axis, " is named twice; expected each axis once");
    inverse[static_cast<std::size_t>(axis)] = i;
    walk.shape = walk.shape.with(i, x.size(axis));
    walk.stride[i] = from.stride[axis];
  }
  Tensor<S> y = detail::Access::allocate<S>(walk.shape);
  const int rank = x.rank();
  const bool swaps_last = rank >= 2 && order[static_cast<std::size_t>(rank) - 1] == rank - 2 &&
                          order[static_cast<std::size_t>(rank) - 2] == rank - 1;
  bool others_stay = true;
  for (int i = 0; i + 2 < rank; ++i) others_stay &= order[static_cast<std::size_t>(i)] == i;
  if (swaps_last && others_stay) {
    const Index rows = x.size(-2), columns = x.size(-1), matrix = rows * columns;
    for (Index b = 0; matrix > 0 && b < x.size() / matrix; ++b)
      detail::transpose_matrix(x.data() + b * matrix, rows, columns, detail::Access::data(y) + b * matrix);
  } else {
    detail::read_walk(walk, x.data(), detail::Access::data(y));
  }
  return detail::record("permute", std::move(y),
                        detail::edge(x, [inverse](const Tensor<S>& g) { return permute(g, inverse); }));
}

/// Axes i and j swapped; by default the last two.
template <class S>
Tensor<S> transpose(const Tensor<S>& x, int i = -2, int j = -1) {
  std::vector<int> order(static_cast<std::size_t>(x.rank()));
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[static_cast<std::size_t>(x.shape().axis(i, "transpose"))],
            order[static_cast<std::size_t>(x.shape().axis(j, "transpose"))]);
  return permute(x, order);
}

namespace detail {

// A range of an axis: `count` elements from `start`, every `step`-th.
struct AxisRange {
  int axis;
  Index start, count, step;
};

inline Walk range_walk(const Shape& shape, const AxisRange& range) {
  Walk walk(shape);
  walk.offset = range.start * walk.stride[range.axis];
  walk.stride[range.axis] *= range.step;
  walk.shape = shape.with(range.axis, range.count);
  return walk;
}

template <class S>
Tensor<S> place_range(const Tensor<S>& x, const Shape& shape, const AxisRange& range);

template <class S>
Tensor<S> take_range(const Tensor<S>& x, const AxisRange& range) {
  const Walk walk = range_walk(x.shape(), range);
  Tensor<S> y;
  if (range.step == 1 && x.shape().product(0, range.axis) == 1) {
    y = Access::view(x, walk.shape, walk.shape.size() ? walk.offset : 0);  // whole rows: no copy
  } else {
    y = Access::allocate<S>(walk.shape);
    read_walk(walk, x.data(), Access::data(y));
  }
  return record("slice", std::move(y),
                edge(x, [shape = x.shape(), range](const Tensor<S>& g) { return place_range(g, shape, range); }));
}

// Zeros of `shape` with `x` in the places of the range: the adjoint of take_range.
template <class S>
Tensor<S> place_range(const Tensor<S>& x, const Shape& shape, const AxisRange& range) {
  Tensor<S> y = Tensor<S>::zeros(shape);
  write_walk(range_walk(shape, range), x.data(), Access::data(y));
  return record("place", std::move(y), edge(x, [range](const Tensor<S>& g) { return take_range(g, range); }));
}

}  // namespace detail

/// The elements start, start + step, ... before `stop` of one axis. Negative positions count from the end, `stop` may
/// lie beyond it; a negative step walks backwards from `start` down to, without, `stop` (use flip for a whole axis).
template <class S>
Tensor<S> slice(const Tensor<S>& x, int axis, Index start, Index stop, Index step = 1) {
  axis = x.shape().axis(axis, "slice");
  const Index n = x.size(axis);
  if (step == 0) fail<ValueError>("slice: the step is 0; expected a positive or negative step");
  step = std::clamp(step, -n - 1, n + 1);  // a longer one meets no second element either
  if (start < 0) start += n;
  if (stop < 0) stop += n;
  start = std::clamp(start, step > 0 ? Index{0} : Index{-1}, step > 0 ? n : n - 1);
  stop = std::clamp(stop, Index{-1}, n);
  const Index span = step > 0 ? stop - start : start - stop, stride = step > 0 ? step : -step;
  return detail::take_range(x, {axis, start, std::max(Index{0}, (span + stride - 1) / stride), step});
}

/// Position `index` of one axis, which is dropped. Throws IndexError.
template <class S>
Tensor<S> select(const Tensor<S>& x, int axis, Index index) {
  axis = x.shape().axis(axis, "select");
  const Index n = x.size(axis), at = index < 0 ? index + n : index;
  if (at < 0 || at >= n)
    fail<IndexError>("select: index ", index, " is out of range on axis ", axis, " of shape ", x.shape());
  return squeeze(detail::take_range(x, {axis, at, 1, 1}), axis);
}

/// The order of the elements of one axis reversed.
template <class S>
Tensor<S> flip(const Tensor<S>& x, int axis = -1) {
  axis = x.shape().axis(axis, "flip");
  return x.empty() ? x : detail::take_range(x, {axis, x.size(axis) - 1, x.size(axis), -1});
}

/// The tensors joined along an existing axis; all other lengths must agree. Throws ShapeError.
template <class S>
Tensor<S> concat(const std::vector<Tensor<S>>& parts, int axis = 0);

namespace detail {

// A node with a variable number of inputs: each gets its range of the cotangent.
template <class S>
class ConcatNode final : public Node<S> {
 public:
  ConcatNode(const std::vector<Tensor<S>>& parts, int axis) : axis_(axis) {
    for (const Tensor<S>& part : parts) {
      inputs_.push_back(Access::node(part));
      lengths_.push_back(part.size(axis));
      if (inputs_.back()) this->level = std::max(this->level, inputs_.back()->level + 1);
    }
  }
  const char* name() const override { return "concat"; }
  int inputs() const override { return static_cast<int>(inputs_.size()); }
  Node<S>* input(int i) const override { return inputs_[static_cast<std::size_t>(i)].get(); }
  void pull_back(const Tensor<S>& cotangent, Cotangents<S>& to) override {
    Index start = 0;
    for (int i = 0; i < inputs(); ++i) {
      const Index length = lengths_[static_cast<std::size_t>(i)];
      if (to.wants(i)) to.add(i, take_range(cotangent, {axis_, start, length, 1}));
      start += length;
    }
  }

 private:
  int axis_;
  std::vector<Ref<Node<S>>> inputs_;
  std::vector<Index> lengths_;
};

}  // namespace detail

template <class S>
Tensor<S> concat(const std::vector<Tensor<S>>& parts, int axis) {
  if (parts.empty()) fail<ShapeError>("concat: got no tensors, expected at least one");
  axis = parts[0].shape().axis(axis, "concat");
  Index total = 0;
  bool tracked = false;
  for (const Tensor<S>& part : parts) {
    if (part.rank() != parts[0].rank() || !(part.shape().with(axis, 0) == parts[0].shape().with(axis, 0)))
      fail<ShapeError>("concat: shapes ", parts[0].shape(), " and ", part.shape(), " differ beyond axis ", axis,
                       "; all other lengths must agree");
    total += part.size(axis);
    tracked |= part.tracked();
  }
  const Shape shape = parts[0].shape().with(axis, total);
  Tensor<S> y = detail::Access::allocate<S>(shape);
  const Index outer = shape.product(0, axis), inner = shape.product(axis + 1, shape.rank());
  Index offset = 0;
  for (const Tensor<S>& part : parts) {
    const Index n = part.size(axis) * inner;
    for (Index o = 0; o < outer; ++o)
      std::copy_n(part.data() + o * n, n, detail::Access::data(y) + o * total * inner + offset);
    offset += n;
  }
  if (detail::nan_check_flag()) detail::check_finite("concat", y);
  if (!tracked || !detail::recording_flag()) return y;
  return detail::Access::with_node(std::move(y), detail::Ref<detail::Node<S>>(new detail::ConcatNode<S>(parts, axis)));
}
template <class S>
Tensor<S> concat(std::initializer_list<Tensor<S>> parts, int axis = 0) {
  return concat(std::vector<Tensor<S>>(parts), axis);
}

/// Tensors of one shape joined along a new axis `axis`.
template <class S>
Tensor<S> stack(const std::vector<Tensor<S>>& parts, int axis = 0) {
  if (parts.empty()) fail<ShapeError>("stack: got no tensors, expected at least one");
  std::vector<Tensor<S>> rows;
  for (const Tensor<S>& part : parts) {
    if (!(part.shape() == parts[0].shape()))
      fail<ShapeError>("stack: shapes ", parts[0].shape(), " and ", part.shape(), " differ; all must be equal");
    rows.push_back(unsqueeze(part, axis));
  }
  return concat(rows, axis);
}
template <class S>
Tensor<S> stack(std::initializer_list<Tensor<S>> parts, int axis = 0) {
  return stack(std::vector<Tensor<S>>(parts), axis);
}

/// Parts of the given lengths along one axis, which must add up to its length. Throws ShapeError.
template <class S>
std::vector<Tensor<S>> split(const Tensor<S>& x, const std::vector<Index>& lengths, int axis = -1) {
  axis = x.shape().axis(axis, "split");
  Index total = 0;
  for (Index length : lengths) {
    if (length < 0 || length > x.size(axis) - total)
      fail<ShapeError>("split: length ", length, " at ", total, " does not fit into axis ", axis, " of shape ",
                       x.shape(), ", expected 0 to ", x.size(axis) - total);
    total += length;
  }
  if (total != x.size(axis))
    fail<ShapeError>("split: the lengths add up to ", total, ", but axis ", axis, " of shape ", x.shape(),
                     " has length ", x.size(axis), "; they must be equal");
  std::vector<Tensor<S>> parts;
  Index start = 0;
  for (Index length : lengths) {
    parts.push_back(detail::take_range(x, {axis, start, length, 1}));
    start += length;
  }
  return parts;
}
/// `parts` equal parts along one axis: `auto [mean, log_std] = split<2>(x)`. Throws ShapeError if they cannot be equal.
template <int Parts, class S>
std::array<Tensor<S>, Parts> split(const Tensor<S>& x, int axis = -1) {
  axis = x.shape().axis(axis, "split");
  if (x.size(axis) % Parts != 0)
    fail<ShapeError>("split: axis ", axis, " of shape ", x.shape(), " cannot be split into ", Parts, " equal parts");
  std::array<Tensor<S>, Parts> parts;
  const Index length = x.size(axis) / Parts;
  for (int i = 0; i < Parts; ++i)
    parts[static_cast<std::size_t>(i)] = detail::take_range(x, {axis, i * length, length, 1});
  return parts;
}

/// `before` and `after` copies of `value` around one axis.
template <class S>
Tensor<S> pad(const Tensor<S>& x, int axis, Index before, Index after, double value = 0) {
  axis = x.shape().axis(axis, "pad");
  constexpr Index most = std::numeric_limits<Index>::max() / 4;
  if (before < 0 || after < 0 || before > most || after > most)
    fail<ValueError>("pad: got ", before, " before and ", after, " after, expected 0 to ", most, "; use slice to cut");
  const detail::AxisRange range{axis, before, x.size(axis), 1};
  const Shape shape = x.shape().with(axis, before + x.size(axis) + after);
  Tensor<S> y = Tensor<S>::full(shape, static_cast<S>(value));
  detail::write_walk(detail::range_walk(shape, range), x.data(), detail::Access::data(y));
  return detail::record("pad", std::move(y),
                        detail::edge(x, [range](const Tensor<S>& g) { return detail::take_range(g, range); }));
}

/// The elements of one axis shifted by `shift` places towards the end, those that fall out coming in again at the
/// front.
template <class S>
Tensor<S> roll(const Tensor<S>& x, Index shift, int axis = -1) {
  axis = x.shape().axis(axis, "roll");
  const Index n = x.size(axis);
  if (n == 0) return x;
  const Index head = ((shift % n) + n) % n;
  if (head == 0) return x;
  return concat({slice(x, axis, n - head, n), slice(x, axis, 0, n - head)}, axis);
}

namespace detail {

template <class S>
Tensor<S> triangle(const char* name, const Tensor<S>& x, Index diagonal, bool lower) {
  if (x.rank() < 2) fail<ShapeError>(name, ": got shape ", x.shape(), ", expected matrices [..., rows, columns]");
  const Index rows = x.size(-2), columns = x.size(-1);
  Tensor<S> y = Tensor<S>::build(x.shape(), [&](S* out) {
    for (Index i = 0; i < x.size(); ++i) {
      const Index r = i / columns % rows, c = i % columns;
      out[i] = (lower ? c - r <= diagonal : c - r >= diagonal) ? x.data()[i] : S(0);
    }
  });
  return record(name, std::move(y), edge(x, [=](const Tensor<S>& g) { return triangle(name, g, diagonal, lower); }));
}

}  // namespace detail

/// The lower triangle of matrices [..., rows, columns], zero above diagonal number `diagonal` (0: the main one).
template <class S>
Tensor<S> tril(const Tensor<S>& x, Index diagonal = 0) {
  return detail::triangle("tril", x, diagonal, true);
}
/// The upper triangle of matrices [..., rows, columns], zero below diagonal number `diagonal`.
template <class S>
Tensor<S> triu(const Tensor<S>& x, Index diagonal = 0) {
  return detail::triangle("triu", x, diagonal, false);
}

}  // namespace pushforward
