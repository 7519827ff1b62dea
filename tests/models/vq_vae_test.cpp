// VqVae: images that a codebook can hold are found, by fit and by hand, with the same bits, with every quantizer.
#include <cstdio>
#include <string>

#include <unistd.h>

#include <pushforward/models/heads.hpp>
#include <pushforward/models/normal_head.hpp>
#include <pushforward/models/vq_vae.hpp>
#include <pushforward/nn/finite_scalar_quantizer.hpp>
#include <pushforward/nn/lookup_free_quantizer.hpp>
#include <pushforward/nn/residual_quantizer.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Tensor;

namespace {

// Images [n, 1, 8, 8] of four patches of 4 x 4, each of one of six levels of grey: six codes say it all.
Tensor<> patches(Index n, pf::Rng& rng) {
  const auto level =
      Tensor<>::generate({n, 1, 2, 1, 2, 1}, [&](Index) { return 0.2f * static_cast<float>(rng.uniform_index(6)); });
  return pf::reshape(pf::expand(level, {n, 1, 2, 4, 2, 4}), {n, 1, 8, 8});
}

// Short trainings ask for a short memory.
pf::VqVaeOptions small(const pf::VectorQuantizerOptions& quantizer = {.decay = 0.9}) {
  return {.network = {.hidden = 16, .residual = 8, .features = 4}, .codes = 8, .quantizer = quantizer};
}

pf::FitOptions options(Index epochs) {
  return {.epochs = epochs,
          .batch_size = 32,
          .optimizer = pf::Adam({.learning_rate = 5e-3}),
          .progress = pf::Progress::off};
}

double error(const Tensor<>& a, const Tensor<>& b) { return pf::mean(pf::square(a - b)).item(); }

template <class M>
bool same_model(const M& a, const M& b) {
  const auto x = pf::named_tensors(a), y = pf::named_tensors(b);
  if (x.size() != y.size()) return false;
  for (std::size_t i = 0; i < x.size(); ++i)
    if (!std::visit(
            [&](const auto& t) { return t.to_vector() == std::get<std::decay_t<decltype(t)>>(y[i].value).to_vector(); },
            x[i].value))
      return false;
  return true;
}

struct TemporaryFile {
  std::string path = "/tmp/pushforward_vq_vae_test_" + std::to_string(getpid()) + ".safetensors";
  ~TemporaryFile() { std::remove(path.c_str()); }
};

}  // namespace

TEST_CASE("a vector-quantized autoencoder finds the levels that its images are made of") {
  for (const auto& quantizer : {pf::VectorQuantizerOptions{.decay = 0.9},
                                pf::VectorQuantizerOptions{.gradient = pf::QuantizerGradient::rotation, .decay = 0.9},
                                pf::VectorQuantizerOptions{.update = pf::CodebookUpdate::gradient}}) {
    pf::Rng rng(1);
    const Tensor<> images = patches(256, rng), test = patches(64, rng);
    auto vae = pf::vq_vae(small(quantizer), rng);
    const double before = error(vae.reconstruct(test), test);
    pf::fit(vae, images, pf::vq_loss(), options(40), rng);
    CHECK(before > 0.1);  // the variance is 0.117
    CHECK(error(vae.reconstruct(test), test) < 0.01);
    const Tensor<Index> codes = vae.codes(test);
    REQUIRE(codes.shape() == pf::Shape{64, 2, 2});
    CHECK(pf::code_perplexity(codes, 8) > 4.5);  // six levels: about 6 if each has one code
    CHECK(error(vae.decode_codes(codes), vae.reconstruct(test)) == 0);
    CHECK(vae.code_shape({1, 8, 8}) == pf::Shape{2, 2});
  }
}

TEST_CASE("training a vector-quantized autoencoder gives the same bits, resumed or not, on any number of threads") {
  pf::Rng data(2);
  const Tensor<> images = patches(96, data);
  const auto trained = [&](Index epochs, int threads, const std::string& file, bool resume) {
    const int before = pf::num_threads();
    pf::set_num_threads(threads);
    pf::Rng rng(3);
    // Codes die and are revived on the way, from random numbers.
    auto vae = pf::vq_vae(small({.decay = 0.8, .revive_below = 0.3}), rng);
    auto how = options(epochs);
    how.checkpoint = file;
    how.resume = resume;
    pf::fit(vae, images, pf::vq_loss(), how, rng);
    pf::set_num_threads(before);
    return vae;
  };
  const TemporaryFile file;
  const auto straight = trained(4, 1, "", false);
  CHECK(same_model(straight, trained(4, 2, "", false)));
  const auto half = trained(2, 1, file.path, false);
  CHECK_FALSE(same_model(straight, half));
  CHECK(same_model(straight, trained(4, 1, file.path, true)));

  pf::save(straight, file.path);
  pf::Rng other(17);
  auto loaded = pf::vq_vae(small(), other);
  pf::load(loaded, file.path);
  CHECK(error(loaded.reconstruct(images), straight.reconstruct(images)) == 0);
}

