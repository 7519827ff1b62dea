// Spectral norms of normalized weights by the singular value decomposition.
#pragma once

#include <vector>

#include <Eigen/SVD>

#include <pushforward/nn/spectral_norm.hpp>

#include "support/catch.hpp"

namespace support {

// The largest singular value of each weight of a SpectralMlp, as the network uses it.
template <class S>
std::vector<double> spectral_norms(const pushforward::SpectralMlp<S>& net) {
  std::vector<double> found;
  for (const auto& layer : net.layers) {
    const Eigen::MatrixXd w = layer.weight().matrix().template cast<double>();
    found.push_back(Eigen::JacobiSVD<Eigen::MatrixXd>(w).singularValues()(0));
  }
  return found;
}

// In evaluation they are 1: at most, so that the network is Lipschitz, and at least, so that it is no smaller.
template <class S>
void expect_spectral_norms_of_one(const pushforward::SpectralMlp<S>& net) {
  for (const double norm : spectral_norms(net)) {
    CHECK(norm <= 1 + 1e-3);
    CHECK(norm >= 1 - 1e-5);
  }
}

}  // namespace support
