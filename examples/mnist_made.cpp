// MADE, NADE and FVSBN learn black and white digits: exact likelihoods, draws pixel by pixel, and halves completed.
#include "images.hpp"

namespace pf = pushforward;

// 1 in the upper half of the image; `left`: in the left half.
pf::Tensor<> half(bool left) {
  return pf::Tensor<>::generate({784}, [=](pf::Index i) { return (left ? i % 28 : i / 28) < 14 ? 1.0f : 0.0f; });
}

// Rows of ten [100, 784]: five times ten images with what is known of them (the rest grey), their completions below.
template <class Model>
pf::Tensor<> completions(const Model& model, const pf::Tensor<>& images, const pf::Tensor<>& known, pf::Rng& rng) {
  const pf::Tensor<> shown = images * known + 0.3 * (1 - known), full = model.complete(images, known, rng);
  return pf::reshape(pf::stack({pf::reshape(shown, {5, 10, 784}), pf::reshape(full, {5, 10, 784})}, 1), {100, 784});
}

// `any_half`: the model completes any half, not only what comes later in the order of the pixels.
template <class Model>
void draw(const examples::Arguments& arguments, const Model& model, bool any_half, const pf::Tensor<>& test,
          const pf::History& history, pf::Rng& rng) {
  const pf::Tensor<> seen = pf::slice(test, 0, 0, 50);
  std::vector<double> epochs;
  for (const pf::EpochReport& report : history.epochs) epochs.push_back(static_cast<double>(report.epoch));
  pf::plot::Figure figure({.rows = 2, .columns = 2, .width = 1240, .height = 1280});
  figure.image_grid(0, 0, model.sample(100, rng), {.title = "draws from the model", .columns = 10});
  figure.image_grid(0, 1, completions(model, seen, half(any_half), rng),
                    {.title = "half a test image, its completion below", .columns = 10});
  figure.image_grid(1, 0, model.sample(100, rng, {.temperature = 0.8}),
                    {.title = "draws at temperature 0.8", .columns = 10});
  figure.curve(1, 1,
               {{"training", epochs, history.train_losses()}, {"validation", epochs, history.validation_losses()}},
               {.title = "minus log-likelihood", .x_label = "epoch", .y_label = "nats", .log_x = true});
  arguments.save(figure, "mnist_made.png");
}

template <class Model, class Objective>
void train_and_score(const examples::Arguments& arguments, Model model, const Objective& objective, double rate,
                     const examples::Images& images, pf::Rng& rng) {
  const pf::Index n = images.train.size(0), held = 1000;
  std::printf("%s with %lld parameters on %lld images (%s)\n", arguments.word("--model").c_str(),
              static_cast<long long>(pf::count_parameters(model)), static_cast<long long>(n - held), images.name);
  // Pixels are drawn black or white anew each time, so the model never sees the same image twice.
  const auto binarized = [&](const auto& now, const pf::Tensor<>& batch, pf::Rng& noise) {
    return pf::evaluate_objective(objective, now, pf::data::binarize(batch, noise), noise);
  };
  const pf::History history = pf::fit(model, pf::slice(images.train, 0, 0, n - held), binarized,
                                      {.epochs = arguments.epochs,
                                       .batch_size = 128,
                                       .optimizer = pf::Adam({.learning_rate = rate}),
                                       .schedule = pf::cosine_decay(),
                                       .ema_decay = 0.995,
                                       .validation = pf::slice(images.train, 0, n - held, n)},
                                      rng);
  const pf::Tensor<> test = pf::data::binarize(images.test, rng);
  std::printf("trained in %.0f s; scoring %lld test images ...\n", arguments.seconds(),
              static_cast<long long>(test.size(0)));
  const double nats = pf::negative_log_likelihood(model, test);
  std::printf("%.2f nats per test image\n", nats);
  draw(arguments, model, arguments.number("--orders") > 1, test, history, rng);
  arguments.result({{"model", arguments.word("--model").c_str()}, {"nats", nats}, {"data", images.name}});
}

void mnist_made(const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  const examples::Images images =
      examples::load_images(arguments, {.digits = 21'000, .test = arguments.data ? 0 : 1000}, rng);
  const std::string& model = arguments.word("--model");
  const pf::Index orders = arguments.number("--orders"), given = arguments.number("--hidden", 0);
  const pf::Index hidden = given ? given : model == "nade" ? 500 : 2000;
  if (orders > 1 && model != "made") pf::fail<pf::ValueError>("--orders: only a MADE has several; see --help");

  if (model == "made" && orders == 1)
    train_and_score(arguments, pf::made_bernoulli({.features = 784, .hidden = {hidden}}, rng), pf::mle, 3e-3, images,
                    rng);
  else if (model == "made")
    train_and_score(arguments, pf::made_ensemble({.features = 784, .members = orders, .hidden = {hidden}}, rng),
                    pf::any_order_mle, 2e-3, images, rng);
  else if (model == "nade")
    train_and_score(arguments, pf::nade({.features = 784, .hidden = hidden}, rng), pf::mle, 3e-3, images, rng);
  else if (model == "fvsbn")
    train_and_score(arguments, pf::fvsbn({.features = 784}, rng), pf::mle, 3e-3, images, rng);
  else
    pf::fail<pf::ValueError>("--model: there is no '", model, "'; there are made, nade, fvsbn");
}

int main(int count, char** given) {
  return examples::run(
      {.name = "mnist_made",
       .text = "autoregressive models learn black and white digits pixel by pixel.\n\n"
               "The score of new images is exact, in nats. The picture shows draws, and halves of test\n"
               "images with the other half drawn.",
       .epochs = 20,
       .data = "folder with MNIST (default: $PUSHFORWARD_DATA; without, drawn digits)",
       .extras = {{"--model", "NAME", "made, nade or fvsbn", "made"},
                  {"--orders", "K", "orders of the pixels that a MADE learns at once", "1"},
                  {"--hidden", "H", "hidden units; 0 stands for 2000, in a NADE 500", "0"}}},
      count, given, mnist_made);
}
