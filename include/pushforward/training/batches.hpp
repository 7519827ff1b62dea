// batches(): data in pieces along axis 0, shuffled.
#pragma once

#include <cstring>
#include <iterator>
#include <tuple>
#include <utility>
#include <vector>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/core/random.hpp>

namespace pushforward {

/// How batches() goes through data.
struct BatchOptions {
  bool drop_last = false;  ///< leaves out a last batch that is smaller than the others
  bool shuffle = true;     ///< rows in random order
};

namespace detail {

// The number of rows of data: a tensor, or a tuple, pair or vector of tensors with equally many rows.
template <class S>
Index rows_of(const Tensor<S>& data) {
  if (data.rank() == 0) fail<ShapeError>("batches: the data is a single number, expected rows along axis 0");
  return data.size(0);
}
template <class... T>
Index rows_of(const std::tuple<T...>& data) {
  const Index rows = rows_of(std::get<0>(data));
  std::apply(
      [&](const auto&... part) {
        (void)((rows_of(part) == rows || (fail<ShapeError>("batches: the parts have ", rows, " and ", rows_of(part),
                                                           " rows, expected as many in each"),
                                          true)) &&
               ...);
      },
      data);
  return rows;
}
template <class A, class B>
Index rows_of(const std::pair<A, B>& data) {
  return rows_of(std::tie(data.first, data.second));
}

// Row order[i] of `data` for i in [0, n). The order is a permutation, so nothing needs to be checked.
template <class S>
Tensor<S> take_rows(const Tensor<S>& data, const Index* order, Index n) {
  const Index width = data.shape().product(1, data.rank());
  Tensor<S> rows = Access::allocate<S>(data.shape().with(0, n));
  S* out = Access::data(rows);
  const S* in = data.data();
  const Index grain = std::max<Index>(1, 65536 / std::max<Index>(1, width));
  parallel_for(width > 0 ? n : 0, grain, [=](Index begin, Index end) {
    if (width <= 8) {  // a call for each row would cost more than the copy
      for (Index i = begin; i < end; ++i)
        for (Index j = 0; j < width; ++j) out[i * width + j] = in[order[i] * width + j];
    } else {
      for (Index i = begin; i < end; ++i)
        std::memcpy(out + i * width, in + order[i] * width, static_cast<std::size_t>(width) * sizeof(S));
    }
  });
  return rows;
}
template <class... T>
std::tuple<T...> take_rows(const std::tuple<T...>& data, const Index* order, Index n) {
  return std::apply([&](const auto&... part) { return std::tuple<T...>(take_rows(part, order, n)...); }, data);
}
template <class A, class B>
std::pair<A, B> take_rows(const std::pair<A, B>& data, const Index* order, Index n) {
  return {take_rows(data.first, order, n), take_rows(data.second, order, n)};
}

// Rows [begin, begin + n) without a copy.
template <class S>
Tensor<S> view_rows(const Tensor<S>& data, Index begin, Index n) {
  return Access::view(data, data.shape().with(0, n), begin * data.shape().product(1, data.rank()));
}
template <class... T>
std::tuple<T...> view_rows(const std::tuple<T...>& data, Index begin, Index n) {
  return std::apply([&](const auto&... part) { return std::tuple<T...>(view_rows(part, begin, n)...); }, data);
}
template <class A, class B>
std::pair<A, B> view_rows(const std::pair<A, B>& data, Index begin, Index n) {
  return {view_rows(data.first, begin, n), view_rows(data.second, begin, n)};
}

}  // namespace detail

/// The batches of one pass over data, in an order that is drawn when the range is made: iterating again gives the same.
/// It shares the data's numbers.
template <class Data>
class Batches {
 public:
  Batches(Data data, Index batch_size, Rng& rng, BatchOptions options)
      : data_(std::move(data)), batch_size_(batch_size) {
    const Index rows = detail::rows_of(data_);
    if (rows == 0) fail<ValueError>("batches: the data has no rows");
    if (batch_size <= 0) fail<ValueError>("batches: batch_size is ", batch_size, ", expected a positive number");
    rows_ = options.drop_last ? rows / batch_size * batch_size : rows;
    if (rows_ == 0)
      fail<ValueError>("batches: drop_last leaves nothing of ", rows, " rows in batches of ", batch_size,
                       "; make batches smaller");
    if (options.shuffle)
      order_ = Tensor<Index>::build(Shape{rows}, [&](Index* out) { detail::fill_permutation(out, rows, rng); });
  }

  /// The number of batches.
  Index size() const { return (rows_ + batch_size_ - 1) / batch_size_; }
  /// Batch number `i`. Throws IndexError.
  Data operator[](Index i) const {
    if (i < 0 || i >= size()) fail<IndexError>("batches: batch ", i, " does not exist, there are ", size());
    const Index begin = i * batch_size_, n = std::min(batch_size_, rows_ - begin);
    return order_.empty() ? detail::view_rows(data_, begin, n) : detail::take_rows(data_, order_.data() + begin, n);
  }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Data;
    using difference_type = Index;
    using pointer = const Data*;
    using reference = Data;
    Iterator() = default;
    Iterator(const Batches* batches, Index at) : batches_(batches), at_(at) {}
    Data operator*() const { return (*batches_)[at_]; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    Iterator operator++(int) { return Iterator(batches_, at_++); }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    const Batches* batches_ = nullptr;
    Index at_ = 0;
  };
  Iterator begin() const { return Iterator(this, 0); }
  Iterator end() const { return Iterator(this, size()); }

 private:
  Data data_;
  Index batch_size_, rows_ = 0;
  Tensor<Index> order_;
};

/// One pass over the rows of `data` in batches [batch_size, ...], each row once, in random order.
/// `for (const auto& batch : batches(images, 128, rng))`
///
/// Throws ValueError for data without rows or batch_size < 1, ShapeError for a single number.
template <class S>
Batches<Tensor<S>> batches(const Tensor<S>& data, Index batch_size, Rng& rng, BatchOptions options = {}) {
  return {stop_gradient(data), batch_size, rng, options};
}
/// The same for parts that belong together row by row: `for (const auto& [x, label] : batches(std::tuple(images,
/// labels), ...))`. Throws ShapeError if the parts differ in rows.
template <class... T>
Batches<std::tuple<T...>> batches(const std::tuple<T...>& data, Index batch_size, Rng& rng, BatchOptions options = {}) {
  return {data, batch_size, rng, options};
}
template <class A, class B>
Batches<std::pair<A, B>> batches(const std::pair<A, B>& data, Index batch_size, Rng& rng, BatchOptions options = {}) {
  return {data, batch_size, rng, options};
}

}  // namespace pushforward
