// A variational autoencoder learns handwritten digits: how likely are new ones, and what does it draw?
#include "arguments.hpp"

namespace pf = pushforward;

struct Images {
  pf::Tensor<> train, validation, test;  // [n, 784] in [0, 1]
};

// MNIST where there is a folder with it, else digits that the library draws.
Images load_images(const examples::Arguments& arguments, pf::Rng& rng) {
  if (!arguments.data) {
    const pf::Tensor<> drawn = pf::data::digits(22'000, rng).images;
    return {pf::slice(drawn, 0, 0, 20'000), pf::slice(drawn, 0, 20'000, 21'000), pf::slice(drawn, 0, 21'000, 22'000)};
  }
  const pf::Tensor<> train = pf::data::load_mnist(*arguments.data, pf::data::Split::train).images;
  return {pf::slice(train, 0, 0, 59'000), pf::slice(train, 0, 59'000, 60'000),
          pf::data::load_mnist(*arguments.data, {.split = pf::data::Split::test, .limit = 1000}).images};
}

// Rows of ten images [100, 784]: the way from one code to another, decoded.
template <class Vae>
pf::Tensor<> walks(const Vae& vae, const pf::Tensor<>& from, const pf::Tensor<>& to) {
  const pf::Tensor<> t = pf::reshape(pf::Tensor<>::linspace(0, 1, 10), {1, 10, 1});
  const pf::Tensor<> a = pf::unsqueeze(vae.encode(from).mean(), 1), b = pf::unsqueeze(vae.encode(to).mean(), 1);
  return pf::reshape(vae.decode((1 - t) * a + t * b).mean(), {100, 784});  // [10, 10, latent] -> [100, 784]
}

template <class Vae>
void draw(const examples::Arguments& arguments, const Vae& vae, const pf::Tensor<>& test, const pf::History& history,
          pf::Rng& rng) {
  const pf::NoGradient guard;
  const pf::Tensor<> seen = pf::reshape(pf::slice(test, 0, 0, 50), {5, 10, 784});
  const pf::Tensor<> pairs = pf::reshape(pf::stack({seen, vae.reconstruct(seen)}, 1), {100, 784});  // row under row
  std::vector<double> epochs;
  for (const pf::EpochReport& report : history.epochs) epochs.push_back(static_cast<double>(report.epoch));

  pf::plot::Figure figure({.rows = 2, .columns = 2, .width = 1240, .height = 1280});
  figure.image_grid(0, 0, vae.decode(vae.prior().sample(100, rng)).mean(),
                    {.title = "draws from the model", .columns = 10});
  figure.image_grid(0, 1, pairs, {.title = "test images, their reconstructions below", .columns = 10});
  figure.image_grid(1, 0, walks(vae, pf::slice(test, 0, 50, 60), pf::slice(test, 0, 60, 70)),
                    {.title = "from one code to another", .columns = 10});
  figure.curve(1, 1,
               {{"training", epochs, history.train_losses()}, {"validation", epochs, history.validation_losses()}},
               {.title = "minus the evidence lower bound", .x_label = "epoch", .y_label = "nats", .log_x = true});
  arguments.save(figure, "mnist_vae.png");
}

void mnist_vae(const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  const Images images = load_images(arguments, rng);

  const pf::Index latent = 40;
  const pf::MlpOptions tanh{.activation = pf::Activation::tanh};
  pf::Vae vae(pf::GaussianHead(pf::Mlp({784, 300, 300, 2 * latent}, rng, tanh)),  // x -> q(z | x)
              pf::BernoulliHead(pf::Mlp({latent, 300, 300, 784}, rng, tanh)),     // z -> p(x | z)
              latent);                                                            // p(z) = N(0, I)
  std::printf("a variational autoencoder with %lld parameters on %lld images (%s)\n",
              static_cast<long long>(pf::count_parameters(vae)), static_cast<long long>(images.train.size(0)),
              arguments.data ? "MNIST" : "drawn digits; for MNIST give its folder with --data");

  // Pixels are drawn black or white anew each time, so the model never sees the same image twice.
  const auto objective = [elbo = pf::elbo()](const auto& model, const pf::Tensor<>& batch, pf::Rng& noise) {
    return elbo(model, pf::data::binarize(batch, noise), noise);
  };
  const pf::History history = pf::fit(vae, images.train, objective,
                                      {.epochs = arguments.epochs,
                                       .batch_size = 64,
                                       .optimizer = pf::Adam({.learning_rate = 1e-3}),
                                       .schedule = pf::cosine_decay(),
                                       .ema_decay = 0.999,
                                       .validation = images.validation},
                                      rng);

  const pf::Tensor<> test = pf::data::binarize(images.test, rng);
  std::printf("trained in %.0f s; scoring %lld test images ...\n", arguments.seconds(),
              static_cast<long long>(test.size(0)));
  const double nats = pf::importance_log_likelihood(vae, test, {.particles = 500}, rng).mean();
  std::printf("mean log-likelihood of the test images: %.2f nats\n", nats);
  draw(arguments, vae, test, history, rng);
  arguments.result({{"nats", nats}, {"data", arguments.data ? "mnist" : "digits"}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "mnist_vae",
       .text = "a variational autoencoder learns handwritten digits.\n\n"
               "It is trained on the evidence lower bound and scored by importance sampling (500 draws an\n"
               "image). The picture shows its draws, reconstructions, and walks between codes.",
       .epochs = 150,
       .data = "folder with MNIST (default: $PUSHFORWARD_DATA; without, drawn digits)"},
      count, given, mnist_vae);
}
