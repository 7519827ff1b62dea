// Bodies of check_rsample.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/testing/check_rsample.hpp>

namespace pushforward::testing::detail {

PUSHFORWARD_ONCE Disagreement disagreement(const std::vector<double>& differences) {
  const auto n = static_cast<double>(differences.size());
  Disagreement result;
  double squares = 0;
  for (double d : differences) result.mean += d / n;
  for (double d : differences) squares += (d - result.mean) * (d - result.mean);
  result.error = std::sqrt(squares / (n - 1) / n);
  return result;
}

PUSHFORWARD_ONCE void check_parameter_gradient(int function, std::size_t parameter, const std::string& element,
                                               const std::vector<double>& pathwise, const std::vector<double>& by_score,
                                               double sigmas) {
  std::vector<double> differences;
  for (std::size_t i = 0; i < pathwise.size(); ++i) differences.push_back(pathwise[i] - by_score[i]);
  const Disagreement found = disagreement(differences), path = disagreement(pathwise), score = disagreement(by_score);
  if (std::abs(found.mean) <= sigmas * found.error + 1e-12) return;  // false for NaN
  fail<CheckFailed>("check_rsample: parameter ", parameter, ", element ", element, ", test function ", function,
                    ": the gradient through rsample is ", path.mean, ", by the score function ", score.mean,
                    "; they differ by ", found.mean, " with a standard error of ", found.error, ", allowed ", sigmas,
                    " of those. Either rsample is not differentiated right, or it does not draw from log_prob");
}

}  // namespace pushforward::testing::detail
