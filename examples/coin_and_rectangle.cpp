// Maximum likelihood and maximum a posteriori on two textbook cases, in closed form and by gradient.
#include <cmath>

#include "arguments.hpp"

namespace pf = pushforward;

/// A coin that shows heads with probability sigmoid(logit).
struct Coin {
  pf::Parameter<> logit{pf::Tensor<>::zeros({1})};

  pf::Tensor<> log_prob(const pf::Tensor<>& tosses) const {
    return pf::Bernoulli<>(logit).log_prob(tosses);
  }  // [n, 1] -> [n]
  double heads() const { return pf::sigmoid(logit).item(); }
  static void members(auto& self, auto&& visit) { visit("logit", self.logit); }
};

/// A uniform density on a rectangle that holds all points: outside of those the likelihood is zero. On each side it
/// extends exp(log_margin) beyond the outermost point.
struct Rectangle {
  pf::Tensor<> least, most;                         // of the points, [2]
  pf::Parameter<> log_low_margin, log_high_margin;  // [2]

  explicit Rectangle(const pf::Tensor<>& points)
      : least(pf::min(points, 0)),
        most(pf::max(points, 0)),
        log_low_margin(pf::Tensor<>::zeros({2})),
        log_high_margin(pf::Tensor<>::zeros({2})) {}

  pf::Tensor<> low() const { return least - pf::exp(log_low_margin); }
  pf::Tensor<> high() const { return most + pf::exp(log_high_margin); }
  pf::Tensor<> log_prob(const pf::Tensor<>& x) const {
    return pf::Uniform<>(low(), high()).log_prob(x);
  }  // [n, 2] -> [n]
  static void members(auto& self, auto&& visit) {
    visit("log_low_margin", self.log_low_margin);
    visit("log_high_margin", self.log_high_margin);
  }
};

/// What we believed before: the coin's p is from Beta(2, 2), as if it had shown one head and one tail already; the
/// rectangle's sides are from Gamma(21, scale), most likely 5.4 wide and 4 high. Constants are left out.
const double shape = 21;
const pf::Tensor<> scale{0.27f, 0.2f};

pf::Tensor<> coin_prior(const Coin& coin) { return -pf::sum(pf::softplus(coin.logit) + pf::softplus(-coin.logit)); }
pf::Tensor<> rectangle_prior(const Rectangle& r) {
  const pf::Tensor<> size = r.high() - r.low();
  return pf::sum((shape - 1) * pf::log(size) - size / scale);
}

template <class Model, class Objective>
Model trained(Model model, const pf::Tensor<>& data, const Objective& objective, const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  pf::fit(model, data, objective,
          {.epochs = arguments.epochs,
           .batch_size = data.size(0),
           .optimizer = pf::Adam({.learning_rate = 0.05, .beta2 = 0.9}),
           .schedule = pf::cosine_decay(),
           .progress = pf::Progress::off},
          rng);
  return model;
}

double difference(const pf::Tensor<>& a, const pf::Tensor<>& b) { return pf::abs(a - b).max(); }

// A curve over [low, high], scaled to a height of 1.
template <class F>
pf::plot::Series curve(const char* name, double low, double high, pf::plot::Color color, const F& log_height) {
  std::vector<double> x, y;
  for (int i = 0; i <= 400; ++i) {
    x.push_back(low + (high - low) * i / 400);
    y.push_back(log_height(x.back()));
  }
  const double most = *std::max_element(y.begin(), y.end());
  for (double& height : y) height = std::exp(height - most);
  return {name, x, y, color};
}
pf::plot::Series frame(const char* name, const pf::Tensor<>& low, const pf::Tensor<>& high, pf::plot::Color color) {
  const float a = low(0), b = low(1), c = high(0), d = high(1);
  return {name, std::vector<float>{a, c, c, a, a}, std::vector<float>{b, b, d, d, b}, color};
}

