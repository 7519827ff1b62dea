// Bodies of figure.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/plot/figure.hpp>

namespace pushforward::plot {

PUSHFORWARD_ONCE Figure::Figure(const FigureOptions& options)
    : options_(checked(options)), canvas_(width(options_), height(options_)) {
  const auto across = static_cast<double>(canvas_.width()), down = static_cast<double>(canvas_.height());
  const double columns = static_cast<double>(options_.columns), rows = static_cast<double>(options_.rows);
  em_ = detail::font_size_of(options_.font_size, across / columns, down / rows);
  const double left = options_.row_titles.empty() ? 0.3 * em_ : 2.1 * em_;
  const double title = options_.title.empty() ? 0 : 2.7 * em_,
               heading = options_.column_titles.empty() ? 0.3 * em_ : 2.2 * em_;
  area_ = Rect{0, 0, across, down}.inset(left, title + heading, 0.3 * em_, 0.3 * em_);
  if (title > 0)
    detail::fitted_text(canvas_, {across / 2, 1.95 * em_}, options_.title, detail::centered(1.5 * em_, ink, true),
                        across - em_);
  for (std::size_t i = 0; i < options_.column_titles.size(); ++i) {
    const Rect cell = panel(0, static_cast<Index>(i));
    detail::fitted_text(canvas_, {cell.x + cell.width / 2, area_.y - 0.55 * em_}, options_.column_titles[i],
                        detail::centered(1.2 * em_, ink, true), cell.width);
  }
  for (std::size_t i = 0; i < options_.row_titles.size(); ++i) {
    const Rect cell = panel(static_cast<Index>(i), 0);
    TextStyle style = detail::centered(1.2 * em_, ink, true);
    style.upward = true;
    detail::fitted_text(canvas_, {1.5 * em_, cell.y + cell.height / 2}, options_.row_titles[i], style, cell.height);
  }
}

PUSHFORWARD_ONCE void Figure::text(Index row, Index column, std::string_view words, const TextStyle& style) {
  const Rect cell = panel(row, column);
  TextStyle line = style;
  line.size = size_of(style.size);
  const auto lines = static_cast<double>(std::count(words.begin(), words.end(), '\n') + 1);
  double y = cell.y + (cell.height - 1.5 * line.size * lines) / 2 + 1.05 * line.size;
  const double x = line.align == Align::left    ? cell.x + em_
                   : line.align == Align::right ? cell.right() - em_
                                                : cell.x + cell.width / 2;
  for (bool more = true; more; y += 1.5 * line.size) {
    const std::size_t end = words.find('\n');
    detail::fitted_text(canvas_, {x, y}, std::string(words.substr(0, end)), line, cell.width - 2 * em_);
    more = end != std::string_view::npos;
    if (more) words.remove_prefix(end + 1);
  }
}

PUSHFORWARD_ONCE Rect Figure::panel(Index row, Index column) const {
  if (row < 0 || row >= options_.rows || column < 0 || column >= options_.columns)
    fail<IndexError>("Figure: there is no panel at row ", row, ", column ", column, " of ", options_.rows, " x ",
                     options_.columns);
  const double gap = options_.gap * em_, columns = static_cast<double>(options_.columns),
               rows = static_cast<double>(options_.rows);
  const double width = (area_.width - gap * (columns - 1)) / columns, height = (area_.height - gap * (rows - 1)) / rows;
  return {area_.x + static_cast<double>(column) * (width + gap), area_.y + static_cast<double>(row) * (height + gap),
          width, height};
}

PUSHFORWARD_ONCE const FigureOptions& Figure::checked(const FigureOptions& o) {
  const auto fits = [](const std::vector<std::string>& titles, Index count) {
    return titles.empty() || static_cast<Index>(titles.size()) == count;
  };
  if (o.rows < 1 || o.columns < 1 || o.rows > 100 || o.columns > 100)
    fail<ValueError>("Figure: got ", o.rows, " x ", o.columns, " panels, expected 1 to 100 rows and columns");
  if (!fits(o.row_titles, o.rows) || !fits(o.column_titles, o.columns))
    fail<ValueError>("Figure: got ", o.row_titles.size(), " row titles and ", o.column_titles.size(),
                     " column titles for ", o.rows, " x ", o.columns, " panels, expected one for each or none");
  return o;
}

PUSHFORWARD_ONCE Index Figure::height(const FigureOptions& o) {
  const Index panel = width(o) / o.columns;
  return o.height > 0 ? o.height : panel * o.rows + (o.title.empty() ? 0 : 40) + (o.column_titles.empty() ? 0 : 32);
}

}  // namespace pushforward::plot
