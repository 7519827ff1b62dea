// Density estimation of tables: two flows on rows of 16 correlated numbers, against the true density.
#include <cmath>

#include "arguments.hpp"

namespace pf = pushforward;

constexpr pf::Index numbers = 16;  // per row

/// Four clusters in 16 dimensions, each with its own correlations.
pf::Mixture<pf::MultivariateNormal<>> clusters(pf::Rng& rng) {
  const pf::Index k = 4, d = numbers;
  const pf::Tensor<> mean = 0.7 * pf::normal({k, d}, rng), noise = pf::normal({k, d, d}, rng);
  const pf::Tensor<> factor = pf::Tensor<>::generate({k, d, d}, [&](pf::Index i) {  // lower triangular
    const pf::Index row = i / d % d, column = i % d;
    const float normal = noise.data()[i];
    if (row == column) return 0.6f + 0.1f * std::abs(normal);
    return row > column ? 0.5f * normal / std::sqrt(static_cast<float>(row)) : 0.0f;
  });
  return {pf::Tensor<>{0.6f, 0.2f, 0.0f, -0.4f}, pf::MultivariateNormal<>::from_cholesky(mean, factor)};
}

/// What stands between a flow and the table: units of variance one.
template <class Flow>
auto in_units_of(const pf::Tensor<>& train, const Flow& flow) {
  return pf::Flow(flow.base(), pf::Compose(flow.bijector(), pf::Inverse(pf::data::Standardize<>(train))));
}

/// Spline couplings, mixed by trained linear maps (Durkan et al. 2019, sec. 4), on a trained mixture of normals.
auto spline_flow(pf::Rng& rng) {
  const pf::SplineOptions spline{.bins = 8, .bound = 4};
  pf::Chain<> chain;
  for (pf::Index i = 0; i < 6; ++i) {
    const pf::Keep keep = i % 2 ? pf::Keep::second_half : pf::Keep::first_half;
    const pf::Index kept = numbers / 2, out = kept * pf::spline_numbers(spline);
    chain.append(pf::SplineCoupling(pf::Mlp({kept, 128, 128, out}, rng), numbers, {.keep = keep, .spline = spline}));
    chain.append(pf::LuLinear<>(numbers, rng));
  }
  return pf::Flow(pf::LearnedMixture<>(8, numbers, rng), std::move(chain));
}

/// What a histogram of one column makes of its density, as points [bins, 2].
pf::Tensor<> histogram(const pf::Tensor<>& rows, pf::Index column, double reach) {
  const pf::Index bins = 60, n = rows.size(0);
  std::vector<float> count(static_cast<std::size_t>(bins));
  for (pf::Index i = 0; i < n; ++i) {
    const double at = (rows(i, column) + reach) / (2 * reach) * static_cast<double>(bins);
    if (at >= 0 && at < static_cast<double>(bins)) count[static_cast<std::size_t>(at)] += 1;
  }
  const auto width = static_cast<float>(2 * reach / static_cast<double>(bins));
  return pf::Tensor<>::generate({bins, 2}, [&](pf::Index i) {
    const pf::Index bin = i / 2;
    return i % 2 ? count[static_cast<std::size_t>(bin)] / static_cast<float>(n) / width
                 : (static_cast<float>(bin) + 0.5f) * width - static_cast<float>(reach);
  });
}

pf::Tensor<> pair_of(const pf::Tensor<>& rows, pf::Index a, pf::Index b) {
  return pf::index_select(rows, 1, pf::Tensor<pf::Index>{a, b});
}

