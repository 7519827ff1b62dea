// Whole training and sampling steps of small models, each written as a user of the core would write it.
#include <cmath>
#include <cstring>

#include <pushforward/nn/linear.hpp>
#include <pushforward/ops/elementwise.hpp>
#include <pushforward/training/adam.hpp>

#include "harness.hpp"

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

benchmark::Workload wgan_gp2d_train() {
  constexpr Index n = 256;
  Rng rng(0);
  Mlp<> generator({2, 128, 128, 2}, rng), critic({2, 128, 128, 1}, rng);
  auto critic_loss = [](const Mlp<>& d, const Tensor<>& real, const Tensor<>& fake, Rng& noise) {
    const Tensor<> mix = pf::uniform({n, 1}, noise);
    const Tensor<> xi = pf::variable(fake + mix * (real - fake));
    const Tensor<> slope = pf::gradient(pf::sum(d(xi)), xi, {.create_graph = true});
    const Tensor<> length = pf::sqrt(pf::sum(pf::square(slope), 1) + 1e-12);
    const auto scores = pf::split<2>(d(pf::concat({fake, real})), 0);
    return pf::mean(scores[0]) - pf::mean(scores[1]) + 10 * pf::mean(pf::square(length - 1));
  };
  const pf::AdamOptions options{.learning_rate = 1e-4, .beta1 = 0.5, .beta2 = 0.9};
  // Critic: the generator's pass; two passes with weight gradients; the penalty's forward, backward, and backward of
  // that.
  const double critic_flops = dense_flops(n, {2, 128, 128, 2}, 1, 0, 0) +
                              2 * dense_flops(n, {2, 128, 128, 1}, 1, 1, 1) + dense_flops(n, {2, 128, 128, 1}, 2, 1, 1);
  const double generator_flops = dense_flops(n, {2, 128, 128, 2}, 1, 1, 1) + dense_flops(n, {2, 128, 128, 1}, 2, 0, 0);
  return {"wgan_gp2d_train", "steps/s", 1, 5 * critic_flops + generator_flops,
          [=, g_adam = pf::Adam(options), d_adam = pf::Adam(options), noise = Rng(1), data = Batches([&] {
                                                                                        return pf::normal({n, 2}, rng);
                                                                                      })]() mutable {
            for (int i = 0; i < 5; ++i) {
              Tensor<> fake;
              {
                pf::NoGradient guard;
                fake = generator(pf::normal({n, 2}, noise));
              }
              d_adam.step(critic, pf::gradient(critic_loss(critic, data.next(), fake, noise), critic));
            }
            const Tensor<> loss = -pf::mean(critic(generator(pf::normal({n, 2}, noise))));
            g_adam.step(generator, pf::gradient(loss, generator));
          }};
}

benchmark::Workload ebm_sgld_train() {
  constexpr Index n = 256;
  Rng rng(0);
  Mlp<> energy({2, 128, 128, 1}, rng, {.activation = Activation::silu});
  return {"ebm_sgld_train", "steps/s", 1,
          20 * dense_flops(n, {2, 128, 128, 1}, 2, 0, 0) + dense_flops(2 * n, {2, 128, 128, 1}, 1, 1, 1),
          [=, adam = pf::Adam(), noise = Rng(1), chains = pf::normal({n, 2}, rng), data = Batches([&] {
                                                                                     return pf::normal({n, 2}, rng);
                                                                                   })]() mutable {
            for (int i = 0; i < 20; ++i) {
              const Tensor<> x = pf::variable(chains);
              const Tensor<> slope = pf::gradient(pf::sum(energy(x)), x);
              pf::NoGradient guard;
              chains = pf::elementwise([](auto u, auto g, auto e) { return u - 0.005 * g + 0.1 * e; }, chains, slope,
                                       pf::normal({n, 2}, noise));
            }
            const auto [positive, negative] = pf::split<2>(energy(pf::concat({data.next(), chains})), 0);
            const Tensor<> loss = pf::mean(positive) - pf::mean(negative) +
                                  0.1 * (pf::mean(pf::square(positive)) + pf::mean(pf::square(negative)));
            adam.step(energy, pf::gradient(loss, energy));
          }};
}

benchmark::Workload flow_matching2d_train() {
  constexpr Index n = 256;
  Rng rng(0);
  Mlp<> net({3, 128, 128, 128, 2}, rng, {.activation = Activation::silu});
  return {"flow_matching2d_train", "steps/s", 1, dense_flops(n, {3, 128, 128, 128, 2}, 1, 1, 1),
          [=, adam = pf::Adam(), noise = Rng(1), data = Batches([&] {
                                                   return pf::normal({n, 2}, rng);
                                                 })]() mutable {
            const Tensor<>& x1 = data.next();
            const Tensor<> x0 = pf::normal({n, 2}, noise), t = pf::uniform({n, 1}, noise);
            const Tensor<> velocity = x1 - x0;
            const Tensor<> loss = pf::mean(pf::square(net(pf::concat({x0 + t * velocity, t}, 1)) - velocity));
            adam.step(net, pf::gradient(loss, net));
          }};
}

benchmark::Workload flow_matching2d_sample() {
  constexpr Index n = 10'000, chunk = 500;
  Rng rng(0);
  Mlp<> net({3, 128, 128, 128, 2}, rng, {.activation = Activation::silu});
  return {"flow_matching2d_sample", "samples/s", n, 100 * dense_flops(n, {3, 128, 128, 128, 2}, 1, 0, 0),
          [=, noise = Rng(1)]() mutable {
            pf::NoGradient guard;
            for (Index done = 0; done < n; done += chunk) {
              Tensor<> x = pf::normal({chunk, 2}, noise);
              for (int i = 0; i < 100; ++i)
                x = x + 0.01 * net(pf::concat({x, Tensor<>::full({chunk, 1}, static_cast<float>(i) / 100)}, 1));
            }
          }};
}

constexpr benchmark::Workload (*workloads[])() = {realnvp2d_train,       vae_mlp_train,  iwae_mlp_train,
                                                  wgan_gp2d_train,       ebm_sgld_train, flow_matching2d_train,
                                                  flow_matching2d_sample};
constexpr const char* names[] = {"realnvp2d_train", "vae_mlp_train",         "iwae_mlp_train",        "wgan_gp2d_train",
                                 "ebm_sgld_train",  "flow_matching2d_train", "flow_matching2d_sample"};

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
      for (const char* name : names) std::printf("%s\n", name);
      return 0;
    } else {
      wanted.emplace_back(argv[i]);
    }
  }
  pf::set_num_threads(settings.threads);
  for (std::size_t i = 0; i < std::size(workloads); ++i) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), names[i]) == wanted.end()) continue;
    const benchmark::Workload workload = workloads[i]();
    const double peak = benchmark::peak_flops();
    benchmark::report(workload, benchmark::measure(workload.step, settings.seconds), settings, peak);
  }
  return 0;
}
