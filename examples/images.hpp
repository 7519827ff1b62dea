// What the examples on handwritten digits share: MNIST, or digits that the library draws, and black and white pixels.
#pragma once

#include "arguments.hpp"

namespace examples {

/// Images [n, 784] in [0, 1].
struct Images {
  pf::Tensor<> train, test;
  const char* name;  ///< "mnist" or "digits"
};

/// How many images of each kind; 0 takes all of MNIST.
struct ImageCounts {
  pf::Index mnist = 0, digits = 4000, test = 1000;
};

/// MNIST where --data or PUSHFORWARD_DATA names a folder with it, else digits that the library draws.
inline Images load_images(const Arguments& arguments, const ImageCounts& counts, pf::Rng& rng) {
  if (!arguments.data) {
    const pf::Tensor<> drawn = pf::data::digits(counts.digits + counts.test, rng).images;
    return {pf::slice(drawn, 0, 0, counts.digits), pf::slice(drawn, 0, counts.digits, drawn.size(0)), "digits"};
  }
  return {pf::data::load_mnist(*arguments.data, {.limit = counts.mnist}).images,
          pf::data::load_mnist(*arguments.data, {.split = pf::data::Split::test, .limit = counts.test}).images,
          "mnist"};
}

/// An objective on images whose pixels are drawn black or white anew each time (Burda et al. 2016, sec. 5), so that the
/// model never sees the same image twice. An annealed objective stays one.
template <class Objective>
struct Binarized {
  Objective objective;

  template <class Model>
  pf::Tensor<> operator()(const Model& model, const pf::Tensor<>& batch, pf::Rng& rng) const {
    return objective(model, pf::data::binarize(batch, rng), rng);
  }
  auto at(pf::Index step, pf::Index total) const requires requires { objective.at(step, total); }
  { return Binarized<decltype(objective.at(step, total))>{objective.at(step, total)}; }
};
template <class Objective>
Binarized(Objective) -> Binarized<Objective>;

}  // namespace examples
