// One density for each digit: a class-conditional gated PixelCNN draws what it is asked for, and reads digits by Bayes'
// rule.
#include "arguments.hpp"

namespace pf = pushforward;

struct Images {
  pf::Tensor<> images;  // [n, 784] in [0, 1]
  pf::Tensor<pf::Index> labels;

  Images part(pf::Index begin, pf::Index end) const {
    return {pf::slice(images, 0, begin, end), pf::slice(labels, 0, begin, end)};
  }
};

// MNIST where there is a folder with it, else digits that the library draws: for training, and for testing.
std::pair<Images, Images> load_images(const examples::Arguments& arguments, pf::Rng& rng) {
  const pf::Index tests = arguments.quick ? 100 : 1'000;
  const pf::Index few = arguments.quick ? 1'000 : arguments.data ? 60'000 : 20'000;
  if (!arguments.data) {
    const pf::data::Digits<> drawn = pf::data::digits(few + tests, rng);
    const Images all{drawn.images, drawn.labels};
    return {all.part(0, few), all.part(few, few + tests)};
  }
  const auto train = pf::data::load_mnist(*arguments.data, {.split = pf::data::Split::train, .limit = few});
  const auto test = pf::data::load_mnist(*arguments.data, {.split = pf::data::Split::test, .limit = tests});
  return {{train.images, train.labels}, {test.images, test.labels}};
}

// Pixels black or white, as their grey values say, as images [n, 1, 28, 28].
pf::Tensor<> coins(const pf::Tensor<>& grey, pf::Rng& rng) {
  return pf::reshape(pf::data::binarize(grey, rng), {grey.size(0), 1, 28, 28});
}

struct Reading {
  double nats, accuracy;               // of images given their labels; of all images
  std::vector<pf::Tensor<>> mistakes;  // [784]
};

// The class with the largest log p(x | class), all classes being equally likely beforehand.
template <class Model>
Reading read(const Model& model, const Images& test, pf::Rng& rng) {
  const pf::NoGradient guard;
  Reading result{0, 0, {}};
  const pf::Index n = test.images.size(0);
  for (pf::Index i = 0; i < n; i += 100) {
    const Images some = test.part(i, std::min(i + 100, n));
    const pf::Tensor<> nats = model.log_prob_by_class(coins(some.images, rng));  // [100, 10]
    const pf::Tensor<pf::Index> best = pf::argmax(nats, 1);
    for (pf::Index j = 0; j < best.size(); ++j) {
      result.nats += nats(j, some.labels(j)) / static_cast<double>(n);
      result.accuracy += best(j) == some.labels(j) ? 1 / static_cast<double>(n) : 0;
      if (best(j) != some.labels(j)) result.mistakes.push_back(pf::select(some.images, 0, j));
    }
  }
  return result;
}

void digits_by_class(const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  const auto [train, test] = load_images(arguments, rng);
  auto model = pf::gated_pixel_cnn_bernoulli({.height = 28,
                                              .width = 28,
                                              .features = arguments.quick ? 8 : arguments.number("--features"),
                                              .layers = arguments.quick ? 3 : arguments.number("--layers"),
                                              .classes = 10,
                                              .location_bias = true},  // digits are centered
                                             rng);
  std::printf("a gated PixelCNN of ten classes with %lld parameters on %lld images (%s)\n",
              static_cast<long long>(pf::count_parameters(model)), static_cast<long long>(train.images.size(0)),
              arguments.data ? "MNIST" : "drawn digits; for MNIST give its folder with --data");

  // Pixels are drawn black or white anew each time, so the model never sees the same image twice.
  const auto objective = [](const auto& m, const pf::Tensor<>& batch, const pf::Tensor<pf::Index>& labels,
                            pf::Rng& noise) { return pf::mle(m, coins(batch, noise), labels); };
  pf::fit(model, std::tuple(train.images, train.labels), objective,
          {.epochs = arguments.epochs,
           .batch_size = 32,
           .optimizer = pf::Adam({.learning_rate = 2e-3}),
           .schedule = pf::cosine_decay(),
           .ema_decay = arguments.quick ? 0.9 : 0.999},
          rng);

  std::printf("trained in %.0f s; reading %lld test images ...\n", arguments.seconds(),
              static_cast<long long>(test.images.size(0)));
  const Reading reading = read(model, test, rng);
  std::printf("test images: %.2f nats given their class; %.1f %% read right by Bayes' rule\n", reading.nats,
              100 * reading.accuracy);

  const pf::Tensor<pf::Index> asked = pf::Tensor<pf::Index>::generate({100}, [](pf::Index i) { return i / 10; });
  const pf::Tensor<> drawn = pf::reshape(model.sample(asked, rng), {100, 784});
  pf::plot::Figure figure({.rows = 1, .columns = 2, .width = 1240, .height = 660});
  figure.image_grid(0, 0, drawn, {.title = "draws, a row for each class", .columns = 10});
  std::vector<pf::Tensor<>> shown = reading.mistakes;
  shown.resize(std::min<std::size_t>(shown.size(), 100), pf::Tensor<>::zeros({784}));
  if (shown.empty()) shown.push_back(pf::Tensor<>::zeros({784}));
  figure.image_grid(0, 1, pf::stack(shown), {.title = "test images that it reads wrong", .columns = 10});
  arguments.save(figure, "digits_by_class.png");
  arguments.result(
      {{"nats", reading.nats}, {"accuracy", reading.accuracy}, {"data", arguments.data ? "mnist" : "digits"}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "digits_by_class",
       .text = "a class-conditional gated PixelCNN draws digits on demand, and reads them.\n\n"
               "It is trained on log p(image | label). By Bayes' rule the label of a test image is the one that\n"
               "makes it most likely. The picture shows draws of each class, and the images that it reads wrong.",
       .epochs = 4,
       .data = "folder with MNIST (default: $PUSHFORWARD_DATA; without, drawn digits)",
       .quick = "a small network on a thousand images",
       .extras = {{"--features", "N", "features of each stack", "24"}, {"--layers", "N", "gated layers", "6"}}},
      count, given, digits_by_class);
}