TEST_CASE("a loop written by hand trains the codebook, too, and evaluation leaves it alone") {
  pf::Rng rng(4);
  const Tensor<> images = patches(128, rng);
  auto vae = pf::vq_vae(small(), rng);
  vae.initialize(images, rng);
  pf::Adam adam({.learning_rate = 5e-3});
  const auto loss_of = pf::vq_loss();
  double first = 0, last = 0;
  const Tensor<> start = vae.quantizer().codebook();
  for (int epoch = 0; epoch < 12; ++epoch)
    for (const Tensor<>& batch : pf::batches(images, 32, rng)) {
      const Tensor<> loss = loss_of(vae, batch, rng);
      adam.step(vae, pf::gradient(loss, vae));
      last = loss.item();
      if (first == 0) first = last;
    }
  CHECK(last < 0.5 * first);
  CHECK(error(start, vae.quantizer().codebook()) > 1e-6);
  pf::evaluate(vae);
  const Tensor<> before = vae.quantizer().codebook();
  const auto terms = vae.terms(images, rng);
  CHECK(error(before, vae.quantizer().codebook()) == 0);
  CHECK(pf::mean(terms.reconstruction).item() == Approx(error(vae.reconstruct(images), images)).epsilon(1e-4));
  CHECK(loss_of(vae, images, rng).item() ==
        Approx(terms.reconstruction.mean() + terms.quantization.mean()).epsilon(1e-5));
}

TEST_CASE("examples can be weighted in the loss of a vector-quantized autoencoder") {
  pf::Rng rng(5);
  auto vae = pf::vq_vae<double>(small(), rng);
  pf::evaluate(vae);
  const auto images = pf::cast<double>(patches(6, rng));
  const Tensor<double> w({6}, {1, 2, 3, 4, 5, 6});
  const auto terms = vae.terms(images, rng);
  CHECK(pf::vq_loss()(vae, images, rng, pf::ExampleMean(w)).item() ==
        Approx(((terms.reconstruction + terms.quantization) * w).sum() / 21).epsilon(1e-12));
}

TEST_CASE("every quantizer serves in an autoencoder") {
  pf::Rng rng(6);
  const Tensor<> images = patches(128, rng);
  const pf::VqNetworkOptions network{.hidden = 12, .residual = 6, .features = 4};
  const auto learns = [&](auto quantizer, const pf::Shape& code_shape) {
    pf::VqVae vae(pf::VqEncoder<>(network, rng), pf::VqDecoder<>(network, rng), quantizer);
    CHECK(vae.code_shape({1, 8, 8}) == code_shape);
    const double before = error(vae.reconstruct(images), images);
    pf::fit(vae, images, pf::vq_loss(), options(10), rng);
    const Tensor<Index> codes = vae.codes(images);
    CHECK(codes.min() >= 0);
    CHECK(codes.max() < vae.quantizer().levels());
    CHECK(error(vae.reconstruct(images), images) < 0.5 * before);
  };
  learns(pf::VectorQuantizer<>(8, 4, rng), {2, 2});
  learns(pf::ResidualQuantizer<>(2, 4, 4, rng), {2, 2, 2});
  learns(pf::ProductQuantizer<>(2, 4, 4, rng), {2, 2, 2});
  learns(pf::FiniteScalarQuantizer<>({5, 4, 3, 3}), {2, 2});
  learns(pf::LookupFreeQuantizer<>(4), {2, 2});
}

