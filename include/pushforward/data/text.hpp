// Text as tokens: vocabularies of characters or bytes, files, and the windows that a model is trained on.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <pushforward/data/mnist.hpp>
#include <pushforward/objectives/objective.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward::data {

/// The characters that a text is made of, numbered: tokens 0, 1, .. in the order of their code points.
///
///     const Vocabulary vocabulary(text);
///     Tensor<Index> tokens = vocabulary.encode(text);
///     vocabulary.decode(tokens) == text
///
/// A character is a Unicode code point of UTF-8 text, or with `Vocabulary::bytes()` any of the 256 bytes. To keep a
/// vocabulary, write symbols(): Vocabulary(symbols()) is the same one.
class Vocabulary {
 public:
  /// The characters that occur in a text, or all bytes if it is bytes().symbols(). Throws ValueError for a text that is
  /// empty or not UTF-8.
  explicit Vocabulary(std::string_view text);
  /// All bytes: a token is the byte itself.
  static Vocabulary bytes() { return Vocabulary(); }

  /// How many tokens there are.
  Index size() const { return of_bytes_ ? 256 : static_cast<Index>(symbols_.size()); }
  bool of_bytes() const { return of_bytes_; }
  /// The characters in their order, as UTF-8, or all the bytes.
  std::string symbols() const;

  /// The tokens of a text: [t]. Throws ValueError for a character that is not in the vocabulary, or text that is not
  /// UTF-8, and says where.
  Tensor<Index> encode(std::string_view text) const;
  /// The text of tokens [t]. Throws IndexError for others than 0 to size() - 1, ShapeError for several sequences.
  std::string decode(const Tensor<Index>& tokens) const;

 private:
  Vocabulary() : of_bytes_(true) {}

  std::vector<char32_t> symbols_;  // ascending
  bool of_bytes_ = false;
};

/// A whole file as text, decompressed if it is gzip-compressed. Throws IoError if it cannot be read or is empty.
std::string load_text(const std::string& path);

/// Tiny Shakespeare, about 1.1 million characters (Karpathy 2015): input.txt in `directory` or
/// `directory`/tinyshakespeare, plain or .gz. Throws IoError if it is not there.
std::string load_tiny_shakespeare(const std::string& directory);

/// A long sequence in two: [t] -> its beginning, and the last `fraction` of it. Throws ShapeError, and ValueError
/// unless 0 < fraction < 1 leaves tokens for both.
std::pair<Tensor<Index>, Tensor<Index>> split_sequence(const Tensor<Index>& tokens, double fraction);

/// How `windows` cuts.
struct WindowOptions {
  Index length = 0;  ///< of a window
  Index stride = 0;  ///< from the beginning of one to that of the next; 0: length, so that they do not overlap
};

/// The windows of a long sequence [t] from its beginning on, as far as they fit: [n, length].
///
/// Throws ShapeError for a sequence that is shorter than one, ValueError for a length or stride that is not positive.
Tensor<Index> windows(const Tensor<Index>& tokens, const WindowOptions& options);

namespace detail {

// Where a crop of each row begins.
template <class T>
std::vector<Index> crop_places(const Tensor<T>& x, Index length, Rng& rng) {
  if (length < 1) fail<ValueError>("random_crops: got length = ", length, ", expected a positive number");
  if (x.rank() != 2 || x.size(1) < length)
    fail<ShapeError>("random_crops: got rows ", x.shape(), ", expected [n, w] with w of at least ", length);
  std::vector<Index> places(static_cast<std::size_t>(x.size(0)), 0);
  if (x.size(1) > length)
    for (Index& place : places) place = rng.uniform_index(x.size(1) - length + 1);
  return places;
}

// The crops of what lies along the rows: [n, .., w] -> [n, .., length].
template <class T>
Tensor<T> crop(const Tensor<T>& x, const std::vector<Index>& places, Index length) {
  const Index width = x.size(-1), rows = x.size(0), each = rows == 0 ? 0 : x.size() / width / rows;
  if (width == length) return x;
  return Tensor<T>::build(x.shape().without(-1).inserted(x.rank() - 1, length), [&](T* out) {
    for (Index i = 0; i < rows * each; ++i)
      std::copy_n(x.data() + i * width + places[static_cast<std::size_t>(i / each)], length, out + i * length);
  });
}

// What belongs to rows x [n, w], for crops of them: labels of whole rows as they are, what lies along them cropped.
template <class T, class Y>
Tensor<Y> crop_given(const Tensor<T>& x, const Tensor<Y>& y, const std::vector<Index>& places, Index length) {
  if (y.rank() == 0 || y.size(0) != x.size(0))
    fail<ShapeError>("random_crops: got ", y.shape(), " for rows ", x.shape(), ", expected as many rows");
  const bool along = y.rank() > 2 || (y.rank() == 2 && std::is_same_v<Y, Index>);
  if (!along) return y;
  if (y.size(-1) != x.size(1))
    fail<ShapeError>("random_crops: got ", y.shape(), " beside rows ", x.shape(), ", expected a last axis of ",
                     x.size(1));
  return crop(y, places, length);
}

}  // namespace detail

