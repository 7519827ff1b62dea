// Glow learns handwritten digits of 8 bits: how many bits does a pixel cost, and what does it draw?
#include "arguments.hpp"

namespace pf = pushforward;

constexpr pf::Index side = 28;

struct Pixels {
  pf::Tensor<> train, validation, test;  // [n, 1, 28, 28], whole numbers 0 .. 255
};

// Pixels in [0, 1] as whole numbers.
pf::Tensor<> whole(const pf::Tensor<>& images) {
  return pf::Tensor<>::generate({images.size(0), 1, side, side},
                                [&](pf::Index i) { return std::round(255 * images.data()[i]); });
}

// MNIST where there is a folder with it, else digits that the library draws.
Pixels load_pixels(const examples::Arguments& arguments, pf::Rng& rng) {
  const pf::Index few = arguments.quick ? 512 : 0;
  if (!arguments.data) {
    const pf::Tensor<> drawn = whole(pf::data::digits(few ? 1024 : 22'000, rng).images);
    const pf::Index n = drawn.size(0), held = few ? 256 : 1000;
    return {pf::slice(drawn, 0, 0, n - 2 * held), pf::slice(drawn, 0, n - 2 * held, n - held),
            pf::slice(drawn, 0, n - held, n)};
  }
  const pf::Tensor<> train = whole(pf::data::load_mnist(*arguments.data, {.limit = few ? 2 * few : 0}).images);
  const pf::Index n = train.size(0), held = few ? few : 1000;
  return {pf::slice(train, 0, 0, n - held), pf::slice(train, 0, n - held, n),
          whole(pf::data::load_mnist(*arguments.data, {.split = pf::data::Split::test, .limit = few}).images)};
}

// Rows of ten images: straight ways through all latents, from five images to five others.
template <class Flow>
pf::Tensor<> walks(const Flow& flow, const pf::Tensor<>& from, const pf::Tensor<>& to) {
  const pf::Index n = from.size(0), d = side * side;
  const pf::Tensor<> t = pf::reshape(pf::Tensor<>::linspace(0, 1, 10), {1, 10, 1});
  const pf::Tensor<> a = pf::unsqueeze(flow.bijector().inverse(from).value, 1);
  const pf::Tensor<> b = pf::unsqueeze(flow.bijector().inverse(to).value, 1);
  return flow.bijector().forward(pf::reshape((1 - t) * a + t * b, {10 * n, d})).value;
}

template <class Model>
void draw(const examples::Arguments& arguments, const Model& model, const pf::Tensor<>& test,
          const pf::History& history, pf::Rng& rng) {
  const pf::NoGradient guard;
  const auto& flow = model.density();
  const auto shown = [&](const pf::Tensor<>& y) { return model.quantized(y) / 255.0; };
  const pf::Tensor<> centered = (test + pf::uniform(test.shape(), rng)) / 256.0 - 0.5;
  std::vector<double> epochs;
  for (const pf::EpochReport& report : history.epochs) epochs.push_back(static_cast<double>(report.epoch));
  const auto bits = [](std::vector<double> nats) {
    for (double& each : nats) each = pf::bits_per_dim(each, side * side, 1);
    return nats;
  };

  pf::plot::Figure figure({.rows = 2, .columns = 2, .width = 1240, .height = 1280});
  figure.image_grid(0, 0, shown(flow.sample(100, rng)), {.title = "draws", .columns = 10});
  figure.image_grid(0, 1, shown(pf::tempered(flow, 0.7).sample(100, rng)),
                    {.title = "draws at temperature 0.7", .columns = 10});
  figure.image_grid(1, 0, shown(walks(flow, pf::slice(centered, 0, 0, 10), pf::slice(centered, 0, 10, 20))),
                    {.title = "from one test image to another, through the latents", .columns = 10});
  figure.curve(
      1, 1,
      {{"training", epochs, bits(history.train_losses())}, {"validation", epochs, bits(history.validation_losses())}},
      {.title = "minus the log-likelihood", .x_label = "epoch", .y_label = "bits per dimension"});
  arguments.save(figure, "mnist_glow.png");
}

void mnist_glow(const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  const Pixels pixels = load_pixels(arguments, rng);

  const pf::Index steps = arguments.quick ? 2 : arguments.number("--steps");
  const pf::Index hidden = arguments.quick ? 16 : arguments.number("--hidden");
  pf::DequantizedImages model(pf::glow({.channels = 1,
                                        .height = side,
                                        .width = side,
                                        .levels = 2,
                                        .steps = steps,
                                        .hidden = {hidden, hidden},
                                        .prior = pf::LatentPrior::learned,
                                        .logit = 1e-6},
                                       rng),
                              {1, side, side});
  std::printf("Glow with %lld parameters on %lld images (%s)\n", static_cast<long long>(pf::count_parameters(model)),
              static_cast<long long>(pixels.train.size(0)),
              arguments.data ? "MNIST" : "drawn digits; for MNIST give its folder with --data");

  const pf::History history = pf::fit(model, pixels.train, pf::mle,
                                      {.epochs = arguments.epochs,
                                       .batch_size = arguments.number("--batch"),
                                       .optimizer = pf::Adam({.learning_rate = 1e-3}),
                                       .schedule = pf::cosine_decay(),
                                       .clip_norm = 100,
                                       .ema_decay = arguments.quick ? 0 : 0.999,
                                       .validation = pixels.validation},
                                      rng);

  std::printf("trained in %.0f s; scoring %lld test images ...\n", arguments.seconds(),
              static_cast<long long>(pixels.test.size(0)));
  const double nats = pf::negative_log_likelihood(
      [&](const pf::Tensor<>& x) { return model.log_likelihood(x, rng).value; }, pixels.test, {.batch_size = 200});
  const double bits = pf::bits_per_dim(nats, side * side, 1);
  std::printf("test images: %.3f bits per dimension (%.1f nats each)\n", bits, nats);
  draw(arguments, model, pixels.test, history, rng);
  arguments.result({{"bits_per_dim", bits}, {"data", arguments.data ? "mnist" : "digits"}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "mnist_glow",
       .text = "Glow, a flow on images, learns handwritten digits of 8 bits.\n\n"
               "It is trained and scored by the log-likelihood of pixels with uniform noise, in bits per\n"
               "dimension. The picture shows its draws, also at a lower temperature, and ways between test\n"
               "images through its latents.",
       .epochs = 10,
       .data = "folder with MNIST (default: $PUSHFORWARD_DATA; without, drawn digits)",
       .quick = "a small flow on few images",
       .extras = {{"--steps", "K", "steps of flow in each of the two levels", "8"},
                  {"--hidden", "H", "channels inside the couplings' networks", "64"},
                  {"--batch", "N", "images in a batch", "64"}}},
      count, given, mnist_glow);
}
