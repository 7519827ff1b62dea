// Bodies of series.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/plot/series.hpp>

namespace pushforward::plot::detail {

PUSHFORWARD_ONCE void check_series(const char* operation, const std::vector<Series>& all) {
  std::size_t total = 0;
  for (const Series& series : all) {
    std::size_t bad = 0;
    for (const Point& p : series.points) bad += !(std::isfinite(p.x) && std::isfinite(p.y));
    if (bad)
      fail<ValueError>(operation, ": ", bad, " of ", series.points.size(), " points of '", series.name,
                       "' are not finite; drop them, or find where they come from with NanCheck");
    total += series.points.size();
  }
  if (total == 0) fail<ValueError>(operation, ": there are no points to draw");
}

PUSHFORWARD_ONCE std::pair<Range, Range> extent(const std::vector<Series>& all) {
  Range x{1, -1}, y{1, -1};
  for (const Series& series : all)
    for (const Point& p : series.points) {
      x = x.low > x.high ? Range{p.x, p.x} : Range{std::min(x.low, p.x), std::max(x.high, p.x)};
      y = y.low > y.high ? Range{p.y, p.y} : Range{std::min(y.low, p.y), std::max(y.high, p.y)};
    }
  return {x, y};
}

}  // namespace pushforward::plot::detail