void coin_and_rectangle(const examples::Arguments& arguments) {
  // The coin: three heads in a row. Maximum likelihood is sure that it always shows heads, k / n = 1; the prior's head
  // and tail make it (k + 1) / (n + 2). The prior is on p, so no Jacobian of the logit enters.
  const pf::Tensor<> tosses = pf::Tensor<>::ones({3, 1});
  const Coin coin_ml = trained(Coin(), tosses, pf::mle, arguments);
  const Coin coin_map = trained(Coin(), tosses, pf::map(coin_prior, 3), arguments);
  const double p_ml = 1, p_map = 4.0 / 5;
  std::printf(
      "three heads     closed form  by gradient\n  ML   p =      %8.4f     %8.4f\n  MAP  p =      %8.4f     %8.4f\n",
      p_ml, coin_ml.heads(), p_map, coin_map.heads());

  // The rectangle: five points from one that is 4 x 3. Maximum likelihood is their bounding box; the prior knows that
  // five points do not reach the edges: sides (shape - 1 - n) scale, if that holds them. Where it lies stays open.
  pf::Rng rng(arguments.seed);
  const pf::Uniform<> truth(pf::Tensor<>{-2, -1.5}, pf::Tensor<>{2, 1.5});
  const pf::Index n = 5;
  const pf::Tensor<> points = truth.sample(n, rng), low = pf::min(points, 0), high = pf::max(points, 0);
  const Rectangle box_ml = trained(Rectangle(points), points, pf::mle, arguments);
  const Rectangle box_map = trained(Rectangle(points), points, pf::map(rectangle_prior, n), arguments);
  const pf::Tensor<> size_ml = high - low, size_map = pf::maximum(size_ml, (shape - 1 - n) * scale);
  const pf::Tensor<> found_ml = box_ml.high() - box_ml.low(), found_map = box_map.high() - box_map.low();
  std::printf(
      "five points     closed form      by gradient\n  ML   sides =  %.4f x %.4f  %.4f x %.4f\n  MAP  sides =  %.4f x "
      "%.4f  %.4f x %.4f\n",
      size_ml(0), size_ml(1), found_ml(0), found_ml(1), size_map(0), size_map(1), found_map(0), found_map(1));

  const double error = std::max({std::abs(coin_ml.heads() - p_ml), std::abs(coin_map.heads() - p_map),
                                 difference(found_ml, size_ml), difference(found_map, size_map)});
  std::printf("largest difference: %.1e\n", error);

  const pf::plot::Color ml = pf::plot::palette(0), map = pf::plot::palette(1), grey = pf::plot::muted;
  pf::plot::Figure figure({.rows = 1, .columns = 3});
  figure.curve(
      0, 0,
      {curve("likelihood", 0, 1, ml, [](double p) { return 3 * std::log(p); }),
       curve("posterior", 0, 1, map, [](double p) { return 4 * std::log(p) + std::log1p(-p); }),
       curve("prior", 0, 1, grey, [](double p) { return std::log(p) + std::log1p(-p); }),
       {"", std::vector<double>{coin_ml.heads()}, std::vector<double>{1}, ml},
       {"", std::vector<double>{coin_map.heads()}, std::vector<double>{1}, map}},
      {.title = "a coin after three heads", .x_label = "probability of heads", .y_label = "relative to the maximum"});
  const double width = size_ml(0), unit = scale(0);
  const auto likelihood = [=](double w) { return w < width ? -INFINITY : -5 * std::log(w); };
  const auto prior = [=](double w) { return (shape - 1) * std::log(w) - w / unit; };
  figure.curve(0, 1,
               {curve("likelihood", 1, 8, ml, likelihood),
                curve("posterior", 1, 8, map, [=](double w) { return likelihood(w) + prior(w); }),
                curve("prior", 1, 8, grey, prior),
                {"", std::vector<double>{found_ml(0)}, std::vector<double>{1}, ml},
                {"", std::vector<double>{found_map(0)}, std::vector<double>{1}, map}},
               {.title = "a rectangle after five points", .x_label = "width"});
  std::vector<pf::plot::Series> shapes{frame("ML", box_ml.low(), box_ml.high(), ml),
                                       frame("MAP", box_map.low(), box_map.high(), map),
                                       frame("truth", truth.low(), truth.high(), grey)};
  for (pf::Index i = 0; i < n; ++i)
    shapes.push_back({"", std::vector<float>{points(i, 0)}, std::vector<float>{points(i, 1)}, pf::plot::ink});
  figure.curve(0, 2, shapes, {.title = "the rectangles", .x_range = {-3.2, 3.2}, .y_range = {-3.2, 3.2}});
  arguments.save(figure, "coin_and_rectangle.png");

  arguments.result({{"nats", box_map.log_prob(points).mean()},
                    {"coin_ml", coin_ml.heads()},
                    {"coin_map", coin_map.heads()},
                    {"error", error}});
}

int main(int count, char** given) {
  return examples::run({.name = "coin_and_rectangle",
                        .text = "maximum likelihood (ML) and maximum a posteriori (MAP) in two textbook cases.\n\n"
                                "A coin has shown three heads in a row: how likely are heads? Five points came from a\n"
                                "rectangle: how large is it? Both are answered in closed form and by gradient.",
                        .epochs = 800},
                       count, given, coin_and_rectangle);
}
