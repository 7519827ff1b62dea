// Learning-rate schedules against their formulas.
#include <cmath>

#include <pushforward/training/schedules.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;

TEST_CASE("constant and step decay") {
  CHECK(pf::Schedule()(17) == 1.0);
  CHECK(pf::constant_rate(0.5)(17) == 0.5);
  const auto drop = pf::step_decay({.every = 10, .factor = 0.5});
  CHECK(drop(0) == 1.0);
  CHECK(drop(9) == 1.0);
  CHECK(drop(10) == 0.5);
  CHECK(drop(39) == 0.125);
  CHECK_THROWS_AS(pf::step_decay({.every = 0}), pf::ValueError);
}

TEST_CASE("cosine decay follows equation 5 of SGDR and stays at its end") {
  const auto cosine = pf::cosine_decay({.steps = 100, .final_factor = 0.1});
  for (pf::Index step : {0, 13, 50, 99})
    CHECK(cosine(step) == Approx(0.1 + 0.45 * (1 + std::cos(std::acos(-1.0) * static_cast<double>(step) / 100))));
  CHECK(cosine(100) == Approx(0.1));
  CHECK(cosine(1000) == Approx(0.1));
  CHECK(pf::cosine_decay()(50, 200) == Approx(0.5 * (1 + std::cos(std::acos(-1.0) / 4))));
  CHECK_THROWS_AS(pf::cosine_decay()(50), pf::ValueError);
}

TEST_CASE("warm-up rises in equal parts to the schedule it wraps") {
  const auto warm = pf::warm_up(4, pf::cosine_decay());
  for (pf::Index step = 0; step < 4; ++step) CHECK(warm(step, 104) == Approx(static_cast<double>(step + 1) / 5));
  CHECK(warm(4, 104) == Approx(1.0));
  CHECK(warm(54, 104) == Approx(0.5));
  CHECK(warm(104, 104) == Approx(0.0).margin(1e-12));
  CHECK(pf::warm_up(0)(0) == 1.0);
  CHECK_THROWS_AS(pf::warm_up(-1), pf::ValueError);
}

TEST_CASE("one cycle rises to 1 at its peak and falls to its end") {
  const auto cycle = pf::one_cycle({.steps = 100, .peak_at = 0.25, .first_factor = 0.04, .final_factor = 0.001});
  CHECK(cycle(0) == Approx(0.04));
  CHECK(cycle(25) == Approx(1.0));
  CHECK(cycle(100) == Approx(0.001));
  for (pf::Index step = 0; step < 25; ++step) CHECK(cycle(step) < cycle(step + 1));
  for (pf::Index step = 25; step < 100; ++step) CHECK(cycle(step) > cycle(step + 1));
  CHECK_THROWS_AS(pf::one_cycle({.peak_at = 1}), pf::ValueError);
}

TEST_CASE("any callable is a schedule") {
  const pf::Schedule linear = [](pf::Index step, pf::Index total) {
    return 1.0 - static_cast<double>(step) / static_cast<double>(total);
  };
  CHECK(linear(25, 100) == 0.75);
  const pf::Schedule half = [](pf::Index step) { return step < 10 ? 1 : 0; };
  CHECK(half(10) == 0.0);
}
