// evaluate(): one row of figures for a model of any family, and the table of several rows.
#pragma once

#include <chrono>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>

#include <pushforward/io/file.hpp>
#include <pushforward/metrics/samples.hpp>
#include <pushforward/models/concepts.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

/// What one call of a function takes, in seconds: `double seconds = timed([&] { fit(...); });`
template <class F>
double timed(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// How a model is evaluated. Everything may be left out.
template <class S = float>
struct EvaluateOptions {
  std::string name = {};     ///< of the model, for tables
  Tensor<S> reference = {};  ///< a second held-out set [m, d]; without one the held-out data is split in two
  Tensor<S> true_logs = {};  ///< log p(x) of the held-out data [n] under the true density, where that is known
  Tensor<S> modes = {};      ///< centers of the modes [k, d], where they are known
  double radius = 0;         ///< of a mode, usually three standard deviations
  Index draws = 10'000;      ///< drawn from the model
  Index scored = 0;          ///< rows of the held-out data whose likelihood is computed; 0: all
  Index batch_size = 1000;   ///< rows scored at once
  Index mmd_rows = 2000;     ///< rows of each set that enter the MMD, whose time grows with their square
  MmdOptions mmd = {};       ///< bandwidth 0: the median distance between the two real sets, for both figures
  SlicedWassersteinOptions sliced = {};
  double train_seconds = std::numeric_limits<double>::quiet_NaN();  ///< for tables; see timed()
};

/// The figures of one model. What is not known is NaN.
struct Evaluation {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

  std::string name;
  std::optional<LikelihoodKind> kind;        ///< of the log-likelihood; none if the model has no likelihood
  double log_likelihood = unknown;           ///< mean over the held-out data, in nats
  double log_likelihood_error = unknown;     ///< its standard error
  double true_log_likelihood = unknown;      ///< the same mean, over the same rows, under the true density
  double gap = unknown;                      ///< true_log_likelihood - log_likelihood: nats that the model loses
  double gap_error = unknown;                ///< its standard error; far smaller, since the points are the same
  double sliced_wasserstein = unknown;       ///< of draws to held-out data, in units of the data
  double real_sliced_wasserstein = unknown;  ///< of as many real points instead of draws
  double mmd = unknown, real_mmd = unknown;  ///< squared, unbiased: around 0 for equal distributions
  Index modes = 0;                           ///< how many there are; 0 if that is not known
  std::optional<ModeCoverage> coverage;      ///< of the modes by the draws
  double draw_seconds = unknown;             ///< to draw 10,000
  double train_seconds = unknown;

  /// How many times as far the draws are from real data as real data is; 1 is perfect.
  double sliced_wasserstein_ratio() const { return sliced_wasserstein / real_sliced_wasserstein; }
};

namespace detail {

struct MeanWithError {
  double mean = Evaluation::unknown, error = Evaluation::unknown;
};
inline MeanWithError mean_with_error(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double mean = 0, squares = 0;
  for (double v : values) mean += v / n;
  for (double v : values) squares += (v - mean) * (v - mean);
  return {mean, n > 1 ? std::sqrt(squares / (n - 1) / n) : Evaluation::unknown};
}

template <class S>
Tensor<S> first_rows(const Tensor<S>& x, Index n) {
  return slice(x, 0, 0, std::min(n, x.size(0)));
}

template <class S>
void check_evaluation(const Tensor<S>& held_out, const EvaluateOptions<S>& options) {
  constexpr const char* name = "evaluate";
  if (held_out.rank() != 2 || held_out.size(0) < 4)
    fail<ShapeError>(name, ": got held-out data of shape ", held_out.shape(),
                     ", expected [n, d] with at least 4 rows; flatten examples with reshape");
  if (!options.reference.empty())
    check_samples("evaluate, held-out data and reference", held_out, options.reference, 2);
  if (!options.true_logs.empty() && options.true_logs.shape() != Shape{held_out.size(0)})
    fail<ShapeError>(name, ": got true_logs of shape ", options.true_logs.shape(), " for ", held_out.size(0),
                     " rows of held-out data, expected one number each");
  if (options.draws < 2 || options.scored < 0 || options.batch_size < 1 || options.mmd_rows < 2)
    fail<ValueError>(name, ": got draws = ", options.draws, ", scored = ", options.scored,
                     ", batch_size = ", options.batch_size, " and mmd_rows = ", options.mmd_rows,
                     ", expected at least 2, 0, 1 and 2");
}

template <class S>
Index scored_rows(const Tensor<S>& held_out, const EvaluateOptions<S>& options) {
  return options.scored > 0 ? std::min(options.scored, held_out.size(0)) : held_out.size(0);
}

template <class Model, class S>
void evaluate_likelihood(Evaluation& result, const Model& model, const Tensor<S>& held_out,
                         const EvaluateOptions<S>& options, Rng& rng) {
  const Index n = scored_rows(held_out, options);
  std::vector<double> values, lost;
  for (Index begin = 0; begin < n; begin += options.batch_size) {
    const Tensor<S> batch = slice(held_out, 0, begin, std::min(n, begin + options.batch_size));
    const LogLikelihood<S> scores = log_likelihood(model, batch, rng);
    if (scores.value.size() != batch.size(0))
      fail<ShapeError>("evaluate: the model gave log-likelihoods of shape ", scores.value.shape(), " for ",
                       batch.size(0), " rows, expected one each");
    for (const S score : scores.value) values.push_back(static_cast<double>(score));
    result.kind = scores.kind;
  }
  const MeanWithError mean = mean_with_error(values);
  result.log_likelihood = mean.mean;
  result.log_likelihood_error = mean.error;
  if (options.true_logs.empty()) return;
  for (std::size_t i = 0; i < values.size(); ++i)
    lost.push_back(static_cast<double>(options.true_logs.data()[i]) - values[i]);
  const MeanWithError gap = mean_with_error(lost);
  result.gap = gap.mean;
  result.gap_error = gap.error;
}

template <class S>
void evaluate_draws(Evaluation& result, const Tensor<S>& draws, const Tensor<S>& real, const Tensor<S>& other,
                    const EvaluateOptions<S>& options, Rng& rng) {
  if (draws.rank() != 2 || draws.size(1) != real.size(1) || draws.size(0) != options.draws)
    fail<ShapeError>("evaluate: the model gave draws of shape ", draws.shape(), ", expected [", options.draws, ", ",
                     real.size(1), "]");
  if (!std::all_of(draws.begin(), draws.end(), [](S x) { return std::isfinite(x); }))
    fail<ValueError>("evaluate: the model drew values that are not finite; find where they come from with NanCheck");
  // As many draws as there are real points, in the same directions, so that the two figures compare.
  const Index rows = std::min(draws.size(0), other.size(0));
  Rng same = rng;
  result.sliced_wasserstein = sliced_wasserstein(first_rows(draws, rows), real, options.sliced, rng);
  result.real_sliced_wasserstein = sliced_wasserstein(first_rows(other, rows), real, options.sliced, same);

  const Tensor<S> some = first_rows(real, options.mmd_rows), others = first_rows(other, options.mmd_rows);
  MmdOptions kernel = options.mmd;
  if (kernel.bandwidth == 0)
    kernel.bandwidth = median_distance(some.matrix().template cast<double>(), others.matrix().template cast<double>());
  result.mmd = mmd(first_rows(draws, options.mmd_rows), some, kernel);
  result.real_mmd = mmd(others, some, kernel);
  if (options.modes.empty()) return;
  result.modes = options.modes.size(0);
  result.coverage = mode_coverage(draws, options.modes, options.radius);
}

}  // namespace detail

/// The figures that any family can be compared by, from held-out data [n, d]: the mean log-likelihood with its standard
/// error and kind where the model has one; sliced Wasserstein distance and squared MMD of draws to held-out data, and
/// of as many real points to the same data, which is the best that draws can reach; covered modes where those are
/// known; seconds to draw.
///
///     Evaluation result = evaluate(flow, test, {.name = "RealNVP", .true_logs = moons.log_prob(test)}, rng);
///     print(result);
///
/// The same rng gives the same figures. Throws ShapeError for data, reference or draws that do not fit together,
/// ValueError for draws that are not finite and options out of range.
template <class Model, class S>
requires GenerativeModel<Model, S> Evaluation evaluate(const Model& model, const Tensor<S>& held_out,
                                                       const EvaluateOptions<S>& options, Rng& rng) {
  detail::check_evaluation(held_out, options);
  Evaluation result;
  result.name = options.name;
  result.train_seconds = options.train_seconds;
  if (!options.true_logs.empty())
    result.true_log_likelihood = detail::first_rows(options.true_logs, detail::scored_rows(held_out, options)).mean();

  const NoGradient guard;
  Rng scoring = rng.split(), drawing = rng.split(), directions = rng.split();
  if constexpr (HasLikelihood<Model, S>) detail::evaluate_likelihood(result, model, held_out, options, scoring);
  Tensor<S> draws;
  const double seconds = timed([&] { draws = model.sample(options.draws, drawing); });
  result.draw_seconds = seconds * 10'000 / static_cast<double>(options.draws);
  const bool split = options.reference.empty();
  const Index n = held_out.size(0), half = n / 2;
  detail::evaluate_draws(result, draws, split ? slice(held_out, 0, 0, half) : held_out,
                         split ? slice(held_out, 0, half, n) : options.reference, options, directions);
  return result;
}
template <class Model, class S>
requires GenerativeModel<Model, S> Evaluation evaluate(const Model& model, const Tensor<S>& held_out, Rng& rng) {
  return evaluate(model, held_out, EvaluateOptions<S>{}, rng);
}

namespace detail {

inline const char* kind_text(const std::optional<LikelihoodKind>& kind) {
  if (!kind) return "none";
  return *kind == LikelihoodKind::exact ? "exact" : *kind == LikelihoodKind::lower_bound ? "lower bound" : "estimate";
}

inline std::string cell_text(const char* format, double value) {
  if (std::isnan(value)) return "";
  char text[40];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// The cells of a row, and of the two lines above the table.
inline std::vector<std::string> evaluation_cells(const Evaluation& e) {
  const std::string covered = e.coverage ? concatenate(e.coverage->covered, "/", e.modes) : "";
  return {e.name,
          cell_text("%.3f", e.log_likelihood),
          cell_text("%.3f", e.log_likelihood_error),
          kind_text(e.kind),
          cell_text("%.3f", e.true_log_likelihood),
          cell_text("%.3f", e.gap),
          cell_text("%.3f", e.sliced_wasserstein),
          cell_text("%.3f", e.real_sliced_wasserstein),
          cell_text("%.5f", e.mmd),
          cell_text("%.5f", e.real_mmd),
          covered,
          cell_text("%.3g", e.draw_seconds),
          cell_text("%.3g", e.train_seconds)};
}
inline constexpr const char* evaluation_heads[2][13] = {
    {"", "log-lik.", "", "", "true", "", "sliced W", "of real", "MMD^2", "of real", "", "seconds", "seconds"},
    {"model", "in nats", "+-", "kind", "nats", "gap", "of draws", "data", "of draws", "data", "modes", "for 10k",
     "to train"}};

}  // namespace detail

/// Rows as lines of text under a heading, aligned; columns of which nothing is known are left out.
inline std::string table(const std::vector<Evaluation>& rows) {
  std::vector<std::vector<std::string>> cells;
  for (const auto& head : detail::evaluation_heads) cells.emplace_back(std::begin(head), std::end(head));
  for (const Evaluation& row : rows) cells.push_back(detail::evaluation_cells(row));
  std::vector<std::string> lines(cells.size());
  for (std::size_t j = 0; j < cells[0].size(); ++j) {
    std::size_t width = 0;
    bool known = j == 0;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      width = std::max(width, cells[i][j].size());
      known |= i >= 2 && !cells[i][j].empty();
    }
    if (!known) continue;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(width - cells[i][j].size(), ' ');
      lines[i] += j == 0 ? cells[i][j] + padding : "  " + padding + cells[i][j];
    }
  }
  std::string text;
  for (std::string& line : lines) text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  return text;
}

