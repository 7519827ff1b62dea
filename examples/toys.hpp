// The toy densities of the examples, their types erased.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <pushforward/data.hpp>

namespace examples {

/// A density of the plane that is known exactly.
struct Toy {
  std::string name;  ///< without commas
  double extent;     ///< of a picture, to each side
  std::function<pushforward::Tensor<>(pushforward::Index, pushforward::Rng&)> sample;
  std::function<pushforward::Tensor<>(const pushforward::Tensor<>&)> log_prob;

  template <class Density>
  Toy(const char* title, double half_width, const Density& density)
      : name(title),
        extent(half_width),
        sample([=](pushforward::Index n, pushforward::Rng& rng) { return density.sample(n, rng); }),
        log_prob([=](const pushforward::Tensor<>& x) { return density.log_prob(x); }) {}
};

inline std::vector<Toy> toys() {
  namespace data = pushforward::data;
  return {{"moons", 4, data::TwoMoons()},
          {"circles", 4, data::Circles()},
          {"gaussians", 4.5, data::EightGaussians()},
          {"grid", 4.5, data::GridGaussians()},
          {"pinwheel", 4, data::Pinwheel()},
          {"spirals", 4, data::TwoSpirals()},
          {"checkerboard", 4.5, data::Checkerboard()}};
}

}  // namespace examples