/// Pairs of columns: the data below the diagonal, draws above it mirrored, both on it.
void draw_pairs(const examples::Arguments& arguments, const pf::Tensor<>& data, const pf::Tensor<>& draws) {
  const std::vector<pf::Index> columns{0, 3, 6, 9, 12, 15};
  const auto size = static_cast<pf::Index>(columns.size());
  const pf::plot::Color data_color = pf::plot::palette(0), draws_color = pf::plot::palette(1);
  std::vector<std::string> names;
  for (pf::Index c : columns) names.emplace_back("x").append(std::to_string(c + 1));
  pf::plot::Figure figure({.rows = size,
                           .columns = size,
                           .title = "16 numbers, six of them in pairs: data below, draws of a spline flow above",
                           .row_titles = names,
                           .column_titles = names,
                           .width = 1500,
                           .height = 1540,
                           .gap = 0.3});
  const double reach = 4.5;
  const pf::plot::Range range{-reach, reach};
  const pf::Tensor<> some = pf::slice(data, 0, 0, 4000), drawn = pf::slice(draws, 0, 0, 4000);
  for (pf::Index i = 0; i < size; ++i)
    for (pf::Index j = 0; j < size; ++j) {
      const pf::Index row = columns[static_cast<std::size_t>(i)], column = columns[static_cast<std::size_t>(j)];
      if (i == j) {
        figure.curve(i, j,
                     {{"", histogram(data, row, reach), data_color}, {"", histogram(draws, row, reach), draws_color}},
                     {.x_range = range, .axes = false});
        continue;
      }
      // The same pair in the same directions on both sides of the diagonal, so that the two compare.
      const pf::Index first = std::min(row, column), second = std::max(row, column);
      const bool below = i > j;
      figure.scatter(i, j, {{"", pair_of(below ? some : drawn, first, second), below ? data_color : draws_color}},
                     {.x_range = range, .y_range = range, .axes = false});
    }
  arguments.save(figure, "tabular_density.png");
}

void tabular_density(const examples::Arguments& arguments) {
  pf::Rng world(1), rng(arguments.seed);
  const pf::Index rows = 500'000;  // with 100'000 both flows learn the rows by heart
  const auto truth = clusters(world);
  const pf::Tensor<> train = truth.sample(rows, rng), test = truth.sample(20'000, rng);  // [n, 16]
  const double true_nats = pf::negative_log_likelihood(truth, test);
  const pf::MultivariateNormal<> normal(
      pf::mean(train, 0), pf::matmul(train - pf::mean(train, 0), train - pf::mean(train, 0), {.transpose_a = true}) /
                              static_cast<float>(rows));
  auto masked =
      in_units_of(train, pf::masked_autoregressive_flow({.features = numbers, .layers = 6, .hidden = {128, 128}},
                                                        pf::LearnedMixture<>(8, numbers, rng), rng));
  auto spline = in_units_of(train, spline_flow(rng));
  const auto fit = [&](auto& flow) {
    return pf::timed([&] {
      pf::fit(flow, train, pf::mle,
              {.epochs = arguments.epochs,
               .batch_size = 512,
               .optimizer = pf::Adam({.learning_rate = 3e-3}),
               .schedule = pf::cosine_decay(),
               .clip_norm = 10,
               .ema_decay = 0.999},
              rng);
    });
  };
  const double masked_seconds = fit(masked), spline_seconds = fit(spline);

  std::printf("%-28s %10s %12s %8s %8s\n", "model", "parameters", "nats per row", "gap", "seconds");
  const auto line = [&](const char* name, double parameters, double nats, double seconds) {
    std::printf("%-28s %10.0f %12.3f %8.3f %8.1f\n", name, parameters, nats, nats - true_nats, seconds);
    return nats - true_nats;
  };
  line("true density", 0, true_nats, 0);
  const double normal_gap = line("one normal", 16 + 16 * 17 / 2, pf::negative_log_likelihood(normal, test), 0);
  const double masked_gap = line("masked autoregressive flow", static_cast<double>(pf::count_parameters(masked)),
                                 pf::negative_log_likelihood(masked, test), masked_seconds);
  const double spline_gap = line("neural spline flow", static_cast<double>(pf::count_parameters(spline)),
                                 pf::negative_log_likelihood(spline, test), spline_seconds);
  draw_pairs(arguments, test, spline.sample(20'000, rng));
  arguments.result({{"true_nats", true_nats},
                    {"gap_normal", normal_gap},
                    {"gap_masked_autoregressive_flow", masked_gap},
                    {"gap_neural_spline_flow", spline_gap}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "tabular_density",
       .text = "flows learn the density of rows of 16 correlated numbers.\n\n"
               "The rows come from four clusters, each with correlations of its own, so the true density is\n"
               "known: the table says how many nats per row a masked autoregressive flow and a spline flow\n"
               "lose on new rows, beside one normal distribution. The picture shows pairs of columns.",
       .epochs = 8},
      count, given, tabular_density);
}
