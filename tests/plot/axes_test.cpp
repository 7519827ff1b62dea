#include <pushforward/plot/axes.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
namespace plot = pushforward::plot;

namespace {

std::vector<std::string> labels_of(const std::vector<plot::detail::Tick>& ticks) {
  std::vector<std::string> labels;
  for (const auto& tick : ticks) labels.push_back(tick.label + (tick.exponent.empty() ? "" : "^" + tick.exponent));
  return labels;
}

using Labels = std::vector<std::string>;
const std::string minus = "\xe2\x88\x92";

}  // namespace

TEST_CASE("ticks stand at multiples of 1, 2 or 5 times a power of ten") {
  using plot::detail::linear_ticks;
  CHECK(labels_of(linear_ticks({0, 10}, 5)) == Labels{"0", "2", "4", "6", "8", "10"});
  CHECK(labels_of(linear_ticks({-0.11, 0.11}, 5)) == Labels{minus + "0.10", minus + "0.05", "0", "0.05", "0.10"});
  CHECK(labels_of(linear_ticks({1.93, 2.14}, 4)) == Labels{"1.95", "2.00", "2.05", "2.10"});
  CHECK(labels_of(linear_ticks({0, 30000}, 4)) == Labels{"0", "10k", "20k", "30k"});
  CHECK(labels_of(linear_ticks({0, 3e6}, 4)) == Labels{"0", "1M", "2M", "3M"});
  CHECK(labels_of(linear_ticks({0, 4e-6}, 4)) == Labels{"0", "1e-06", "2e-06", "3e-06", "4e-06"});
  for (double width : {1e-7, 0.37, 5.2, 81.0, 12345.0})
    for (double count : {2.0, 5.0, 9.0}) {
      const auto ticks = linear_ticks({3 * width, 4 * width}, count);
      CHECK(ticks.size() >= 1);
      CHECK(static_cast<double>(ticks.size()) <= 1.12 * count + 1);
      for (const auto& tick : ticks)
        CHECK((tick.value >= 3 * width - 1e-9 * width && tick.value <= 4 * width + 1e-9 * width));
    }
}

TEST_CASE("logarithmic ticks stand at powers of ten, closer where there are few") {
  using plot::detail::log_ticks;
  CHECK(labels_of(log_ticks({0.05, 2000}, 6)) == Labels{"0.1", "1", "10", "100", "1000"});
  CHECK(labels_of(log_ticks({1e-7, 1e-5}, 6)) == Labels{"10^" + minus + "7", "10^" + minus + "6", "10^" + minus + "5"});
  CHECK(labels_of(log_ticks({0.9, 11}, 6)) == Labels{"1", "2", "5", "10"});
  CHECK(labels_of(log_ticks({3, 4}, 4)) == labels_of(plot::detail::linear_ticks({3, 4}, 4)));
  CHECK(log_ticks({1e-100, 1e100}, 6).size() <= 8);
}

TEST_CASE("with equal aspect a unit is as long across as up, and all data are in the box") {
  using plot::Range;
  for (const auto& [x, y] : {std::pair<Range, Range>{{-1, 2}, {0, 1}}, {{0, 1}, {-50, 50}}, {{3, 3}, {4, 4}}}) {
    const plot::detail::Axes axes("test", {0, 0, 640, 480}, {.equal = true}, {x, y});
    const plot::Point low = axes.position({x.low, y.low}), high = axes.position({x.low + 1, y.low + 1});
    CHECK(high.x - low.x == Catch::Approx(low.y - high.y).epsilon(0.02));
    for (const plot::Point& p : {axes.position({x.low, y.low}), axes.position({x.high, y.high})}) {
      CHECK((p.x > axes.box().x && p.x < axes.box().right()));
      CHECK((p.y > axes.box().y && p.y < axes.box().bottom()));
    }
    CHECK((axes.box().x > 0 && axes.box().right() < 640 && axes.box().y > 0 && axes.box().bottom() < 480));
  }
}

TEST_CASE("ranges that are given are kept, and the box made to fit") {
  const plot::detail::Axes axes("test", {0, 0, 640, 480}, {.x_range = {-2, 2}, .y_range = {-1, 3}, .equal = true},
                                {{0, 1}, {0, 1}});
  CHECK((axes.x_range().low == -2 && axes.x_range().high == 2 && axes.y_range().low == -1 && axes.y_range().high == 3));
  CHECK(axes.box().width == Catch::Approx(axes.box().height).margin(2));
  const auto make = [](const plot::detail::AxesOptions& options) {
    plot::detail::Axes("test", {0, 0, 64, 48}, options, {{-1, 1}, {0, 1}});
  };
  CHECK_THROWS_AS(make({.x_range = {2, -2}}), pf::ValueError);
  CHECK_THROWS_AS(make({.y_range = {1, 1}}), pf::ValueError);
  CHECK_THROWS_AS(make({.y_range = {0, std::nan("")}}), pf::ValueError);
  CHECK_THROWS_AS(make({.log_x = true}), pf::ValueError);
  CHECK_THROWS_AS(make({.y_range = {-1, 1}, .log_y = true}), pf::ValueError);
  CHECK_NOTHROW(make({}));
}

TEST_CASE("the legend hides as little as it can") {
  using plot::Legend;
  const plot::detail::LegendBox legend({plot::Series("a", std::vector<double>{1})}, 10, true);
  const plot::Rect box{0, 0, 400, 300};
  const auto corner = [&](const std::vector<plot::Point>& points, Legend where = Legend::automatic) {
    const plot::Rect place = legend.place(where, box, points).first;
    return std::pair(place.x > 200, place.y > 150);
  };
  CHECK(corner({}) == std::pair(true, false));
  CHECK(corner({{390, 10}}) == std::pair(false, false));
  CHECK(corner({{390, 10}, {10, 10}}) == std::pair(true, true));
  CHECK(corner({{390, 10}, {10, 10}, {390, 290}}) == std::pair(false, true));
  CHECK(corner({{390, 10}}, Legend::top_right) == std::pair(true, false));
  CHECK(corner({}, Legend::bottom_left) == std::pair(false, true));
  CHECK(legend.place(Legend::outside, box, {}).first.x >= 400);
}
