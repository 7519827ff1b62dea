// Bodies of axes.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/plot/axes.hpp>

namespace pushforward::plot::detail {

PUSHFORWARD_ONCE void fitted_text(Canvas& canvas, const Point& at, const std::string& words, TextStyle style,
                                  double width) {
  const double needed = Canvas::text_width(words, style.size);
  if (needed > width) style.size *= width / needed;
  canvas.text(at, words, style);
}

PUSHFORWARD_ONCE std::string number_label(double value, double step, double largest) {
  if (std::abs(value) < step * 1e-6) return "0";
  const double unit = largest >= 1e6 ? 1e6 : largest >= 1e4 && step >= 1e3 ? 1e3 : 1;
  const char* suffix = unit > 1e3 ? "M" : unit > 1 ? "k" : "";
  char buffer[48];
  if (largest >= 1e10 || largest < 1e-4)
    std::snprintf(buffer, sizeof buffer, "%.3g", std::abs(value));
  else
    std::snprintf(buffer, sizeof buffer, "%.*f%s",
                  std::clamp(static_cast<int>(-std::floor(std::log10(step / unit) + 1e-9)), 0, 8),
                  std::abs(value) / unit, suffix);
  return value < 0 ? std::string("\u2212") + buffer : buffer;
}

PUSHFORWARD_ONCE std::vector<Tick> linear_ticks(const Range& range, double count) {
  const double raw = (range.high - range.low) / std::max(1.0, count), power = std::pow(10, std::floor(std::log10(raw)));
  const double ratio = raw / power, step = power * (ratio <= 1.12 ? 1 : ratio <= 2.24 ? 2 : ratio <= 5.6 ? 5 : 10);
  const double largest = std::max(std::abs(range.low), std::abs(range.high));
  std::vector<Tick> ticks;
  for (double k = std::ceil(range.low / step - 1e-9); k * step <= range.high + step * 1e-9 && ticks.size() < 100; ++k)
    ticks.push_back({k * step, number_label(k * step, step, largest)});
  return ticks;
}

PUSHFORWARD_ONCE std::vector<Tick> log_ticks(const Range& range, double count) {
  const double low = std::log10(range.low), high = std::log10(range.high), decades = high - low;
  std::vector<Tick> ticks;
  const double stride = std::max(1.0, std::ceil(decades / std::max(2.0, count)));
  for (double k = std::floor(low / stride) * stride; k <= high; k += stride)
    for (double m : {1.0, 2.0, 5.0}) {
      const double value = m * std::pow(10, k);
      if ((m > 1 && decades > 1.7) || value < range.low * 0.9999 || value > range.high * 1.0001) continue;
      if (k >= -4 && k <= 4)
        ticks.push_back({value, number_label(value, std::pow(10, std::min(k, 0.0)), 1)});
      else
        ticks.push_back(
            {value, m > 1 ? std::to_string(static_cast<int>(m)) + "\u00d710" : "10", number_label(k, 1, 1)});
    }
  return ticks.size() >= 2 ? ticks : linear_ticks(range, count);
}

PUSHFORWARD_ONCE Axes::Axes(const char* operation, const Rect& cell, const AxesOptions& options,
                            const std::pair<Range, Range>& data, double right)
    : cell_(cell), options_(options), em_(options.font_size) {
  x_ = limits(operation, "x", options.x_range, data.first, options.log_x);
  y_ = limits(operation, "y", options.y_range, data.second, options.log_y);
  const Range x = x_, y = y_;
  const double usual = 1.8 * em_;  // Panels side by side line up when all have room for the usual labels.
  double labels = usual;
  // Labels need room, the room changes the ticks, the ticks the labels: two rounds settle it.
  for (int round = 0; round < 3; ++round) {
    x_ = x, y_ = y;
    lay_out(labels, right);
    labels = usual;
    for (const Tick& tick : y_ticks_) labels = std::max(labels, label_width(tick));
  }
}

PUSHFORWARD_ONCE Point Axes::position(const Point& p) const {
  const auto near = [](double pixels) { return std::clamp(pixels, -1e6, 1e6); };
  return {near(box_.x + fraction(p.x, x_, options_.log_x) * box_.width),
          near(box_.bottom() - fraction(p.y, y_, options_.log_y) * box_.height)};
}

PUSHFORWARD_ONCE void Axes::draw_grid(Canvas& canvas) const {
  if (!options_.decorated) return;
  for (const Tick& tick : x_ticks_) canvas.fill(Rect{std::round(across(tick)), box_.y, 1, box_.height}, grid_line);
  for (const Tick& tick : y_ticks_) canvas.fill(Rect{box_.x, std::round(up(tick)), box_.width, 1}, grid_line);
}

PUSHFORWARD_ONCE void Axes::draw_frame(Canvas& canvas) const {
  const double line = std::max(1.0, std::round(em_ / 16)), mark = std::round(0.32 * em_),
               middle = box_.x + box_.width / 2;
  canvas.frame({box_.x - line, box_.y - line, box_.width + 2 * line, box_.height + 2 * line}, line, frame_line);
  if (!options_.title.empty())
    fitted_text(canvas, {middle, box_.y - 0.6 * em_}, options_.title, centered(1.12 * em_, ink, true),
                cell_.width - 0.4 * em_);
  if (!options_.decorated) return;
  for (const Tick& tick : x_ticks_) {
    canvas.fill(Rect{std::round(across(tick)), box_.bottom() + line, line, mark}, frame_line);
    draw_label(canvas, tick, {across(tick) - label_width(tick) / 2, box_.bottom() + mark + 1.05 * em_});
  }
  for (const Tick& tick : y_ticks_) {
    canvas.fill(Rect{box_.x - line - mark, std::round(up(tick)), mark, line}, frame_line);
    draw_label(canvas, tick, {box_.x - mark - 0.4 * em_ - label_width(tick), up(tick) + 0.32 * em_});
  }
  const double low = box_.bottom() + mark + (decorated_height() - 0.45) * em_;
  if (!options_.x_label.empty())
    fitted_text(canvas, {middle, low}, options_.x_label, centered(em_), cell_.width - 0.4 * em_);
  if (options_.y_label.empty()) return;
  TextStyle style = centered(em_);
  style.upward = true;
  fitted_text(canvas, {cell_.x + std::max(0.0, box_.x - cell_.x - left_) + 1.1 * em_, box_.y + box_.height / 2},
              options_.y_label, style, box_.height);
}

PUSHFORWARD_ONCE double Axes::fraction(double value, const Range& range, bool log) {
  return log ? std::log(value / range.low) / std::log(range.high / range.low)
             : (value - range.low) / (range.high - range.low);
}

PUSHFORWARD_ONCE Range Axes::limits(const char* operation, const char* axis, Range asked, Range data, bool log) const {
  if (!asked.automatic() && !(asked.low < asked.high && std::isfinite(asked.high - asked.low)))
    fail<ValueError>(operation, ": the ", axis, " range is ", asked.low, " to ", asked.high,
                     ", expected a low end below a finite high end");
  const double least = asked.automatic() ? data.low : std::min(data.low, asked.low);
  if (log && least <= 0)
    fail<ValueError>(operation, ": a logarithmic ", axis, " axis got ", least,
                     ", expected positive numbers only; turn the logarithm off");
  if (!asked.automatic()) return asked;
  if (!std::isfinite(2 * (data.high - data.low)))
    fail<ValueError>(operation, ": the ", axis, " data span too much to draw; set the range");
  if (log) {
    const double factor = std::max(1.02, std::pow(data.high / data.low, options_.margin));
    return {data.low / factor, data.high * factor};
  }
  double span = data.high - data.low;
  if (span <= 1e-9 * std::max(std::abs(data.low), std::abs(data.high))) span = 0;
  const double extra = span > 0 ? options_.margin * span : std::max(0.5, 0.1 * std::abs(data.low));
  return {data.low - extra, data.high + extra};
}

PUSHFORWARD_ONCE void Axes::lay_out(double labels, double right) {
  const double mark = std::round(0.32 * em_), line = std::max(1.0, std::round(em_ / 16));
  const double top = options_.title.empty() ? 0.7 * em_ : 1.95 * em_;
  const double bottom = options_.decorated ? mark + decorated_height() * em_ : 0.25 * em_;
  left_ = options_.decorated ? mark + labels + 0.7 * em_ + (options_.y_label.empty() ? 0 : 1.4 * em_) : 0.25 * em_;
  box_ = cell_.inset(left_, options_.decorated || !options_.title.empty() ? top : 0.25 * em_,
                     right + (options_.decorated ? 0.9 : 0.25) * em_, bottom);
  if (options_.equal) equalize();
  const double end = std::round(box_.right()), base = std::round(box_.bottom());
  box_.x = std::round(box_.x) + line;
  box_.y = std::round(box_.y) + line;
  box_.width = std::max(1.0, end - box_.x - line);
  box_.height = std::max(1.0, base - box_.y - line);
  x_ticks_ = (options_.log_x ? log_ticks : linear_ticks)(x_, std::max(2.0, box_.width / (4.2 * em_)));
  y_ticks_ = (options_.log_y ? log_ticks : linear_ticks)(y_, std::max(2.0, box_.height / (3.0 * em_)));
}

PUSHFORWARD_ONCE void Axes::equalize() {
  const double scale = std::min(box_.width / (x_.high - x_.low), box_.height / (y_.high - y_.low));
  const auto grow = [scale](Range& range, double pixels) {
    const double middle = (range.low + range.high) / 2, half = pixels / scale / 2;
    range = {middle - half, middle + half};
  };
  const double width = scale * (x_.high - x_.low), height = scale * (y_.high - y_.low);
  if (options_.x_range.automatic())
    grow(x_, box_.width);
  else
    box_.x += (box_.width - width) / 2, box_.width = width;
  if (options_.y_range.automatic())
    grow(y_, box_.height);
  else
    box_.y += (box_.height - height) / 2, box_.height = height;
}

PUSHFORWARD_ONCE double Axes::label_width(const Tick& tick) const {
  return Canvas::text_width(tick.label, 0.9 * em_) +
         (tick.exponent.empty() ? 0 : Canvas::text_width(tick.exponent, 0.65 * em_) + 0.05 * em_);
}

PUSHFORWARD_ONCE void Axes::draw_label(Canvas& canvas, const Tick& tick, const Point& at) const {
  canvas.text(at, tick.label, {.size = 0.9 * em_, .color = muted});
  if (!tick.exponent.empty())
    canvas.text({at.x + Canvas::text_width(tick.label, 0.9 * em_) + 0.1 * em_, at.y - 0.4 * em_}, tick.exponent,
                {.size = 0.65 * em_, .color = muted});
}

PUSHFORWARD_ONCE LegendBox::LegendBox(const std::vector<Series>& all, double em, bool lines) : em_(em), lines_(lines) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].name.empty()) continue;
    entries_.push_back({all[i].name, series_color(all, i)});
    width_ = std::max(width_, Canvas::text_width(all[i].name, em));
  }
  width_ += (lines ? 3.1 : 2.2) * em;
}

