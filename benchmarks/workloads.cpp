// Runs the workloads. Those here are written on the core, as its users would write them; the others go through models.
#include <cmath>
#include <cstring>

#include <pushforward/nn/linear.hpp>
#include <pushforward/ops/elementwise.hpp>
#include <pushforward/training/adam.hpp>

#include "workloads.hpp"

namespace pf = pushforward;
using pf::Activation, pf::Index, pf::Mlp, pf::Rng, pf::Shape, pf::Tensor;

namespace {

constexpr double log_2pi = 1.83787706640934548356;

// Sixteen batches made beforehand and cycled.
class Batches {
 public:
  template <class Make>
  explicit Batches(const Make& make) {
    for (int i = 0; i < 16; ++i) batches_.push_back(make());
  }
  const Tensor<>& next() { return batches_[++at_ % batches_.size()]; }

 private:
  std::vector<Tensor<>> batches_;
  std::size_t at_ = 0;
};

// 2 * rows * in * out of each product of a dense network, times the number of products: forward, and backward to the
// weights and (but for the first layer) to the input.
double dense_flops(double rows, const std::vector<double>& widths, double forward, double to_weights,
                   double to_inputs) {
  double total = 0;
  for (std::size_t i = 0; i + 1 < widths.size(); ++i)
    total += 2 * rows * widths[i] * widths[i + 1] * (forward + to_weights + (i ? to_inputs : 0));
  return total;
}

struct RealNvp {
  std::vector<Mlp<>> nets;
  explicit RealNvp(Rng& rng) {
    for (int i = 0; i < 8; ++i) nets.emplace_back(std::vector<Index>{1, 64, 64, 2}, rng);
  }
  // The negative log-density of x [n, 2], each half as a column.
  Tensor<> loss(const Tensor<>& x) const {
    auto [a, b] = pf::split<2>(x);
    Tensor<> log_det;
    for (const Mlp<>& net : nets) {
      const auto [r, t] = pf::split<2>(net(a));
      const Tensor<> s = pf::tanh(r);
      b = pf::elementwise([](auto b_, auto s_, auto t_) { return b_ * exp(s_) + t_; }, b, s, t);
      log_det = log_det.empty() ? s : log_det + s;
      std::swap(a, b);
    }
    auto nats = [](auto a_, auto b_, auto l) { return 0.5 * (a_ * a_ + b_ * b_) + log_2pi - l; };
    return pf::mean(pf::elementwise(nats, a, b, log_det));
  }
  static void members(auto& self, auto&& visit) { visit("nets", self.nets); }
};

benchmark::Workload realnvp2d_train() {
  Rng rng(0);
  return {"realnvp2d_train", "steps/s", 1, 8 * dense_flops(512, {1, 64, 64, 2}, 1, 1, 1),
          [model = RealNvp(rng), adam = pf::Adam(), data = Batches([&] {
                                                      return pf::normal({512, 2}, rng);
                                                    })]() mutable {
            adam.step(model, pf::gradient(model.loss(data.next()), model));
          }};
}

struct AutoEncoder {
  Mlp<> encoder, decoder;
  static void members(auto& self, auto&& visit) {
    visit("encoder", self.encoder);
    visit("decoder", self.decoder);
  }
};

Tensor<> binary_image(const Shape& shape, Rng& rng) { return pf::bernoulli(Tensor<>::full(shape, 0.3f), rng); }

// log p(x | logits) of binary x, elementwise.
constexpr auto bernoulli_log_prob = [](auto x, auto logit) { return x * logit - softplus(logit); };

benchmark::Workload vae_mlp_train() {
  Rng rng(0);
  AutoEncoder model{Mlp<>({784, 400, 40}, rng), Mlp<>({20, 400, 784}, rng)};
  auto loss = [](const AutoEncoder& m, const Tensor<>& x, Rng& noise) {
    const auto [mu, log_var] = pf::split<2>(m.encoder(x));
    const Tensor<> eps = pf::normal(mu.shape(), noise);
    const Tensor<> z = pf::elementwise([](auto u, auto v, auto e) { return u + exp(0.5 * v) * e; }, mu, log_var, eps);
    const Tensor<> fit = pf::sum(pf::elementwise(bernoulli_log_prob, x, m.decoder(z)));
    const Tensor<> kl =
        pf::sum(pf::elementwise([](auto u, auto v) { return 0.5 * (u * u + exp(v) - 1.0 - v); }, mu, log_var));
    return (kl - fit) / 128;
  };
  return {"vae_mlp_train", "steps/s", 1,
          dense_flops(128, {784, 400, 40}, 1, 1, 1) + dense_flops(128, {20, 400, 784}, 1, 1, 1) + 2 * 128.0 * 20 * 400,
          [=, adam = pf::Adam(), noise = Rng(1), data = Batches([&] {
                                                   return binary_image({128, 784}, rng);
                                                 })]() mutable {
            adam.step(model, pf::gradient(loss(model, data.next(), noise), model));
          }};
}

benchmark::Workload iwae_mlp_train() {
  constexpr Index k = 50, rows = 20, latent = 50;
  Rng rng(0);
  AutoEncoder model{Mlp<>({784, 200, 200, 2 * latent}, rng, {.activation = Activation::tanh}),
                    Mlp<>({latent, 200, 200, 784}, rng, {.activation = Activation::tanh})};
  auto loss = [](const AutoEncoder& m, const Tensor<>& x, Rng& noise) {
    const auto [mu, log_var] = pf::split<2>(m.encoder(x));
    const Tensor<> eps = pf::normal({k, rows, latent}, noise);
    const Tensor<> z = pf::elementwise([](auto u, auto v, auto e) { return u + exp(0.5 * v) * e; }, mu, log_var, eps);
    const Tensor<> fit = pf::sum(pf::elementwise(bernoulli_log_prob, x, m.decoder(z)), -1);
    // log p(z) - log q(z | x); the constants cancel
    const Tensor<> ratio = pf::sum(
        pf::elementwise([](auto e, auto v, auto z_) { return 0.5 * (e * e + v - z_ * z_); }, eps, log_var, z), -1);
    return pf::mean(std::log(static_cast<float>(k)) - pf::logsumexp(fit + ratio, 0));
  };
  return {"iwae_mlp_train", "steps/s", 1,
          dense_flops(rows, {784, 200, 200, 100}, 1, 1, 1) + dense_flops(k * rows, {50, 200, 200, 784}, 1, 1, 1) +
              2.0 * k * rows * 50 * 200,
          [=, adam = pf::Adam(), noise = Rng(1), data = Batches([&] {
                                                   return binary_image({rows, 784}, rng);
                                                 })]() mutable {
            adam.step(model, pf::gradient(loss(model, data.next(), noise), model));
          }};
}

struct Named {
  const char* name;
  benchmark::Workload (*make)();
};
constexpr Named workloads[] = {{"realnvp2d_train", realnvp2d_train},
                               {"vae_mlp_train", vae_mlp_train},
                               {"iwae_mlp_train", iwae_mlp_train},
                               {"wgan_gp2d_train", benchmark::wgan_gp2d_train},
                               {"ebm_sgld_train", benchmark::ebm_sgld_train},
                               {"maf_tabular_train", benchmark::maf_tabular_train},
                               {"nsf_coupling_train", benchmark::nsf_coupling_train},
                               {"ffjord2d_train", benchmark::ffjord2d_train},
                               {"flow_matching2d_train", benchmark::flow_matching2d_train},
                               {"flow_matching2d_sample", benchmark::flow_matching2d_sample},
                               {"pixelcnn_train", benchmark::pixelcnn_train},
                               {"pixelcnn_sample", benchmark::pixelcnn_sample},
                               {"gpt_char_train", benchmark::gpt_char_train},
                               {"gpt_char_sample", benchmark::gpt_char_sample},
                               {"vqvae_train", benchmark::vqvae_train},
                               {"glow_train", benchmark::glow_train}};

}  // namespace

// workloads [--threads N] [--seconds S] [--list] [NAME ...]
int main(int argc, char** argv) {
  benchmark::Settings settings;
  std::vector<std::string> wanted;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--threads") && i + 1 < argc) {
      settings.threads = std::atoi(argv[++i]);
    } else if (!std::strcmp(argv[i], "--seconds") && i + 1 < argc) {
      settings.seconds = std::atof(argv[++i]);
    } else if (!std::strcmp(argv[i], "--list")) {
      for (const Named& each : workloads) std::printf("%s\n", each.name);
      return 0;
    } else {
      wanted.emplace_back(argv[i]);
    }
  }
  pf::set_num_threads(settings.threads);
  for (const auto& [name, make] : workloads) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
    const benchmark::Workload workload = make();
    const double peak = benchmark::peak_flops();
    benchmark::report(workload, benchmark::measure(workload.step, settings.seconds), settings, peak);
  }
  return 0;
}
