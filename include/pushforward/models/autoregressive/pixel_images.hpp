// PixelImages: what the images of a model are, and what of images and labels fits it.
#pragma once

#include <vector>

#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

/// The images [n, colors, height, width] of a model, and how their numbers enter its network.
///
/// Their elements come one after the other: rows from above, pixels from the left, then the colors of a pixel.
struct PixelImages {
  Index colors = 1, height = 28, width = 28;
  Index levels = 0;  ///< numbers are 0 .. levels - 1, scaled to [-1, 1] for the network; 0: it takes them as they are
  Index embedding = 0;  ///< each level enters as so many trained numbers instead; 0: as one

  Shape event() const { return {colors, height, width}; }
  /// The row-major position of the element in some place of the order.
  Index element(Index place) const { return place % colors * height * width + place / colors; }
};

namespace detail {

inline void check_pixel_images(const char* name, const PixelImages& images) {
  if (images.colors < 1 || images.height < 1 || images.width < 1)
    fail<ValueError>(name, ": images of ", images.colors, " colors, height ", images.height, " and width ",
                     images.width, ", expected at least 1 each");
  if (images.levels < 0 || images.levels == 1)
    fail<ValueError>(name, ": .levels is ", images.levels, ", expected at least 2, or 0 for numbers as they are");
  if (images.embedding < 0 || (images.embedding > 0 && images.levels == 0))
    fail<ValueError>(name, ": .embedding is ", images.embedding, " with .levels ", images.levels,
                     "; expected 0, or so many numbers for each of at least 2 levels");
}

// That x is a batch of such images, for a function of a model.
template <class S>
void check_images(const char* model, const char* function, const PixelImages& images, const Tensor<S>& x) {
  if (x.rank() != 4 || !(x.shape().without(0) == images.event()))
    fail<ShapeError>(model, "::", function, ": images of shape ", x.shape(), ", expected [n, ", images.colors, ", ",
                     images.height, ", ", images.width,
                     "], the .colors, .height and .width that the model was built with");
}

// That there is a label for each of n images if the model has classes, and none if it has none.
inline void check_image_labels(const char* model, const char* function, Index classes, Index n,
                               const Tensor<Index>& labels) {
  if (classes == 0 && !labels.empty())
    fail<ValueError>(model, "::", function, ": got labels, but the model has no classes; build it with .classes");
  if (classes > 0 && labels.empty() && n > 0)
    fail<ValueError>(model, "::", function, ": the model has ", classes,
                     " classes; give labels, a Tensor<Index> of shape [n]");
  if (labels.empty()) return;
  if (!(labels.shape() == Shape{n}))
    fail<ShapeError>(model, "::", function, ": labels of shape ", labels.shape(), " for ", n, " images, expected [", n,
                     "]");
  for (const Index label : labels)
    if (label < 0 || label >= classes)
      fail<ValueError>(model, "::", function, ": label ", label, ", expected one of the ", classes, " classes 0 .. ",
                       classes - 1);
}

// How many labels images are to be drawn for.
inline Index count_of_labels(const char* model, const Tensor<Index>& labels) {
  if (labels.rank() != 1) fail<ShapeError>(model, "::sample: labels of shape ", labels.shape(), ", expected [n]");
  return labels.size(0);
}

// log p(x | y) of every class y: x [n, ..] -> [n, classes].
template <class Model, class S>
Tensor<S> log_prob_of_classes(const char* name, const Model& model, const Tensor<S>& x) {
  if (model.classes() == 0)
    fail<ValueError>(name, "::log_prob_by_class: the model has no classes; build it with .classes");
  check_images(name, "log_prob_by_class", model.images(), x);
  std::vector<Tensor<S>> each;
  for (Index label = 0; label < model.classes(); ++label)
    each.push_back(model.log_prob(x, Tensor<Index>::full(Shape{x.size(0)}, label)));
  return stack(each, 1);
}

}  // namespace detail
}  // namespace pushforward
