// Single operations against the limits of the machine, measured in the same run: matrix products and convolutions
// against the peak of multiply-adds, elementwise functions and reductions against the bandwidth of the memory they fit
// in.
#include <cstring>

#include <pushforward/ops/convolution.hpp>
#include <pushforward/ops/matmul.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/reductions.hpp>

#include "harness.hpp"

namespace pf = pushforward;
using pf::Index, pf::Tensor;

namespace {

struct Product {
  const char* name;
  Index m, n, k;
  pf::MatmulOptions options;
};

constexpr pf::MatmulOptions nn{}, nt{.transpose_b = true}, tn{.transpose_a = true};
constexpr Product products[] = {{"flow hidden forward", 512, 64, 64, nt},
                                {"flow hidden to weights", 64, 64, 512, tn},
                                {"flow output forward", 512, 2, 64, nt},
                                {"hidden forward", 256, 128, 128, nt},
                                {"hidden to input", 256, 128, 128, nn},
                                {"hidden to weights", 128, 128, 256, tn},
                                {"784-400 forward", 128, 400, 784, nt},
                                {"784-400 to weights", 400, 784, 128, tn},
                                {"200-784 forward", 1000, 784, 200, nt},
                                {"784-200 to input", 1000, 200, 784, nn},
                                {"128-384 forward", 2048, 384, 128, nt},
                                {"sampling hidden", 10000, 128, 128, nt},
                                {"one row", 1, 384, 128, nt},
                                {"cube", 1024, 1024, 1024, nn}};

// A convolution [images, in, side, side] -> [images, out, ..], as the workloads of images have them; or the transpose
// of one, whose input is the small side.
struct Convolution {
  const char* name;
  Index images, in, out, side, height, width;  // channels, of the image, of the kernel
  Index stride = 1;
  pf::Padding2 padding = 1;
  bool transposed = false;
};

constexpr Convolution convolutions[] = {{"ddpm first", 32, 1, 32, 28, 3, 3},
                                        {"ddpm 28", 32, 32, 32, 28, 3, 3},
                                        {"ddpm 28 up", 32, 64, 64, 28, 3, 3},
                                        {"ddpm 28 joined wide", 32, 96, 32, 28, 3, 3},
                                        {"ddpm 28 joined", 32, 64, 32, 28, 3, 3},
                                        {"ddpm 28 down", 32, 32, 32, 28, 3, 3, 2},
                                        {"ddpm 14 wider", 32, 32, 64, 14, 3, 3},
                                        {"ddpm 14", 32, 64, 64, 14, 3, 3},
                                        {"ddpm 14 joined", 32, 128, 64, 14, 3, 3},
                                        {"ddpm 14 down", 32, 64, 64, 14, 3, 3, 2},
                                        {"ddpm 7", 32, 64, 64, 7, 3, 3},
                                        {"ddpm 7 joined", 32, 128, 64, 7, 3, 3},
                                        {"ddpm 7 attention", 32, 64, 192, 7, 1, 1, 1, 0},
                                        {"ddpm 7 attention out", 32, 64, 64, 7, 1, 1, 1, 0},
                                        {"ddpm 7 shortcut", 32, 128, 64, 7, 1, 1, 1, 0},
                                        {"ddpm 14 shortcut wider", 32, 32, 64, 14, 1, 1, 1, 0},
                                        {"ddpm 14 shortcut", 32, 128, 64, 14, 1, 1, 1, 0},
                                        {"ddpm 28 shortcut wide", 32, 96, 32, 28, 1, 1, 1, 0},
                                        {"ddpm 28 shortcut", 32, 64, 32, 28, 1, 1, 1, 0},
                                        {"ddpm last", 32, 32, 1, 28, 3, 3},
                                        {"pixelcnn first", 32, 1, 64, 28, 3, 7, 1, {3, -1, 3, 3}},
                                        {"pixelcnn vertical", 32, 32, 64, 28, 2, 3, 1, {1, 0, 1, 1}},
                                        {"pixelcnn horizontal", 32, 32, 64, 28, 1, 2, 1, {0, 0, 1, 0}},
                                        {"pixelcnn joint", 32, 64, 64, 28, 1, 1, 1, 0},
                                        {"pixelcnn output", 32, 32, 32, 28, 1, 1, 1, 0},
                                        {"vqvae first", 64, 1, 32, 28, 4, 4, 2},
                                        {"vqvae down", 64, 32, 64, 14, 4, 4, 2},
                                        {"vqvae residual", 64, 64, 32, 7, 3, 3},
                                        {"vqvae residual out", 64, 32, 64, 7, 1, 1, 1, 0},
                                        {"vqvae up", 64, 64, 32, 7, 4, 4, 2, 1, true},
                                        {"vqvae last", 64, 32, 1, 14, 4, 4, 2, 1, true},
                                        {"glow first", 16, 2, 64, 16, 3, 3},
                                        {"glow hidden", 16, 64, 64, 16, 1, 1, 1, 0},
                                        {"glow last", 16, 64, 4, 16, 3, 3},
                                        {"glow deep first", 16, 4, 64, 8, 3, 3},
                                        {"glow deep last", 16, 64, 8, 8, 3, 3}};

void line(const char* kind, const char* name, const char* shape, int threads, double time, const char* unit,
          double value, double limit) {
  std::printf(
      "{\"micro\": \"%s\", \"what\": \"%s\", \"shape\": \"%s\", \"threads\": %d, \"us\": %.3f, \"%s\": %.1f, "
      "\"limit\": %.1f, \"share\": %.3f}\n",
      kind, name, shape, threads, time * 1e6, unit, value, limit, value / limit);
  std::fflush(stdout);
}

// a = b + 3 c on arrays of `n` floats each: what memory of that size gives.
double triad_bandwidth(Index n, double duration) {
  std::vector<float> a(static_cast<std::size_t>(n)), b(a.size(), 1.0f), c(a.size(), 2.0f);
  const auto step = [&] {
    pf::parallel_for(n, pf::detail::elementwise_grain, [&](Index begin, Index end) {
      pf::detail::vectorized([x = a.data(), y = b.data(), z = c.data(), begin, end] {
        for (Index i = begin; i < end; ++i) x[i] = y[i] + 3.0f * z[i];
      });
    });
  };
  return 12.0 * static_cast<double>(n) / benchmark::measure(step, duration).p10;
}

void measure_products(const benchmark::Settings& settings) {
  pf::Rng rng(0);
  const double peak = benchmark::peak_flops() * settings.threads;
  for (const Product& p : products) {
    const Tensor<> a = p.options.transpose_a ? pf::normal({p.k, p.m}, rng) : pf::normal({p.m, p.k}, rng);
    const Tensor<> b = p.options.transpose_b ? pf::normal({p.n, p.k}, rng) : pf::normal({p.k, p.n}, rng);
    const benchmark::Timing t = benchmark::measure([&] { pf::matmul(a, b, p.options); }, settings.seconds);
    char shape[64];
    std::snprintf(shape, sizeof shape, "%tdx%tdx%td %s", p.m, p.n, p.k,
                  p.options.transpose_a   ? "TN"
                  : p.options.transpose_b ? "NT"
                                          : "NN");
    const double flops = 2.0 * static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(p.k);
    line("matmul", p.name, shape, settings.threads, t.median, "gflops", flops / t.median / 1e9, peak / 1e9);
  }
}

void measure_convolutions(const benchmark::Settings& settings) {
  namespace inner = pf::detail;
  pf::Rng rng(0);
  const Tensor<> none;
  for (const Convolution& c : convolutions) {
    const double peak = benchmark::peak_flops() * settings.threads;  // beside each: the clock moves
    const Tensor<> x = pf::normal({c.images, c.in, c.side, c.side}, rng);
    const Tensor<> w = c.transposed ? pf::normal({c.in, c.out, c.height, c.width}, rng)
                                    : pf::normal({c.out, c.in, c.height, c.width}, rng);
    const auto geometry =
        c.transposed ? inner::conv_transposed_geometry("limits", x, w, none, {.stride = c.stride, .padding = c.padding})
                     : inner::conv_geometry("limits", x, w, none, {.stride = c.stride, .padding = c.padding});
    const auto convolve = [&](const Tensor<>& a) { return inner::conv_values(a, w, none, geometry, false); };
    const auto transpose = [&](const Tensor<>& a) { return inner::conv_transpose_values(a, w, none, geometry, false); };
    const Tensor<> y = c.transposed ? transpose(x) : convolve(x), &large = c.transposed ? y : x,
                   &small = c.transposed ? x : y;
    char shape[64];
    std::snprintf(shape, sizeof shape, "%tdx%tdx%tdx%td to %td by %tdx%td/%td%s", c.images, c.in, c.side, c.side, c.out,
                  c.height, c.width, c.stride, c.transposed ? " transposed" : "");
    const double flops =
        2.0 * static_cast<double>(w.size()) * static_cast<double>(c.images * small.size(2) * small.size(3));
    const auto report = [&](const char* kind, const auto& f) {
      const benchmark::Timing t = benchmark::measure([&] { f(); }, settings.seconds);
      line(kind, c.name, shape, settings.threads, t.median, "gflops", flops / t.median / 1e9, peak / 1e9);
    };
    report("convolution", [&] { return c.transposed ? transpose(x) : convolve(x); });
    report("convolution to input", [&] { return c.transposed ? convolve(y) : transpose(y); });
    report("convolution to weight", [&] { return inner::conv_weight_values(large, small, geometry); });
  }
}

void measure_passes(const benchmark::Settings& settings, Index rows, Index columns) {
  pf::Rng rng(0);
  const Tensor<> x = pf::normal({rows, columns}, rng), y = pf::normal({rows, columns}, rng),
                 row = pf::normal({columns}, rng);
  const double limit = triad_bandwidth(rows * columns, settings.seconds) / 1e9,
               bytes = 4.0 * static_cast<double>(rows * columns);
  char shape[64];
  std::snprintf(shape, sizeof shape, "%tdx%td", rows, columns);
  const auto pass = [&](const char* kind, const char* name, double passes, const auto& f) {
    const benchmark::Timing t = benchmark::measure([&] { f(); }, settings.seconds);
    line(kind, name, shape, settings.threads, t.median, "gb_per_s", passes * bytes / t.median / 1e9, limit);
  };
  pass("elementwise", "x + y", 3, [&] { return x + y; });
  pass("elementwise", "x * row", 2, [&] { return x * row; });
  pass("elementwise", "exp", 2, [&] { return pf::exp(x); });
  pass("elementwise", "tanh", 2, [&] { return pf::tanh(x); });
  pass("elementwise", "silu", 2, [&] { return pf::silu(x); });
  pass("elementwise", "softplus", 2, [&] { return pf::softplus(x); });
  pass("reduction", "sum of all", 1, [&] { return pf::sum(x); });
  pass("reduction", "sum of rows", 1, [&] { return pf::sum(x, 1); });
  pass("reduction", "sum of columns", 1, [&] { return pf::sum(x, 0); });
  pass("reduction", "logsumexp of rows", 1, [&] { return pf::logsumexp(x, 1); });
  pass("random", "normal", 1, [&] { return pf::normal({rows, columns}, rng); });
}

}  // namespace

// limits [--threads N] [--seconds S per operation]
int main(int argc, char** argv) {
  benchmark::Settings settings{.threads = 1, .seconds = 0.2};
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!std::strcmp(argv[i], "--threads")) settings.threads = std::atoi(argv[i + 1]);
    if (!std::strcmp(argv[i], "--seconds")) settings.seconds = std::atof(argv[i + 1]);
  }
  pf::set_num_threads(settings.threads);
  measure_products(settings);
  measure_convolutions(settings);
  measure_passes(settings, 256, 128);
  measure_passes(settings, 1000, 784);
  return 0;
}
