// Parts of your own: an elementwise operation, a layer, and a bijector; each is checked, then all learn two spirals.
#include "arguments.hpp"

namespace pf = pushforward;

/// x + sin^2(a x) / a, which bends like a wave and never saturates (Ziyin et al. 2020). One lambda is all it takes:
/// it runs fused and vectorized, and its derivatives follow.
pf::Tensor<> snake(const pf::Tensor<>& x, const pf::Tensor<>& a) {
  return pf::elementwise(
      [](auto u, auto frequency) {
        const auto wave = sin(u * frequency);
        return u + wave * wave / frequency;
      },
      x, a);
}

/// A layer: a dense one, then `snake` with a trained frequency for each unit, [.., in] -> [.., out].
struct SnakeLayer {
  pf::Linear<> dense;
  pf::Parameter<> frequency;

  SnakeLayer(pf::Index in, pf::Index out, pf::Rng& rng) : dense(in, out, rng), frequency(pf::Tensor<>::ones({out})) {}

  pf::Tensor<> operator()(const pf::Tensor<>& x) const { return snake(dense(x), frequency); }

  static void members(auto& self, auto&& visit) {
    visit("dense", self.dense);
    visit("frequency", self.frequency);
  }
};

/// A bijector of the plane: turns each point around the origin by an angle that a network makes of its distance.
/// Distances stay as they are, so the way back is the same turn backwards, and areas stay as they are: log_det = 0.
struct Twist {
  pf::Sequential<SnakeLayer, pf::Linear<>> angle;

  explicit Twist(pf::Rng& rng) : angle(SnakeLayer(1, 32, rng), pf::Linear<>(32, 1, rng)) {}

  pf::WithLogDet<> forward(const pf::Tensor<>& x) const { return turned(x, 1); }
  pf::WithLogDet<> inverse(const pf::Tensor<>& y) const { return turned(y, -1); }

  static void members(auto& self, auto&& visit) { visit("angle", self.angle); }

 private:
  pf::WithLogDet<> turned(const pf::Tensor<>& points, double direction) const {
    const auto [x, y] = pf::split<2>(points);  // [n, 1] each
    const pf::Tensor<> turn = direction * angle(pf::sqrt(x * x + y * y + 1e-6)), c = pf::cos(turn), s = pf::sin(turn);
    return {pf::concat({x * c - y * s, x * s + y * c}, -1), pf::Tensor<>::zeros(points.shape().without(-1))};
  }
};

// Each check throws pf::testing::CheckFailed, with the element that is wrong, if something is.
void check_parts(pf::Rng& rng) {
  const pf::Tensor<> x = pf::normal({4, 3}, rng), a = pf::uniform({3}, rng, 0.5, 2), points = pf::normal({8, 2}, rng);
  pf::testing::check_gradients(snake, {x, a}, {.order = 2});
  std::printf("snake:       its first and second derivatives are those of finite differences\n");
  pf::testing::check_module(SnakeLayer(3, 5, rng), x);
  std::printf("SnakeLayer:  all parameters are named, trained, and copied\n");
  pf::testing::check_bijector(Twist(rng), points);
  std::printf("Twist:       inverse and forward agree, log_det is that of the Jacobian\n");
}

void custom_layer(const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  check_parts(rng);

  const pf::data::TwoSpirals spirals;
  const pf::Tensor<> train = spirals.sample(20'000, rng), test = spirals.sample(10'000, rng);  // [n, 2]

  // Two flows of the same couplings, one of them with the twist at the end.
  const pf::RealNvpOptions couplings{
      .features = 2, .layers = 8, .hidden = {32, 32}, .activation = pf::Activation::silu};
  const auto plain = pf::real_nvp(couplings, rng);
  pf::Flow twisted(plain.base(), pf::Compose(plain.bijector(), Twist(rng)));
  pf::fit(twisted, train, pf::mle,
          {.epochs = arguments.epochs,
           .batch_size = 512,
           .optimizer = pf::Adam({.learning_rate = 2e-3}),
           .schedule = pf::cosine_decay()},
          rng);

  const double nats = -pf::negative_log_likelihood(twisted, test);
  const double true_nats = -pf::negative_log_likelihood(spirals, test);
  std::printf("mean log-likelihood of new points: %.4f nats, under the true density %.4f\n", nats, true_nats);

  pf::plot::Figure figure({.rows = 1, .columns = 3, .column_titles = {"data", "draws", "learned density"}});
  const pf::plot::Range range{-3.8, 3.8};
  figure.scatter(0, 0, spirals.sample(4000, rng), {.x_range = range, .y_range = range});
  figure.scatter(0, 1, twisted.sample(4000, rng), {.x_range = range, .y_range = range});
  figure.density(0, 2, twisted, {.x_range = range, .y_range = range});
  arguments.save(figure, "custom_layer.png");
  arguments.result({{"nats", nats}, {"true_nats", true_nats}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "custom_layer",
       .text = "parts of your own in a flow: an operation, a layer, a bijector.\n\n"
               "Each takes a few lines, and the library checks each: derivatives against finite differences,\n"
               "log-determinants against Jacobians. Then the three learn two spirals together.",
       .epochs = 200},
      count, given, custom_layer);
}