PUSHFORWARD_ONCE std::pair<Rect, std::size_t> LegendBox::place(Legend where, const Rect& box,
                                                               const std::vector<Point>& positions) const {
  const double gap = 0.5 * em_, height = (1.4 * static_cast<double>(entries_.size()) + 0.5) * em_;
  if (where == Legend::outside) return {{box.right() + gap, box.y, width_, height}, 0};
  const double left = box.x + gap, right = box.right() - gap - width_, top = box.y + gap,
               bottom = box.bottom() - gap - height;
  const std::array<Rect, 4> corners = {{{right, top, width_, height},
                                        {left, top, width_, height},
                                        {right, bottom, width_, height},
                                        {left, bottom, width_, height}}};
  std::pair<Rect, std::size_t> best{corners[0], positions.size() + 1};
  for (std::size_t i = 0; i < 4; ++i) {
    if (where != Legend::automatic && static_cast<std::size_t>(where) != i + 1) continue;
    std::size_t hidden = 0;
    for (const Point& p : positions)
      hidden += p.x > corners[i].x - gap && p.x < corners[i].right() + gap && p.y > corners[i].y - gap &&
                p.y < corners[i].bottom() + gap;
    if (hidden < best.second) best = {corners[i], hidden};
  }
  return best;
}

PUSHFORWARD_ONCE void LegendBox::draw(Canvas& canvas, const Rect& place) const {
  canvas.fill(place, white, 0.86);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const double y = place.y + (1.4 * static_cast<double>(i) + 0.95) * em_, mark = lines_ ? 1.8 * em_ : 0.9 * em_;
    if (lines_)
      canvas.line({place.x + 0.5 * em_, y}, {place.x + mark, y}, 0.18 * em_, entries_[i].second);
    else
      canvas.disc({place.x + mark, y}, 0.32 * em_, entries_[i].second);
    canvas.text({place.x + mark + 0.75 * em_, y + 0.35 * em_}, entries_[i].first, {.size = em_});
  }
}

}  // namespace pushforward::plot::detail