/// Prints the table to standard output.
inline void print(const std::vector<Evaluation>& rows) { std::fputs(table(rows).c_str(), stdout); }
inline void print(const Evaluation& row) { print(std::vector<Evaluation>{row}); }

/// Writes the rows as a CSV file with a header line and full precision; what is not known stays empty. Throws IoError.
inline void save_csv(const std::string& path, const std::vector<Evaluation>& rows) {
  std::string text =
      "model,kind,log_likelihood,log_likelihood_error,true_log_likelihood,gap,gap_error,sliced_wasserstein,"
      "real_sliced_wasserstein,mmd,real_mmd,covered_modes,modes,draw_seconds,train_seconds\n";
  const auto number = [](double value) { return detail::cell_text("%.17g", value); };
  for (const Evaluation& e : rows) {
    text += '"';
    for (char c : e.name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
    text += "\",";
    text += detail::kind_text(e.kind);
    for (double value : {e.log_likelihood, e.log_likelihood_error, e.true_log_likelihood, e.gap, e.gap_error,
                         e.sliced_wasserstein, e.real_sliced_wasserstein, e.mmd, e.real_mmd}) {
      text += ',';
      text += number(value);
    }
    text += e.coverage ? detail::concatenate(",", e.coverage->covered, ",", e.modes) : ",,";
    for (double value : {e.draw_seconds, e.train_seconds}) {
      text += ',';
      text += number(value);
    }
    text += '\n';
  }
  write_file(path, text.data(), text.size());
}

}  // namespace pushforward
