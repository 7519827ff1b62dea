// A gated PixelCNN draws handwritten digits pixel by pixel, and completes those of which it is shown the upper half.
#include "arguments.hpp"

namespace pf = pushforward;

struct Images {
  pf::Tensor<> train, validation, test;  // [n, 784] in [0, 1]
};

// MNIST where there is a folder with it, else digits that the library draws.
Images load_images(const examples::Arguments& arguments, pf::Rng& rng) {
  if (!arguments.data) {
    const pf::Index n = arguments.quick ? 1'000 : 20'000;
    const pf::Tensor<> drawn = pf::data::digits(n + 1'500, rng).images;
    return {pf::slice(drawn, 0, 0, n), pf::slice(drawn, 0, n, n + 500), pf::slice(drawn, 0, n + 500, n + 1'500)};
  }
  const pf::Tensor<> train = pf::data::load_mnist(*arguments.data, pf::data::Split::train).images;
  const pf::Tensor<> test = pf::data::load_mnist(*arguments.data, pf::data::Split::test).images;
  if (arguments.quick)
    return {pf::slice(train, 0, 0, 1'000), pf::slice(train, 0, 1'000, 1'500), pf::slice(test, 0, 0, 500)};
  return {pf::slice(train, 0, 0, 59'000), pf::slice(train, 0, 59'000, 60'000), test};
}

// Pixels black or white, as their grey values say, as images [n, 1, 28, 28].
pf::Tensor<> coins(const pf::Tensor<>& grey, pf::Rng& rng) {
  return pf::reshape(pf::data::binarize(grey, rng), {grey.size(0), 1, 28, 28});
}

template <class Model>
double mean_log_prob(const Model& model, const pf::Tensor<>& images, pf::Rng& rng) {
  const pf::NoGradient guard;
  double total = 0;
  for (pf::Index i = 0; i < images.size(0); i += 100)
    total += model.log_prob(coins(pf::slice(images, 0, i, std::min(i + 100, images.size(0))), rng)).sum();
  return total / static_cast<double>(images.size(0));
}

// Ten test digits, their upper halves, and `rows` completions of each: [10 (rows + 2), 784].
template <class Model>
pf::Tensor<> completions(const Model& model, const pf::Tensor<>& digits, pf::Index rows, pf::Rng& rng) {
  const pf::Tensor<> known = pf::Tensor<>::generate({28, 28}, [](pf::Index i) { return i < 14 * 28 ? 1.0f : 0.0f; });
  // What is hidden is grey.
  std::vector<pf::Tensor<>> shown = {digits, digits * known + (1 - known) * 0.35};
  for (pf::Index r = 0; r < rows; ++r) shown.push_back(model.complete(digits, known, rng));
  return pf::reshape(pf::concat(shown), {10 * (rows + 2), 784});
}

void mnist_pixelcnn(const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  const Images images = load_images(arguments, rng);
  const pf::Index features = arguments.quick ? 12 : arguments.number("--features");
  auto model = pf::gated_pixel_cnn_bernoulli({.height = 28,
                                              .width = 28,
                                              .features = features,
                                              .layers = arguments.quick ? 3 : arguments.number("--layers"),
                                              .first_kernel = 15,      // strokes are long
                                              .location_bias = true},  // digits are centered
                                             rng);
  std::printf("a gated PixelCNN with %lld parameters on %lld images (%s)\n",
              static_cast<long long>(pf::count_parameters(model)), static_cast<long long>(images.train.size(0)),
              arguments.data ? "MNIST" : "drawn digits; for MNIST give its folder with --data");

  // Pixels are drawn black or white anew each time, so the model never sees the same image twice.
  const auto objective = [](const auto& m, const pf::Tensor<>& batch, pf::Rng& noise) {
    return pf::mle(m, coins(batch, noise));
  };
  pf::fit(model, images.train, objective,
          {.epochs = arguments.epochs,
           .batch_size = 32,
           .optimizer = pf::Adam({.learning_rate = 2e-3}),
           .schedule = pf::cosine_decay(),
           .ema_decay = arguments.quick ? 0.9 : 0.999,
           .validation = images.validation},
          rng);

  std::printf("trained in %.0f s; scoring %lld test images ...\n", arguments.seconds(),
              static_cast<long long>(images.test.size(0)));
  const double nats = mean_log_prob(model, images.test, rng);
  std::printf("mean log-likelihood of the test images: %.2f nats\n", nats);

  const double before = arguments.seconds();
  const pf::Tensor<> drawn = model.sample(100, rng);
  std::printf("drew 100 images in %.2f s\n", arguments.seconds() - before);
  const pf::Tensor<> digits = coins(pf::slice(images.test, 0, 0, 10), rng);
  pf::plot::Figure figure({.rows = 1, .columns = 2, .width = 1240, .height = 660});
  figure.image_grid(0, 0, pf::reshape(drawn, {100, 784}), {.title = "draws from the model", .columns = 10});
  figure.image_grid(0, 1, completions(model, digits, 8, rng),
                    {.title = "test digits, what the model is shown, completions", .columns = 10});
  arguments.save(figure, "mnist_pixelcnn.png");
  arguments.result({{"nats", nats}, {"data", arguments.data ? "mnist" : "digits"}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "mnist_pixelcnn",
       .text = "a gated PixelCNN learns handwritten digits, black or white pixel by pixel.\n\n"
               "It is trained on the exact likelihood of images that are binarized anew each time. The picture\n"
               "shows its draws, and how it completes test digits of which it is shown the upper half.",
       .epochs = 14,
       .data = "folder with MNIST (default: $PUSHFORWARD_DATA; without, drawn digits)",
       .quick = "a small network on a thousand images",
       .extras = {{"--features", "N", "features of each stack", "32"}, {"--layers", "N", "gated layers", "7"}}},
      count, given, mnist_pixelcnn);
}
