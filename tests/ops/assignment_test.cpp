#include <algorithm>
#include <numeric>

#include <pushforward/ops/assignment.hpp>

#include "support/reference.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

double total(const Tensor<double>& cost, const std::vector<Index>& columns) {
  double sum = 0;
  for (std::size_t i = 0; i < columns.size(); ++i) sum += cost(static_cast<Index>(i), columns[i]);
  return sum;
}

bool is_permutation(std::vector<Index> columns) {
  std::sort(columns.begin(), columns.end());
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i] != static_cast<Index>(i)) return false;
  return true;
}

double least_by_trying_all(const Tensor<double>& cost) {
  std::vector<Index> columns(static_cast<std::size_t>(cost.size(0)));
  std::iota(columns.begin(), columns.end(), Index{0});
  double least = total(cost, columns);
  while (std::next_permutation(columns.begin(), columns.end())) least = std::min(least, total(cost, columns));
  return least;
}

}  // namespace

TEST_CASE("an assignment costs as little as the best of all permutations") {
  support::Dice dice(1);
  for (int trial = 0; trial < 600; ++trial) {
    const Index n = dice.integer(1, 7);
    const bool ties = trial % 3 == 0;
    const auto cost = Tensor<double>::generate(
        {n, n}, [&](Index) { return ties ? static_cast<double>(dice.integer(-1, 2)) : dice.uniform(-5, 5); });
    const std::vector<Index> found = pf::assignment(cost).to_vector();
    REQUIRE(is_permutation(found));
    CHECK(total(cost, found) == Approx(least_by_trying_all(cost)).margin(1e-12));
  }
}

TEST_CASE("on the line, squared distances are least when both sides are sorted") {
  support::Dice dice(2);
  for (const Index n : {10, 100, 300}) {
    auto x = dice.tensor<float>({n}).to_vector(), y = dice.tensor<float>({n}, -3, 1).to_vector();
    const auto cost = Tensor<double>::generate({n, n}, [&](Index k) {
      const double gap = static_cast<double>(x[static_cast<std::size_t>(k / n)]) - y[static_cast<std::size_t>(k % n)];
      return gap * gap;
    });
    const double found = total(cost, pf::assignment(cost).to_vector());
    std::sort(x.begin(), x.end()), std::sort(y.begin(), y.end());
    double sorted = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sorted += std::pow(static_cast<double>(x[i]) - y[i], 2);
    CHECK(found == Approx(sorted).epsilon(1e-12));
  }
}

TEST_CASE("a hidden permutation is found among large costs, and ties everywhere are no trouble") {
  support::Dice dice(3);
  const Index n = 200;
  std::vector<Index> hidden(n);
  std::iota(hidden.begin(), hidden.end(), Index{0});
  for (Index i = n - 1; i > 0; --i)
    std::swap(hidden[static_cast<std::size_t>(i)], hidden[static_cast<std::size_t>(dice.integer(0, i))]);
  const auto cost = Tensor<float>::generate({n, n}, [&](Index k) {
    return hidden[static_cast<std::size_t>(k / n)] == k % n ? 0.0f : static_cast<float>(dice.uniform(0.01, 1e6));
  });
  CHECK(pf::assignment(cost).to_vector() == hidden);
  CHECK(is_permutation(pf::assignment(Tensor<float>::ones({n, n})).to_vector()));
}

TEST_CASE("assignments of nothing and of one row, and what is refused") {
  CHECK(pf::assignment(Tensor<>::zeros({0, 0})).size() == 0);
  CHECK(pf::assignment(Tensor<>::full({1, 1}, 5)).item() == 0);
  CHECK_THROWS_AS(pf::assignment(Tensor<>::zeros({2, 3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::assignment(Tensor<>::zeros({4})), pf::ShapeError);
  CHECK_THROWS_AS(pf::assignment(Tensor<>({2, 2}, {0, NAN, 1, 2})), pf::ValueError);
  CHECK_THROWS_AS(pf::assignment(Tensor<>({2, 2}, {0, INFINITY, 1, 2})), pf::ValueError);
}