/// `length` neighbors of each row [n, w], from a place drawn for each: [n, length]; rows of just the length are taken
/// as they are, without a draw. Throws ShapeError for shorter ones, ValueError for a length that is not positive.
template <class T>
Tensor<T> random_crops(const Tensor<T>& x, Index length, Rng& rng) {
  const std::vector<Index> places = detail::crop_places(x, length, rng);
  return detail::crop(x, places, length);
}
/// Crops of rows [n, w], and what belongs to them: labels [n] or numbers [n, c] of whole rows stay as they are; tokens
/// Tensor<Index> [n, w] or numbers [n, c, w] that lie beside the rows are cropped at the same places.
template <class T, class Y>
std::tuple<Tensor<T>, Tensor<Y>> random_crops(const Tensor<T>& x, const Tensor<Y>& y, Index length, Rng& rng) {
  const std::vector<Index> places = detail::crop_places(x, length, rng);
  return {detail::crop(x, places, length), detail::crop_given(x, y, places, length)};
}

/// What `random_crops` gives: an objective on parts of its rows.
template <class Objective>
struct RandomCrops {
  Objective objective;
  Index length;

  template <class Model, class T>
  auto operator()(const Model& model, const Tensor<T>& x, Rng& rng) const {
    return evaluate_objective(objective, model, random_crops(x, length, rng), rng);
  }
  template <class Model, class T>
  auto operator()(const Model& model, const Tensor<T>& x, Rng& rng, const ExampleMean& over) const {
    return evaluate_objective(objective, model, random_crops(x, length, rng), rng, over);
  }
  /// With labels of the rows, or with what lies beside them.
  template <class Model, class T, class Y>
  auto operator()(const Model& model, const Tensor<T>& x, const Tensor<Y>& y, Rng& rng) const {
    const auto [crops, given] = random_crops(x, y, length, rng);
    if constexpr (std::is_invocable_v<const Objective&, const Model&, const Tensor<T>&, const Tensor<Y>&, Rng&>)
      return objective(model, crops, given, rng);
    else
      return objective(model, crops, given);
  }
  template <class Model, class T, class Y>
  auto operator()(const Model& model, const Tensor<T>& x, const Tensor<Y>& y, Rng& rng, const ExampleMean& over) const {
    const auto [crops, given] = random_crops(x, y, length, rng);
    return evaluate_objective(pushforward::detail::ObjectiveGiven<Objective, Tensor<Y>>{objective, given}, model, crops,
                              rng, over);
  }
  auto at(Index step, Index total) const requires requires(const Objective& o) { o.at(step, total); }
  {
    const auto now = objective.at(step, total);
    return RandomCrops<std::remove_const_t<decltype(now)>>{now, length};
  }
};

/// An objective on `length` neighbors of each row [n, w], from a place drawn anew each time.
///
///     fit(gpt, windows(text, {.length = 2 * t - 1, .stride = t}), random_crops(next_token, t),
///         {.validation = windows(held_out, {.length = t})}, rng)
///
/// sees every window of t tokens equally often, and other ones in every epoch; rows of just the length, as here in
/// validation, are taken as they are. Data may be a tuple of rows and their labels, or of rows and what lies beside
/// them (see random_crops(x, y, length, rng)), with weights or without. Throws ValueError for a length that is not
/// positive; in training ShapeError for shorter rows.
template <class Objective>
RandomCrops<Objective> random_crops(Objective objective, Index length) {
  if (length < 1) fail<ValueError>("random_crops: got length = ", length, ", expected a positive number");
  return {std::move(objective), length};
}

}  // namespace pushforward::data

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/data/text.inl>
#endif
