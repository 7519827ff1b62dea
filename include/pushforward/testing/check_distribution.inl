// Bodies of check_distribution.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/testing/check_distribution.hpp>

namespace pushforward::testing::detail {

PUSHFORWARD_ONCE std::vector<double> quantile_knots(std::vector<double> draws, int middle) {
  std::sort(draws.begin(), draws.end());
  const auto n = draws.size();
  std::vector<std::size_t> ranks;
  for (std::size_t rank = 1; rank < n / static_cast<std::size_t>(middle); rank *= 2)
    ranks.push_back(rank - 1), ranks.push_back(n - rank);
  for (int i = 1; i < middle; ++i) ranks.push_back(n * static_cast<std::size_t>(i) / static_cast<std::size_t>(middle));
  std::vector<double> knots;
  for (std::size_t rank : ranks) knots.push_back(draws[rank]);
  const double low = draws.front(), high = draws.back();
  const double below = std::max(draws[n / 10] - low, 1e-3 * (high - low)),
               above = std::max(high - draws[n - 1 - n / 10], 1e-3 * (high - low));
  for (double reach : {0.25, 1.0}) knots.push_back(low - reach * below), knots.push_back(high + reach * above);
  std::sort(knots.begin(), knots.end());
  knots.erase(std::unique(knots.begin(), knots.end()), knots.end());
  return knots;
}

PUSHFORWARD_ONCE std::vector<double> integer_knots(const std::vector<double>& draws) {
  const auto [low, high] = std::minmax_element(draws.begin(), draws.end());
  const double reach = std::ceil(0.5 * (*high - *low)) + 1;
  std::vector<double> knots;
  for (double x = *low - reach; x <= *high + reach + 1; x += 1) knots.push_back(x - 0.5);
  return knots;
}

PUSHFORWARD_ONCE Rule::Rule(const std::vector<double>& knots, int count, bool discrete) : parts(discrete ? 1 : count) {
  for (std::size_t i = 0; i + 1 < knots.size(); ++i)
    for (int k = 0; k < parts; ++k) {
      const double width = (knots[i + 1] - knots[i]) / parts;
      points.push_back(knots[i] + (k + 0.5) * width);
      weights.push_back(discrete ? 1.0 : width);
    }
}

PUSHFORWARD_ONCE void check_total(double total, Index k, double tolerance) {
  if (!(std::abs(total - 1) <= tolerance))
    fail<CheckFailed>("check_distribution: the density number ", k, " of the batch integrates to ", total,
                      ", expected 1 within ", tolerance);
}

PUSHFORWARD_ONCE void check_cdf(const char* method, std::vector<double> draws, const std::vector<double>& knots,
                                const std::vector<double>& masses, double tolerance) {
  std::sort(draws.begin(), draws.end());
  const auto n = static_cast<double>(draws.size());
  const double allowed = kolmogorov_critical / std::sqrt(n) + tolerance;
  double mass = 0;
  for (std::size_t i = 0; i + 1 < knots.size(); ++i) {
    mass += masses[i];
    const double share =
        static_cast<double>(std::lower_bound(draws.begin(), draws.end(), knots[i + 1]) - draws.begin()) / n;
    if (!(std::abs(share - mass) <= allowed))
      fail<CheckFailed>("check_distribution: of the draws of ", method, " a share of ", share, " is below ",
                        knots[i + 1], ", but the density has a mass of ", mass, " there; they differ by more than ",
                        allowed);
  }
}

PUSHFORWARD_ONCE void check_average(const char* what, const std::vector<double>& stated,
                                    const std::vector<std::vector<double>>& observed, double sigmas) {
  if (stated.size() != observed.size())
    fail<CheckFailed>("check_distribution: ", what, " has ", stated.size(), " numbers, expected ", observed.size());
  for (std::size_t i = 0; i < stated.size(); ++i) {
    if (!std::isfinite(stated[i])) continue;  // a moment that does not exist
    const auto n = static_cast<double>(observed[i].size());
    double average = 0, squares = 0;
    for (double x : observed[i]) average += x / n;
    for (double x : observed[i]) squares += (x - average) * (x - average) / n;
    const double allowed = sigmas * std::sqrt(squares / n) + 1e-5 * std::max(1.0, std::abs(average));
    if (!(std::abs(stated[i] - average) <= allowed))
      fail<CheckFailed>("check_distribution: ", what, " number ", i, " is ", stated[i], ", but samples give ", average,
                        "; they differ by more than ", allowed, " (", sigmas, " standard errors)");
  }
}

}  // namespace pushforward::testing::detail
