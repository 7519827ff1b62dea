// Every family on the same data sets: what it draws, the density that it learned, and how far both are from the truth.
#include "gallery.hpp"

#include "../arguments.hpp"

namespace pf = pushforward;

using gallery::Budget;
using gallery::Digits;
using gallery::Panel;
using gallery::Plane;

struct Family {
  const char* name;
  gallery::OnPlane* on_plane;
  gallery::OnDigits* on_digits = nullptr;
};

const std::vector<Family> families{
    {"RealNVP", gallery::real_nvp},
    {"neural spline flow", gallery::spline_flow},
    {"autoregressive", gallery::autoregressive, gallery::autoregressive_digits},
    {"continuous flow", gallery::continuous_flow},
    {"flow matching", gallery::flow_matching},
    {"diffusion", gallery::diffusion, gallery::diffusion_digits},
    {"annealed score", gallery::annealed_score},
    {"energy-based", gallery::energy},
    {"VAE", gallery::vae, gallery::vae_digits},
    {"GAN", gallery::gan, gallery::gan_digits},
};

// The panels of a family, one for each data set; the last are digits, where it has them.
struct Row {
  const char* name;
  std::vector<Panel> panels;
  std::vector<Panel> digits;
};

template <class Density>
Plane plane(const char* name, double extent, const Density& density, pf::Rng& rng) {
  Plane made{name, extent, density.sample(20'000, rng), density.sample(10'000, rng), density.sample(10'000, rng)};
  made.log_prob = [density](const pf::Tensor<>& x) { return density.log_prob(x); };
  return made;
}

std::vector<Plane> planes(pf::Rng& rng) {
  const pf::data::EightGaussiansOptions eight{};
  const pf::data::EightGaussians gaussians(eight);
  std::vector<Plane> all{plane("two moons", 4.1, pf::data::TwoMoons(), rng), plane("8 gaussians", 4.4, gaussians, rng),
                         plane("checkerboard", 4.6, pf::data::Checkerboard(), rng),
                         plane("pinwheel", 4.1, pf::data::Pinwheel(), rng),
                         plane("rings", 4.2, pf::data::Rings({.count = 3, .noise = 0.15}), rng)};
  all[1].modes = gaussians.centers();
  all[1].radius = 3 * eight.noise;
  return all;
}

std::string text(const char* format, double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, format, value);
  return std::isnan(value) ? "-" : buffer;
}

void report(int done, int all, const std::string& family, const std::string& data, const pf::Evaluation& e) {
  std::printf("%3d/%d  %-24s %-13s trained in %6.1f s", done, all, family.c_str(), data.c_str(), e.train_seconds);
  if (!std::isnan(e.gap)) std::printf(", %.3f nats from the truth", e.gap);
  std::printf(", sliced Wasserstein %.2f times that of real data\n", e.sliced_wasserstein_ratio());
}

std::vector<Row> train(const std::vector<Plane>& data, const Digits& digits, const Budget& budget, std::uint64_t seed) {
  int all = 0, done = 0;
  for (const Family& family : families) all += static_cast<int>(data.size()) + (family.on_digits != nullptr);
  std::vector<Row> rows;
  for (const Family& family : families) {
    Row row{family.name, {}, {}};
    for (const Plane& p : data) {
      pf::Rng rng(seed);
      row.panels.push_back(family.on_plane(p, budget, rng));
      row.panels.back().figures.name = p.name + ", " + family.name;
      report(++done, all, family.name, p.name, row.panels.back().figures);
    }
    if (family.on_digits) {
      pf::Rng rng(seed);
      row.digits.push_back(family.on_digits(digits, budget, rng));
      row.digits.back().figures.name = std::string("digits, ") + family.name;
      report(++done, all, family.name, "digits", row.digits.back().figures);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// How the mean log-likelihood of a family is to be read.
const char* kind(const pf::Evaluation& e) {
  if (!e.kind) return "none";
  return *e.kind == pf::LikelihoodKind::exact         ? "exact"
         : *e.kind == pf::LikelihoodKind::lower_bound ? "bound"
                                                      : "estimate";
}

void print_table(const std::vector<Plane>& data, const std::vector<Row>& rows) {
  std::printf(
      "\nMean -log p of new points in nats (below it the entropy: what the truth scores), and the sliced Wasserstein\n"
      "distance from draws to new points in multiples of that from real points to new points.\n\n%-22s %-9s",
      "", "-log p is");
  for (const Plane& p : data) std::printf("  %12s", p.name.c_str());
  std::printf("  %9s  %9s\n%-22s %-9s", "s to", "s to draw", "truth", "exact");
  for (std::size_t j = 0; j < data.size(); ++j)
    std::printf("  %6.3f  1.0x", -rows[0].panels[j].figures.true_log_likelihood);
  std::printf("  %9s  %9s\n", "train", "10000");
  for (const Row& row : rows) {
    double training = 0, drawing = 0;
    std::printf("%-22s %-9s", row.name, kind(row.panels[0].figures));
    for (const Panel& panel : row.panels) {
      const pf::Evaluation& e = panel.figures;
      std::printf("  %6s %4.1fx", text("%.3f", -e.log_likelihood).c_str(), e.sliced_wasserstein_ratio());
      training += e.train_seconds / static_cast<double>(row.panels.size());
      drawing += e.draw_seconds / static_cast<double>(row.panels.size());
    }
    std::printf("  %9.1f  %9.3f\n", training, drawing);
  }
}

class Picture {
 public:
  Picture(const std::vector<Plane>& data, const std::vector<Row>& rows, const Budget& budget)
      : budget_(budget), figure_(layout(data, rows)) {}

  void truth(const std::vector<Plane>& data, const Digits& digits) {
    for (std::size_t j = 0; j < data.size(); ++j)
      plane(0, j, data[j].extent, pf::slice(data[j].test, 0, 0, 1000), data[j].log_prob);
    images(0, data.size(), pf::slice(digits.test, 0, 0, 16));
  }
  void row(std::size_t i, const std::vector<Plane>& data, const Row& row) {
    for (std::size_t j = 0; j < data.size(); ++j)
      plane(i, j, data[j].extent, row.panels[j].draws, row.panels[j].log_density);
    if (!row.digits.empty()) images(i, data.size(), row.digits[0].draws);
  }
  const pf::plot::Figure& figure() const { return figure_; }

 private:
  static pf::plot::FigureOptions layout(const std::vector<Plane>& data, const std::vector<Row>& rows) {
    pf::plot::FigureOptions options{.rows = static_cast<pf::Index>(rows.size() + 1),
                                    .columns = static_cast<pf::Index>(data.size() + 1),
                                    .row_titles = {"data"},
                                    .gap = 0.4};
    for (const Plane& p : data) options.column_titles.push_back(p.name);
    options.column_titles.push_back("digits");
    for (const Row& row : rows) options.row_titles.push_back(row.name);
    options.width = 236 * options.columns + 24;
    options.height = 236 * options.rows + 24;
    return options;
  }
  void plane(std::size_t i, std::size_t j, double extent, const pf::Tensor<>& points,
             const gallery::LogDensity& density) {
    const auto row = static_cast<pf::Index>(i), column = static_cast<pf::Index>(j);
    const pf::plot::Range range{-extent, extent};
    if (density)
      figure_.density(row, column, density, points,
                      {.x_range = range,
                       .y_range = range,
                       .resolution = budget_.pick(100, 160),
                       .contrast = 0.7,
                       .points = 500,
                       .axes = false});
    else
      draws_alone(row, column, extent, points);
  }
  // Points on the color of no density.
  void draws_alone(pf::Index row, pf::Index column, double extent, const pf::Tensor<>& points) {
    const pf::plot::Rect cell = figure_.panel(row, column);
    const double side = std::round(std::min(cell.width, cell.height)) - 6;
    const pf::plot::Rect box{std::round(cell.x + (cell.width - side) / 2),
                             std::round(cell.y + (cell.height - side) / 2), side, side};
    pf::plot::Canvas& canvas = figure_.canvas();
    canvas.fill(box, pf::plot::color_of(pf::plot::Colormap::lagoon, 0));
    canvas.clip(box);
    for (pf::Index i = 0; i < points.size(0); ++i) {
      const double x = static_cast<double>(points(i, 0)), y = static_cast<double>(points(i, 1));
      canvas.disc({box.x + side * (x / extent + 1) / 2, box.y + side * (1 - y / extent) / 2}, 1.5, pf::plot::white,
                  0.5);
    }
    canvas.clear_clip();
    canvas.frame({box.x - 1, box.y - 1, side + 2, side + 2}, 1, pf::plot::frame_line);
  }
  void images(std::size_t i, std::size_t j, const pf::Tensor<>& digits) {
    figure_.image_grid(static_cast<pf::Index>(i), static_cast<pf::Index>(j), digits,
                       {.columns = 4, .scale = 2, .inverted = true});
  }

  Budget budget_;
  pf::plot::Figure figure_;
};

void run(const examples::Arguments& arguments) {
  const Budget budget{arguments.quick, static_cast<double>(arguments.epochs) / 100};
  pf::Rng rng(arguments.seed);
  const std::vector<Plane> data = planes(rng);
  const Digits digits{pf::data::digits(budget.pick(10'000, 20'000), rng).images, pf::data::digits(2000, rng).images};
  const std::vector<Row> rows = train(data, digits, budget, arguments.seed + 1);
  std::printf("trained in %.0f s; drawing the picture ...\n", arguments.seconds());

  Picture picture(data, rows, budget);
  picture.truth(data, digits);
  std::vector<pf::Evaluation> figures;
  double gap = 0, ratio = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    picture.row(i + 1, data, rows[i]);
    for (const Panel& panel : rows[i].panels) {
      figures.push_back(panel.figures);
      if (!std::isnan(panel.figures.gap)) gap = std::max(gap, panel.figures.gap);
      ratio = std::max(ratio, panel.figures.sliced_wasserstein_ratio());
    }
    for (const Panel& panel : rows[i].digits) figures.push_back(panel.figures);
  }
  print_table(data, rows);
  std::printf("\n");
  arguments.save(picture.figure(), "gallery.png");
  pf::save_csv(arguments.out + "/gallery.csv", figures);
  std::printf("wrote %s/gallery.csv, every figure of every model\n", arguments.out.c_str());
  arguments.result({{"families", static_cast<double>(rows.size())}, {"largest_gap", gap}, {"largest_distance", ratio}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "gallery",
       .text = "every family of generative models on the same data sets.\n\n"
               "Five densities of the plane that are known exactly, and handwritten digits that the library\n"
               "draws. The picture shows draws over the learned density where there is one; the table compares\n"
               "log-likelihoods with the entropy, and draws with real data. --epochs is a percentage here.",
       .epochs = 100,
       .quick = "small models, briefly trained: 3 minutes instead of 20"},
      count, given, run);
}
