// A transformer draws digits pixel by pixel, each class on demand, and completes half digits.
#include "arguments.hpp"

namespace pf = pushforward;

struct Digits {
  pf::Tensor<> images;  // [n, 1, side, side], levels of grey
  pf::Tensor<pf::Index> labels;
};

// Images [n, 784] in [0, 1] made smaller by taking means, and to levels.
pf::Tensor<> levels_of(const pf::Tensor<>& images, pf::Index shrink, pf::Index levels) {
  const pf::Tensor<> planes = pf::reshape(images, {images.size(0), 1, 28, 28});
  const pf::Tensor<> small = shrink == 1 ? planes : pf::average_pool2d(planes, {.size = shrink, .stride = shrink});
  return pf::data::quantize(pf::clamp(small, 0, 1), levels);
}

Digits load(const examples::Arguments& arguments, bool train, pf::Index count, pf::Index shrink, pf::Index levels,
            pf::Rng& rng) {
  if (arguments.data) {
    const auto split = train ? pf::data::Split::train : pf::data::Split::test;
    const auto mnist = pf::data::load_mnist(*arguments.data, {.split = split, .limit = count});
    return {levels_of(mnist.images, shrink, levels), mnist.labels};
  }
  const auto drawn = pf::data::digits(count, rng);
  return {levels_of(drawn.images, shrink, levels), drawn.labels};
}

// The upper halves of ten digits in a row, then rows of completions of them, the real digits last.
pf::Tensor<> completions(const pf::ImageGpt<>& gpt, const Digits& test, pf::Rng& rng) {
  constexpr pf::Index digits = 10, rows = 5;
  const pf::Tensor<> x = pf::slice(test.images, 0, 0, digits);
  const pf::Tensor<pf::Index> labels = pf::slice(test.labels, 0, 0, digits);
  const pf::Index side = x.size(3), upper = side / 2 * side;
  const pf::Tensor<> known = pf::Tensor<>::generate({side, side}, [&](pf::Index i) { return i < upper ? 1.0f : 0.0f; });
  const float middle = static_cast<float>(gpt.options().levels - 1) * 0.25f;
  std::vector<pf::Tensor<>> pictures{pf::where(pf::expand(known, x.shape()), x, pf::Tensor<>::full(x.shape(), middle))};
  for (pf::Index row = 0; row < rows; ++row) pictures.push_back(gpt.complete(x, known, labels, rng));
  pictures.push_back(x);
  return pf::concat(pictures, 0);
}

void mnist_image_gpt(const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  const pf::Index shrink = arguments.quick ? 4 : 28 / arguments.number("--side"),
                  levels = arguments.number("--levels", 2);
  if (28 % shrink != 0) pf::fail<pf::ValueError>("--side: expected a divisor of 28: 7, 14 or 28");
  const pf::Index side = 28 / shrink, count = arguments.quick ? 2000 : arguments.data ? 60'000 : 20'000;
  const Digits train = load(arguments, true, count, shrink, levels, rng),
               test = load(arguments, false, arguments.quick ? 200 : 1000, shrink, levels, rng);
  pf::ImageGpt gpt({.height = side,
                    .width = side,
                    .levels = levels,
                    .features = arguments.quick ? 32 : 128,
                    .layers = arguments.quick ? 2 : 4,
                    .heads = 4,
                    .classes = 10},
                   rng);
  std::printf("a transformer with %lld parameters on %lld images of %lld x %lld pixels, %lld levels of grey (%s)\n",
              static_cast<long long>(pf::count_parameters(gpt)), static_cast<long long>(count),
              static_cast<long long>(side), static_cast<long long>(side), static_cast<long long>(levels),
              arguments.data ? "MNIST" : "drawn digits; for MNIST give its folder with --data");

  const pf::History history =
      pf::fit(gpt, std::tuple(train.images, train.labels), pf::mle,
              {.epochs = arguments.epochs,
               .batch_size = 32,
               .optimizer = pf::AdamW({.learning_rate = 2e-3, .beta2 = 0.99, .weight_decay = 0.05}),
               .schedule = pf::warm_up(100, pf::cosine_decay()),
               .clip_norm = 1,
               .validation = std::tuple(test.images, test.labels)},
              rng);
  const double nats = history.validation_losses().back();
  std::printf("trained in %.0f s: %.2f nats per new image, %.3f bits per pixel\n", arguments.seconds(), nats,
              nats / static_cast<double>(side * side) / std::log(2.0));

  // Every class seven times: a column each.
  const pf::Tensor<pf::Index> labels = pf::Tensor<pf::Index>::generate({70}, [](pf::Index i) { return i % 10; });
  const double before = arguments.seconds();
  const pf::Tensor<> drawn = gpt.sample(labels, rng);
  std::printf("70 draws in %.2f s\n", arguments.seconds() - before);
  const float whitest = static_cast<float>(levels - 1);
  pf::plot::Figure figure({.rows = 1, .columns = 2, .width = 1240, .height = 520});
  figure.image_grid(0, 0, drawn / whitest, {.title = "draws, a class in each column", .columns = 10});
  figure.image_grid(0, 1, completions(gpt, test, rng) / whitest,
                    {.title = "upper halves, five completions, the real ones", .columns = 10});
  arguments.save(figure, "mnist_image_gpt.png");
  arguments.result({{"nats", nats},
                    {"bits_per_pixel", nats / static_cast<double>(side * side) / std::log(2.0)},
                    {"data", arguments.data ? "mnist" : "digits"}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "mnist_image_gpt",
       .text = "a transformer draws digits pixel by pixel.\n\n"
               "It is told the class first. The picture shows draws of each class, and lower halves that\n"
               "it adds to upper halves of new digits.",
       .epochs = 10,
       .data = "folder with MNIST (default: $PUSHFORWARD_DATA; without, drawn digits)",
       .quick = "small images and a small model: seconds instead of half an hour",
       .extras = {{"--side", "N", "pixels of a side: 7, 14 or 28", "14"}, {"--levels", "K", "levels of grey", "4"}}},
      count, given, mnist_image_gpt);
}
