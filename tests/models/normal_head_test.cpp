#include <pushforward/models/normal_head.hpp>
#include <pushforward/nn/linear.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Tensor;

TEST_CASE("a normal head has one standard deviation for all numbers, which starts as given") {
  pf::Rng rng(1);
  const pf::Mlp<> net({3, 4}, rng);
  const Tensor<> x = pf::normal({5, 3}, rng);
  for (const double std : {5e-5, 0.1, 1.0, 100.0}) {
    const pf::NormalHead head(net, std);
    const auto p = head(x);
    CHECK(p.mean().to_vector() == net(x).to_vector());
    CHECK(p.shape() == pf::Shape{5, 4});
    CHECK(p.std()(2, 1) == Approx(std).epsilon(1e-5));
    // It learns from there.
    CHECK(std::abs(pf::gradient(pf::sum(p.log_prob(net(x))), head.log_std.tensor()).item() + 20) < 1e-4);
  }
}

TEST_CASE("a normal head refuses a start from where it would not learn") {
  pf::Rng rng(2);
  const pf::Mlp<> net({3, 4}, rng);
  for (const double std : {0.0, -1.0, 4.5e-5, 1e-300, double(INFINITY), double(NAN)})
    CHECK_THROWS_AS(pf::NormalHead(net, std), pf::ValueError);
}
