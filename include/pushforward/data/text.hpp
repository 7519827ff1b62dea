// Text as tokens: vocabularies of characters or bytes, files, and the windows that a model is trained on.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
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
  /// The characters that occur in a text. Throws ValueError for a text that is empty or not UTF-8.
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

/// What `random_crops` gives: an objective on parts of its rows.
template <class Objective>
struct RandomCrops {
  Objective objective;
  Index length;

  template <class Model, class T>
  auto operator()(const Model& model, const Tensor<T>& x, Rng& rng) const {
    return evaluate_objective(objective, model, crop(x, rng), rng);
  }
  template <class Model, class T>
  auto operator()(const Model& model, const Tensor<T>& x, Rng& rng, const ExampleMean& over) const {
    return evaluate_objective(objective, model, crop(x, rng), rng, over);
  }
  auto at(Index step, Index total) const requires requires(const Objective& o) { o.at(step, total); }
  {
    const auto now = objective.at(step, total);
    return RandomCrops<std::remove_const_t<decltype(now)>>{now, length};
  }

 private:
  template <class T>
  Tensor<T> crop(const Tensor<T>& x, Rng& rng) const {
    if (x.rank() != 2 || x.size(1) < length)
      fail<ShapeError>("random_crops: got rows ", x.shape(), ", expected [n, w] with w of at least ", length);
    const Index n = x.size(0), width = x.size(1);
    if (width == length) return x;
    return Tensor<T>::build(Shape{n, length}, [&](T* out) {
      for (Index row = 0; row < n; ++row)
        std::copy_n(x.data() + row * width + rng.uniform_index(width - length + 1), length, out + row * length);
    });
  }
};

/// An objective on `length` neighbors of each row [n, w], from a place drawn anew each time.
///
///     fit(gpt, windows(text, {.length = 2 * t - 1, .stride = t}), random_crops(next_token, t),
///         {.validation = windows(held_out, {.length = t})}, rng)
///
/// sees every window of t tokens equally often, and other ones in every epoch; rows of just the length, as here in
/// validation, are taken as they are. Throws ValueError for a length that is not positive; in training ShapeError for
/// shorter rows.
template <class Objective>
RandomCrops<Objective> random_crops(Objective objective, Index length) {
  if (length < 1) fail<ValueError>("random_crops: got length = ", length, ", expected a positive number");
  return {std::move(objective), length};
}

}  // namespace pushforward::data

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/data/text.inl>
#endif