TEST_CASE("a decoder may be a distribution, whose likelihood is then the reconstruction") {
  pf::Rng rng(7);
  const pf::VqNetworkOptions network{.hidden = 8, .residual = 4, .features = 3};
  pf::VqVae gaussian(pf::VqEncoder<double>(network, rng), pf::NormalHead(pf::VqDecoder<double>(network, rng), 0.5),
                     pf::VectorQuantizer<double>(8, 3, rng));
  pf::evaluate(gaussian);
  const auto images = pf::cast<double>(patches(5, rng));
  const auto mean = gaussian.reconstruct(images);
  // log N(x; mean, 0.5^2) per number.
  const auto expected =
      pf::mean(pf::square((images - mean) / 0.5), {1, 2, 3}) * 0.5 + std::log(0.5 * std::sqrt(2 * M_PI));
  CHECK(pf::max(pf::abs(gaussian.terms(images, rng).reconstruction - expected)).item() < 1e-12);
  pf::testing::check_module(gaussian, [&](const auto& model) {
    pf::Rng noise(1);
    const auto terms = model.terms(images, noise);
    return terms.reconstruction + terms.quantization;
  });

  pf::VqVae bernoulli(pf::VqEncoder<>(network, rng), pf::BernoulliHead(pf::VqDecoder<>(network, rng)),
                      pf::VectorQuantizer<>(8, 3, rng));
  const Tensor<> binary = patches(128, rng) > 0.5;
  const auto history = pf::fit(bernoulli, binary, pf::vq_loss(), options(40), rng);
  CHECK(history.train_losses().back() < 0.7 * history.train_losses().front());
  CHECK(bernoulli.reconstruct(binary).min() >= 0);
  CHECK(bernoulli.reconstruct(binary).max() <= 1);
}

TEST_CASE("more halvings, or none, mirror each other") {
  pf::Rng rng(8);
  for (const Index halvings : {0, 1, 2, 3}) {
    const pf::VqNetworkOptions network{
        .channels = 3, .hidden = 6, .residual = 2, .blocks = 2, .halvings = halvings, .features = 5};
    const pf::VqEncoder<> encoder(network, rng);
    const pf::VqDecoder<> decoder(network, rng);
    const Index factor = Index{1} << halvings;
    const auto z = encoder(Tensor<>::zeros({2, 3, 8, 16}));
    CHECK(z.shape() == pf::Shape{2, 5, 8 / factor, 16 / factor});
    CHECK(decoder(z).shape() == pf::Shape{2, 3, 8, 16});
  }
}

TEST_CASE("vector-quantized autoencoders say what they cannot do") {
  pf::Rng rng(9);
  auto vae = pf::vq_vae(small(), rng);
  CHECK_THROWS_WITH(vae.reconstruct(Tensor<>::zeros({2, 1, 27, 29})), ContainsSubstring("multiples of 4"));
  CHECK_THROWS_WITH(vae.codes(Tensor<>::zeros({2, 3, 28, 28})), ContainsSubstring("expected [n, 1, h, w]"));
  CHECK_THROWS_AS(vae.codes(Tensor<>::zeros({2, 784})), pf::ShapeError);
  CHECK_THROWS_AS(vae.codes(Tensor<>::zeros({2, 1, 2, 2})), pf::ShapeError);
  CHECK_THROWS_AS(vae.codes(Tensor<>::zeros({0, 1, 8, 8})), pf::ShapeError);
  CHECK_THROWS_AS(vae.terms(Tensor<>(), rng), pf::ShapeError);
  CHECK_THROWS_AS(vae.decode_codes(Tensor<Index>::full({1, 2, 2}, 8)), pf::IndexError);
  CHECK_THROWS_AS(pf::vq_vae({.codes = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::vq_vae({.network = {.hidden = 1}}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::vq_vae({.network = {.blocks = -1}}, rng), pf::ValueError);
  // Vectors of another size than the codebook's, and a decoder that does not undo the encoder.
  const pf::VqNetworkOptions four{.hidden = 8, .features = 4}, three{.hidden = 8, .halvings = 1, .features = 4};
  const pf::VqVae wide(pf::VqEncoder<>(four, rng), pf::VqDecoder<>(four, rng), pf::VectorQuantizer<>(8, 5, rng));
  CHECK_THROWS_WITH(wide.codes(Tensor<>::zeros({2, 1, 8, 8})), ContainsSubstring("expected [n, 5, ..]"));
  const pf::VqVae uneven(pf::VqEncoder<>(four, rng), pf::VqDecoder<>(three, rng), pf::VectorQuantizer<>(8, 4, rng));
  CHECK_THROWS_WITH(uneven.terms(Tensor<>::zeros({2, 1, 8, 8}), rng), ContainsSubstring("[2, 1, 4, 4]"));
  CHECK_THROWS_AS(uneven.reconstruct(Tensor<>::zeros({2, 1, 8, 8})), pf::ShapeError);
  CHECK_THROWS_AS(pf::NormalHead(pf::VqDecoder<>(four, rng), 0.0), pf::ValueError);
  const pf::VqEncoder<> empty;
  CHECK_THROWS_WITH(empty(Tensor<>::zeros({2, 1, 8, 8})), ContainsSubstring("no layers yet"));
}
