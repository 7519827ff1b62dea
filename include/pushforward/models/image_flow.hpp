// glow and real_nvp_images: flows on images.
#pragma once

#include <vector>

#include <pushforward/bijectors/glow_step.hpp>
#include <pushforward/bijectors/multi_scale.hpp>
#include <pushforward/bijectors/pixel_logit.hpp>
#include <pushforward/models/flow.hpp>
#include <pushforward/nn/image_coupling_net.hpp>

namespace pushforward {

/// The distribution of each level's latents.
enum class LatentPrior {
  standard,  ///< N(0, 1)
  learned,   ///< those of the last level normal with a mean and scale for each channel, the others with means and
             ///< scales that a convolution makes of what stays (Kingma and Dhariwal 2018, in their code)
};

/// How `glow` and `real_nvp_images` build a flow.
struct ImageFlowOptions {
  Index channels = 1;  ///< of the images
  Index height = 0, width = 0;
  Index levels = 2;                            ///< how often the images are squeezed
  Index steps = 4;                             ///< of each level
  std::vector<Index> hidden = {64, 64};        ///< channels in each coupling's network
  ChannelScale scale = ChannelScale::sigmoid;  ///< of the couplings; `none` makes them additive
  double max_log_scale = 1.0;                  ///< bound of |log s| for ChannelScale::exponential
  LatentPrior prior = LatentPrior::standard;   ///< of the latents, on top of a standard normal base
  double logit = 0;  ///< margin of a PixelLogit on the data side, for pixels in [-1/2, 1/2]; 0: none
};

namespace detail {

inline void check_image_flow(const char* builder, const ImageFlowOptions& o) {
  if (o.levels < 1 || o.steps < 1)
    fail<ValueError>(builder, ": got .levels = ", o.levels, " and .steps = ", o.steps, ", expected at least 1 each");
  MultiScale<>::check_image(builder, o.channels, o.height, o.width, o.levels);
}

// What maps noise to the latents of a level of `channels` channels.
template <class S>
void append_prior(Chain<S>& steps, Index channels, bool last) {
  if (last) {
    steps.append(ChannelActNorm<S>(channels));
    return;
  }
  Rng unused(0);  // the only convolution starts as zero
  Conv2d<S> net(channels / 2, channels, 3, unused, {.padding = same_padding(3)});
  net.weight = Tensor<S>::zeros(net.weight.shape());
  net.bias = Tensor<S>::zeros({channels});
  steps.append(
      ChannelCoupling<Conv2d<S>>(std::move(net), channels, {.scale = ChannelScale::exponential, .max_log_scale = 4}));
}

// Levels of bijectors that make(channels, steps) appends.
template <class S, class Make>
MultiScale<S> image_levels(const ImageFlowOptions& o, SqueezeOrder order, const Make& make) {
  std::vector<ScaleLevel<S>> levels;
  Index channels = o.channels;
  for (Index i = 0; i < o.levels; ++i) {
    ScaleLevel<S> level{{order}, {}};
    channels *= 4;
    if (o.prior == LatentPrior::learned) append_prior(level.steps, channels, i + 1 == o.levels);
    make(channels, level.steps);
    if (i == 0 && o.logit != 0) level.steps.append(PixelLogit<S>(o.logit));
    levels.push_back(std::move(level));
    channels /= 2;
  }
  return {o.channels, o.height, o.width, std::move(levels)};
}

template <class S>
ImageCouplingNet<S> image_coupling_net(const ImageFlowOptions& o, Index channels, Rng& rng) {
  const Index kept = channels / 2, moved = channels - kept;
  return {kept, o.hidden, o.scale == ChannelScale::none ? moved : 2 * moved, rng};
}

}  // namespace detail

/// Glow (Kingma and Dhariwal 2018) on a base of your own over channels * height * width numbers, all the latents: a
/// LabelledNormal, say, for a density of images of each class. Throws ValueError, ShapeError for images that cannot be
/// halved `levels` times or a base of other events.
template <class S = float, class Base>
Flow<Base, MultiScale<S>> glow(const ImageFlowOptions& options, Base base, Rng& rng) {
  detail::check_image_flow("glow", options);
  detail::check_base("glow", base, options.channels * options.height * options.width);
  auto make = [&](Index channels, Chain<S>& steps) {
    for (Index k = 0; k < options.steps; ++k)
      steps.append(GlowStep<ImageCouplingNet<S>>(detail::image_coupling_net<S>(options, channels, rng), channels, rng,
                                                 {.scale = options.scale, .max_log_scale = options.max_log_scale}));
  };
  return {std::move(base), detail::image_levels<S>(options, SqueezeOrder::rows, make)};
}
/// Glow on a standard normal base: images [n, c, h, w] <-> noise [n, c h w].
///
///     auto flow = glow({.channels = 1, .height = 28, .width = 28, .levels = 2, .steps = 8}, rng);
///
/// Pixels should be about centered, x in [-1/2, 1/2), say; `flow.initialize(images)` (which `fit` calls) starts the
/// normalizations from data. `tempered(flow, 0.7).sample(64, rng)` draws with a temperature, and
/// `flow.bijector().latents(z)` shows the latents of each level.
template <class S = float>
Flow<Normal<S>, MultiScale<S>> glow(const ImageFlowOptions& options, Rng& rng) {
  detail::check_image_flow("glow", options);
  return glow<S>(options, standard_normal<S>(options.channels * options.height * options.width), rng);
}

/// RealNVP for images (Dinh et al. 2017) on a base of your own: in each level `steps` couplings in turn with the two
/// masks of a checkerboard and those of the upper and the lower pixels of each 2 x 2 block, each with a ChannelActNorm
/// on the data side. Networks see the squeezed images. Throws as `glow`.
template <class S = float, class Base>
Flow<Base, MultiScale<S>> real_nvp_images(const ImageFlowOptions& options, Base base, Rng& rng) {
  detail::check_image_flow("real_nvp_images", options);
  detail::check_base("real_nvp_images", base, options.channels * options.height * options.width);
  auto make = [&](Index channels, Chain<S>& steps) {
    for (Index k = 0; k < options.steps; ++k) {
      steps.append(ChannelCoupling<ImageCouplingNet<S>>(
          detail::image_coupling_net<S>(options, channels, rng), channels,
          {.keep = detail::keep_of_layer(k), .scale = options.scale, .max_log_scale = options.max_log_scale}));
      steps.append(ChannelActNorm<S>(channels));
    }
  };
  return {std::move(base), detail::image_levels<S>(options, SqueezeOrder::checkerboard, make)};
}
/// RealNVP for images on a standard normal base.
template <class S = float>
Flow<Normal<S>, MultiScale<S>> real_nvp_images(const ImageFlowOptions& options, Rng& rng) {
  detail::check_image_flow("real_nvp_images", options);
  return real_nvp_images<S>(options, standard_normal<S>(options.channels * options.height * options.width), rng);
}

}  // namespace pushforward
