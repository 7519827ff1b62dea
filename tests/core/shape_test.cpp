#include <pushforward/core/shape.hpp>

#include <limits>
#include <string>
#include <vector>

#include "support/catch.hpp"

using pushforward::Index;
using pushforward::IndexError;
using pushforward::Shape;
using pushforward::ShapeError;

namespace {

constexpr Index largest = std::numeric_limits<Index>::max();

template <class E, class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("a shape knows its axes, from either end") {
  const Shape s{2, 3, 5};
  CHECK(s.rank() == 3);
  CHECK(s.size() == 30);
  CHECK(s[0] == 2);
  CHECK(s[-1] == 5);
  CHECK(s.axis(-3) == 0);
  CHECK(s.product(0, 2) == 6);
  CHECK(s.product(1, 1) == 1);
  CHECK(s.str() == "[2, 3, 5]");
  CHECK(std::vector<Index>(s.begin(), s.end()) == std::vector<Index>{2, 3, 5});
  CHECK(Shape{}.size() == 1);
  CHECK(Shape{}.str() == "[]");
  CHECK(Shape{4, 0, 7}.size() == 0);
}

TEST_CASE("shapes are equal when rank and lengths are") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK(!(Shape{2, 3} == Shape{2, 3, 1}));
  CHECK(!(Shape{2, 3} == Shape{3, 2}));
  CHECK(Shape{} == Shape{});
  CHECK(!(Shape{0} == Shape{}));
}

TEST_CASE("axes are changed, dropped and inserted into copies") {
  const Shape s{2, 3, 5};
  CHECK(s.with(-1, 7) == Shape{2, 3, 7});
  CHECK(s.without(1) == Shape{2, 5});
  CHECK(s.without(-1) == Shape{2, 3});
  CHECK(s.inserted(0, 4) == Shape{4, 2, 3, 5});
  CHECK(s.inserted(3, 4) == Shape{2, 3, 5, 4});
  CHECK(s == Shape{2, 3, 5});
}

TEST_CASE("shapes that cannot be are refused in a sentence") {
  CHECK(message_of<ShapeError>([] { Shape{1, 2, 3, 4, 5, 6, 7}; }) ==
        "Shape: got 7 axes, expected at most 6; reshape to fewer");
  CHECK(message_of<ShapeError>([] { Shape{2, -1}; }) == "Shape: axis 1 of [2, -1] is negative, expected 0 or more");
  CHECK(message_of<IndexError>([] {
          Shape{2, 3}[2];
        }) == "Shape: axis 2 does not exist in shape [2, 3], expected -2 to 1");
  CHECK(message_of<IndexError>([] {
          Shape{2, 3}.axis(-3, "sum");
        }) == "sum: axis -3 does not exist in shape [2, 3], expected -2 to 1");
  CHECK(message_of<IndexError>([] { Shape{}[0]; }) ==
        "Shape: axis 0 does not exist in shape [], expected a shape with axes");
  CHECK_THROWS_AS((Shape{2}.with(0, -1)), ShapeError);
  CHECK_THROWS_AS((Shape{2}.with(1, 1)), IndexError);
  CHECK_THROWS_AS((Shape{2}.without(1)), IndexError);
  CHECK_THROWS_AS((Shape{2}.inserted(2, 1)), IndexError);
  CHECK_THROWS_AS((Shape{2}.inserted(-1, 1)), IndexError);
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1}.inserted(0, 1)), ShapeError);
}

TEST_CASE("more elements than an Index can count are refused, an axis of length 0 notwithstanding") {
  CHECK(Shape{largest}.size() == largest);
  CHECK_THROWS_AS((Shape{largest, 2}), ShapeError);
  CHECK_THROWS_AS((Shape{Index{1} << 32, Index{1} << 31}), ShapeError);
  CHECK_THROWS_AS((Shape{largest, 0, 2}), ShapeError);  // its axes may be multiplied in any order
  CHECK_THROWS_AS((Shape{largest, 1}.with(1, 2)), ShapeError);
  CHECK_THROWS_AS((Shape{largest}.inserted(0, 2)), ShapeError);
}

TEST_CASE("shapes broadcast by NumPy's rules") {
  using pushforward::broadcast;
  CHECK(broadcast(Shape{2, 3}, Shape{3}) == Shape{2, 3});
  CHECK(broadcast(Shape{3}, Shape{2, 1}) == Shape{2, 3});
  CHECK(broadcast(Shape{}, Shape{4}) == Shape{4});
  CHECK(broadcast(Shape{1}, Shape{0}) == Shape{0});
  CHECK(broadcast(Shape{0, 1}, Shape{5}) == Shape{0, 5});
  CHECK(broadcast(Shape{2, 1, 4}, Shape{3, 1}) == Shape{2, 3, 4});
  CHECK(message_of<ShapeError>([] {
          broadcast(Shape{2, 3}, Shape{2}, "add");
        }) ==
        "add: shapes [2, 3] and [2] do not broadcast: matched from the last axis, lengths must be equal or 1, but 3 "
        "meets 2");
  CHECK_THROWS_AS(broadcast(Shape{0}, Shape{2}), ShapeError);
  CHECK_THROWS_AS(broadcast(Shape{largest, 1}, Shape{1, 2}), ShapeError);
}
