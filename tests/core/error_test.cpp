#include <pushforward/core/error.hpp>

#include <cmath>
#include <string>

#include <pushforward/core/shape.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;

TEST_CASE("a message is its parts side by side: text, numbers, and what has a str()") {
  const std::string name = "sum";
  try {
    pf::fail<pf::ShapeError>(name, ": ", 3, " of ", std::size_t{4}, ' ', pf::Shape{2, 3}, ", ", 0.5, ", ", -1e20f, ", ",
                             -7L);
  } catch (const pf::Error& error) {
    CHECK(std::string(error.what()) == "sum: 3 of 4 [2, 3], 0.5, -1.00000002e+20, -7");
  }
}

TEST_CASE("a NaN is written without its sign, which says nothing") {
  for (const double nan : {std::nan(""), -std::nan("")}) CHECK(pf::detail::concatenate("x is ", nan) == "x is nan");
  CHECK(pf::detail::concatenate(-INFINITY) == "-inf");
}

TEST_CASE("every exception is an Error, and a runtime_error") {
  CHECK_THROWS_AS(pf::fail<pf::ShapeError>("x"), pf::Error);
  CHECK_THROWS_AS(pf::fail<pf::ValueError>("x"), pf::Error);
  CHECK_THROWS_AS(pf::fail<pf::IndexError>("x"), pf::Error);
  CHECK_THROWS_AS(pf::fail<pf::IoError>("x"), pf::Error);
  CHECK_THROWS_AS(pf::fail<pf::GradientError>("x"), pf::Error);
  CHECK_THROWS_AS(pf::fail<pf::Error>("x"), std::runtime_error);
}
