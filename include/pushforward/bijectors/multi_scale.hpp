// MultiScale: a bijector between images and flat noise that lets half of the numbers go at each level.
#pragma once

#include <vector>

#include <pushforward/bijectors/chain.hpp>
#include <pushforward/bijectors/squeeze.hpp>

namespace pushforward {

/// One level of a MultiScale: from data to noise the images are squeezed, then go through `steps` backwards.
template <class S = float>
struct ScaleLevel {
  Squeeze squeeze;
  Chain<S> steps;  ///< bijectors of images, those next to the noise first

  static void members(auto& self, auto&& visit) { visit("steps", self.steps); }
};

/// Images [n, c, h, w] <-> noise [n, c h w] in levels (Dinh et al. 2017, sec. 3.6): from data to noise each level
/// squeezes the images and carries them through its steps; after each but the last the second half of the channels
/// leaves, and the first goes on.
///
/// All that left is kept: the flat vector holds the latents of every level, those of the finest first, so `forward`
/// returns the very images. `latents(z)` shows them as images. A level's steps may end (towards the noise) with a
/// ChannelCoupling that keeps the first half: that is a prior of what leaves given what stays.
///
/// Throws ValueError for no levels, ShapeError for a height or width that 2^levels does not divide and other images.
template <class S = float>
class MultiScale {
 public:
  using Scalar = S;

  MultiScale(Index channels, Index height, Index width, std::vector<ScaleLevel<S>> levels)
      : image_{channels, height, width}, levels_(std::move(levels)) {
    if (levels_.empty()) fail<ValueError>("MultiScale: got no levels, expected at least one");
    check_image("MultiScale", channels, height, width, static_cast<Index>(levels_.size()));
    Shape at = image_;
    for (std::size_t i = 0; i < levels_.size(); ++i) {
      const bool last = i + 1 == levels_.size();
      at = Shape{at[0] * (last ? 4 : 2), at[1] / 2, at[2] / 2};
      latents_.push_back(at);
    }
  }

  /// Throws ShapeError for images that cannot be halved `levels` times.
  static void check_image(const char* name, Index channels, Index height, Index width, Index levels) {
    const bool fits = levels >= 1 && levels < 31 && channels >= 1 && height >= 1 && width >= 1 &&
                      height % (Index{1} << levels) == 0 && width % (Index{1} << levels) == 0;
    if (!fits)
      fail<ShapeError>(name, ": images of ", channels, " channels and ", height, " x ", width,
                       " pixels cannot be halved ", levels, " times, expected multiples of 2^", levels,
                       "; pad them, or take fewer levels");
  }

  /// [c, h, w].
  const Shape& image_shape() const { return image_; }
  /// The latents of each level, [c, h, w], the finest first.
  const std::vector<Shape>& latent_shapes() const { return latents_; }
  const std::vector<ScaleLevel<S>>& levels() const { return levels_; }

  /// z [n, c h w] -> images [n, c, h, w].
  WithLogDet<S> forward(const Tensor<S>& z) const {
    std::vector<Tensor<S>> parts = latents(z);
    WithLogDet<S> x{parts.back(), Tensor<S>::zeros({z.size(0)})};
    for (std::size_t i = levels_.size(); i-- > 0;) {
      if (i + 1 < levels_.size()) x.value = concat({x.value, parts[i]}, 1);
      if (levels_[i].steps.size() > 0) {
        const WithLogDet<S> y = levels_[i].steps.forward(x.value);
        x = {y.value, x.log_det + y.log_det};
      }
      x.value = levels_[i].squeeze.inverse(x.value).value;
    }
    return x;
  }
  /// Images [n, c, h, w] -> z [n, c h w].
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    check_images(y);
    std::vector<Tensor<S>> parts;
    WithLogDet<S> x{y, Tensor<S>::zeros({y.size(0)})};
    for (std::size_t i = 0; i < levels_.size(); ++i) {
      x = level_inverse(i, x);
      parts.push_back(i + 1 == levels_.size() ? x.value : slice(x.value, 1, latents_[i][0], 2 * latents_[i][0]));
      if (i + 1 < levels_.size()) x.value = slice(x.value, 1, 0, latents_[i][0]);
    }
    return {flat(parts), x.log_det};
  }

  /// The latents of each level as images, the finest first: z [n, c h w] -> [n, c_l, h_l, w_l] each.
  std::vector<Tensor<S>> latents(const Tensor<S>& z) const {
    if (z.rank() != 2 || z.size(1) != image_.size())
      fail<ShapeError>("MultiScale: noise of shape ", z.shape(), ", expected [n, ", image_.size(), "] for images of ",
                       image_);
    std::vector<Tensor<S>> parts;
    Index start = 0;
    for (const Shape& one : latents_) {
      parts.push_back(reshape(slice(z, 1, start, start + one.size()), one.inserted(0, z.size(0))));
      start += one.size();
    }
    return parts;
  }
  /// The inverse of `latents`. Throws ShapeError for other levels.
  Tensor<S> flat(const std::vector<Tensor<S>>& latents) const {
    if (latents.size() != latents_.size())
      fail<ShapeError>("MultiScale: got latents of ", latents.size(), " levels, expected ", latents_.size());
    std::vector<Tensor<S>> rows;
    for (std::size_t i = 0; i < latents.size(); ++i) {
      const Shape& shape = latents[i].shape();
      if (shape.rank() != 4 || !(shape.without(0) == latents_[i]))
        fail<ShapeError>("MultiScale: latents of level ", i, " have shape ", shape, ", expected [n] and ", latents_[i]);
      rows.push_back(reshape(latents[i], Shape{shape[0], latents_[i].size()}));
    }
    return concat(rows, 1);
  }

  /// Initializes what depends on data from images that `forward` is to produce, level by level.
  void initialize(const Tensor<S>& images) {
    NoGradient guard;
    check_images(images);
    Tensor<S> x = images;
    for (std::size_t i = 0; i < levels_.size(); ++i) {
      levels_[i].steps.initialize(levels_[i].squeeze.forward(x).value);
      if (i + 1 == levels_.size()) return;
      const WithLogDet<S> y = level_inverse(i, {x, Tensor<S>::zeros({x.size(0)})});
      x = slice(y.value, 1, 0, latents_[i][0]);
    }
  }

  static void members(auto& self, auto&& visit) { visit("levels", self.levels_); }

 private:
  void check_images(const Tensor<S>& x) const {
    if (x.rank() != 4 || !(x.shape().without(0) == image_))
      fail<ShapeError>("MultiScale: input of shape ", x.shape(), ", expected images [n, ", image_[0], ", ", image_[1],
                       ", ", image_[2], "]");
  }
  WithLogDet<S> level_inverse(std::size_t i, const WithLogDet<S>& x) const {
    const Tensor<S> squeezed = levels_[i].squeeze.forward(x.value).value;
    if (levels_[i].steps.size() == 0) return {squeezed, x.log_det};
    const WithLogDet<S> y = levels_[i].steps.inverse(squeezed);
    return {y.value, x.log_det + y.log_det};
  }

  Shape image_;
  std::vector<ScaleLevel<S>> levels_;
  std::vector<Shape> latents_;
};

}  // namespace pushforward
