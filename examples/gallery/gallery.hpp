// What the families of the gallery share: the data sets, how long to train, and what each family hands back.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <pushforward/pushforward.hpp>

namespace gallery {

namespace pf = pushforward;

/// A function of points [n, 2] that gives log-densities [n].
using LogDensity = std::function<pf::Tensor<>(const pf::Tensor<>&)>;

/// A density of the plane that is known exactly, and what is drawn from it.
struct Plane {
  std::string name;
  double extent;                        ///< of the picture, to each side
  pf::Tensor<> train, test, reference;  ///< [n, 2]; the last is what real data would score
  pf::Tensor<> modes = {};              ///< [k, 2], where there are some
  double radius = 0;                    ///< of a mode
  LogDensity log_prob = {};             ///< the truth
};

/// Handwritten digits, [n, 784] in [0, 1].
struct Digits {
  pf::Tensor<> train, test;
};

/// How long everything may take.
struct Budget {
  bool quick;
  double share;  ///< of the usual training, 1 by default

  pf::Index epochs(double in_quick, double in_full) const {
    return std::max<pf::Index>(1, std::lround(share * (quick ? in_quick : in_full)));
  }
  pf::Index pick(pf::Index in_quick, pf::Index in_full) const { return quick ? in_quick : in_full; }
  /// How every family trains, but for what it sets itself.
  pf::FitOptions training(pf::Index epochs, double learning_rate, pf::Index batch_size = 256) const {
    return {.epochs = epochs,
            .batch_size = batch_size,
            .optimizer = pf::Adam({.learning_rate = learning_rate}),
            .schedule = pf::cosine_decay(),
            .ema_decay = quick ? 0.99 : 0.999,
            .progress = pf::Progress::off};
  }
};

/// What a family made of a data set.
struct Panel {
  pf::Evaluation figures;
  pf::Tensor<> draws;           ///< [n, 2], or [n, 784]
  LogDensity log_density = {};  ///< none for families without one
};

/// Evaluates a trained model of the plane, of any family, and keeps what the picture needs.
template <class Model>
Panel show(Model model, const Plane& plane, const Budget& budget, double train_seconds, pf::Rng& rng) {
  auto kept = std::make_shared<const Model>(std::move(model));
  Panel panel;
  panel.figures = pf::evaluate(*kept, plane.test,
                               {.reference = plane.reference,
                                .true_logs = plane.log_prob(plane.test),
                                .modes = plane.modes,
                                .radius = plane.radius,
                                .scored = budget.pick(2000, 5000),
                                .mmd_rows = budget.pick(1000, 2000),
                                .sliced = {.projections = budget.pick(64, 128)},
                                .train_seconds = train_seconds},
                               rng);
  panel.draws = kept->sample(1000, rng);
  if constexpr (pf::HasLikelihood<Model>)
    panel.log_density = [kept, rng](const pf::Tensor<>& x) {
      pf::Rng same = rng;
      return pf::log_likelihood(*kept, x, same).value;
    };
  return panel;
}

/// Evaluates a trained model of digits: no density, as the families score different things (grey or black and white).
/// `drawn` are the images to show, if not draws.
template <class Model>
Panel show(const Model& model, const Digits& digits, double train_seconds, pf::Rng& rng, pf::Tensor<> drawn = {}) {
  struct Sampler {
    const Model& model;
    pf::Tensor<> sample(pf::Index n, pf::Rng& random) const { return model.sample(n, random); }
  };
  Panel panel;
  panel.figures =
      pf::evaluate(Sampler{model}, digits.test, {.draws = 1000, .mmd_rows = 500, .train_seconds = train_seconds}, rng);
  panel.draws = drawn.empty() ? model.sample(16, rng) : drawn;
  return panel;
}

using OnPlane = Panel(const Plane&, const Budget&, pf::Rng&);
using OnDigits = Panel(const Digits&, const Budget&, pf::Rng&);

// One file each.
OnPlane real_nvp, spline_flow, autoregressive, vae, gan, diffusion, annealed_score, flow_matching, continuous_flow,
    energy;
OnDigits autoregressive_digits, vae_digits, gan_digits, diffusion_digits;

}  // namespace gallery
