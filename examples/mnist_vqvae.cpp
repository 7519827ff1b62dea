// An autoencoder turns handwritten digits into 49 whole numbers each, and a PixelCNN learns which ones go together.
#include "images.hpp"

namespace pf = pushforward;

// Levels of gray for a code, so that maps of codes can be looked at: codes of bright patches are bright.
pf::Tensor<> pictures_of(const pf::Tensor<pf::Index>& codes, const pf::Tensor<>& brightness) {
  const pf::Index n = codes.size(0), side = codes.size(1);
  const pf::Tensor<> small =
      pf::reshape(pf::index_select(brightness, 0, pf::reshape(codes, {codes.size()})), {n, 1, side, side});
  return pf::reshape(pf::resize(small, {28, 28}, pf::ResizeMode::nearest), {n, 784});
}

template <class Model>
void draw(const examples::Arguments& arguments, const Model& model, const pf::Tensor<>& test,
          const pf::History& history, pf::Rng& rng) {
  const pf::NoGradient guard;
  const auto& vae = model.autoencoder();
  const pf::Tensor<> seen = pf::slice(test, 0, 0, 50);
  const auto flat = [](const pf::Tensor<>& x) { return pf::reshape(x, {x.size(0) / 10, 10, 784}); };
  const auto rows = [&](const pf::Tensor<>& above, const pf::Tensor<>& below) {
    return pf::reshape(pf::stack({flat(above), flat(below)}, 1), {2 * above.size(0), 784});  // row under row
  };
  const pf::Tensor<pf::Index> every = pf::Tensor<pf::Index>::generate(
      {vae.quantizer().levels(), 7, 7}, [](pf::Index i) { return i / 49; });  // 49 times the same code
  const pf::Tensor<> brightness =
      pf::clamp(pf::mean(pf::reshape(vae.decode_codes(every), {vae.quantizer().levels(), 784}), 1), 0.0, 1.0);
  std::vector<double> epochs;
  for (const pf::EpochReport& report : history.epochs) epochs.push_back(static_cast<double>(report.epoch));

  pf::plot::Figure figure({.rows = 2, .columns = 2, .width = 1240, .height = 1280});
  figure.image_grid(0, 0, pf::clamp(pf::reshape(model.sample(100, rng), {100, 784}), 0.0, 1.0),
                    {.title = "draws: codes from the prior, decoded", .columns = 10});
  figure.image_grid(0, 1, pf::clamp(rows(seen, vae.reconstruct(seen)), 0.0, 1.0),
                    {.title = "test images, from their 49 codes below", .columns = 10});
  figure.image_grid(1, 0, rows(seen, pictures_of(vae.codes(seen), brightness)),
                    {.title = "test images, their codes below", .columns = 10});
  figure.curve(1, 1, {{"training", epochs, history.train_losses()}, {"test", epochs, history.validation_losses()}},
               {.title = "the prior: minus log-likelihood of codes", .x_label = "epoch", .y_label = "nats per code"});
  arguments.save(figure, "mnist_vqvae.png");
}

void mnist_vqvae(const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  const pf::Index count = arguments.quick ? 2000 : 0, codes = arguments.number("--codes", 2);
  const examples::Images images =
      examples::load_images(arguments, {.mnist = count, .digits = arguments.quick ? count : 10'000}, rng);
  const auto as_images = [](const pf::Tensor<>& x) { return pf::reshape(x, {x.size(0), 1, 28, 28}); };
  const pf::Tensor<> train = as_images(images.train), test = as_images(images.test);

  auto vae = pf::vq_vae({.network = {.hidden = 64, .residual = 32, .features = 16}, .codes = codes}, rng);
  std::printf("an autoencoder with %lld codes and %lld parameters on %lld images (%s)\n", static_cast<long long>(codes),
              static_cast<long long>(pf::count_parameters(vae)), static_cast<long long>(train.size(0)), images.name);
  pf::fit(vae, train, pf::vq_loss(),
          {.epochs = arguments.epochs,
           .batch_size = 64,
           .optimizer = pf::Adam({.learning_rate = 1e-3}),
           .schedule = pf::cosine_decay()},
          rng);
  const pf::Tensor<pf::Index> test_codes = vae.codes(test);
  const double error = pf::mean(pf::square(vae.reconstruct(test) - test)).item();
  const double perplexity = pf::code_perplexity(test_codes, codes);
  std::printf("squared error of the test images %.5f, perplexity of their codes %.1f of %lld\n", error, perplexity,
              static_cast<long long>(codes));

  auto prior = pf::gated_pixel_cnn_categorical(
      {.height = 7, .width = 7, .levels = codes, .embedding = 32, .features = 64, .first_kernel = 5}, rng);
  const pf::Tensor<> prior_data = pf::prior_data(prior, vae.codes(train)),
                     prior_test = pf::prior_data(prior, test_codes);
  const pf::Index prior_epochs = arguments.number("--prior-epochs");
  const pf::History history = pf::fit(prior, prior_data, pf::next_token,
                                      {.epochs = arguments.quick ? arguments.epochs : prior_epochs,
                                       .batch_size = 64,
                                       .optimizer = pf::Adam({.learning_rate = 1e-3}),
                                       .schedule = pf::cosine_decay(),
                                       .ema_decay = 0.999,
                                       .validation = prior_test},
                                      rng);
  const pf::VqGenerator model(vae, prior, {7, 7});
  const double nats = model.code_log_prob(test).mean();
  std::printf("log-likelihood of the test images' codes: %.2f nats, %.3f a code\n", nats, nats / 49);
  draw(arguments, model, test, history, rng);
  arguments.result({{"mse", error}, {"perplexity", perplexity}, {"code_nats", nats}, {"data", images.name}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "mnist_vqvae",
       .text = "an autoencoder turns handwritten digits into 49 codes each, a PixelCNN learns them.\n\n"
               "The first is trained by squared error with a codebook of moving averages, the second on\n"
               "the codes. The picture shows draws of both together, reconstructions, and codes.",
       .epochs = 20,
       .data = "folder with MNIST (default: $PUSHFORWARD_DATA; without, drawn digits)",
       .quick = "2000 images only, and --epochs for the prior, too",
       .extras = {{"--codes", "K", "entries of the codebook", "128"},
                  {"--prior-epochs", "N", "passes over the codes to train the prior", "15"}}},
      count, given, mnist_vqvae);
}
