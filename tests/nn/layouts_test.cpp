// Layers with the weights of PyTorch's, under its names: outputs and gradients are its own.
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <pushforward/nn.hpp>
#include <pushforward/training/checkpoint.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Rng;
using pf::Shape;
using pf::Tensor;

namespace {

// Numbers that another program can compute: a sine of their place.
Tensor<double> waves(const Shape& shape, double phase, double size = 0.5) {
  return Tensor<double>::generate(shape, [=](Index i) {
    return size * std::sin(1.7 * static_cast<double>(i) * static_cast<double>(i + 1) + phase);
  });
}
double fingerprint(const Tensor<double>& x, double phase) { return pf::sum(x * waves(x.shape(), phase)).item(); }

// An entry of a state_dict, in its order.
struct Entry {
  const char* name;
  Shape shape;
};

// The values that PyTorch's layer was given: waves of phase 1, 2, ..
pf::AnyTensor value_of(const Entry& entry, std::size_t i) {
  const std::string name = entry.name;
  if (name == "num_batches_tracked") return Tensor<Index>::scalar(0);
  const auto numbers = waves(entry.shape, static_cast<double>(i + 1));
  return name == "running_var" ? numbers + 1 : numbers;
}

// Entries of a stack of recurrent layers have the layer at the end of their names: weight_ih_l1 is 1.weight_ih here.
std::string own_name(const std::string& name) {
  const std::size_t cut = name.rfind("_l");
  return cut != std::string::npos && cut + 3 == name.size() ? name.substr(cut + 2) + "." + name.substr(0, cut) : name;
}

const auto once = [](const auto& layer, const auto& x) { return layer(x); };
const auto in_turn = [](const auto& layers, const auto& x) { return layers[1](layers[0](x)); };

template <class M>
M evaluated(M model) {
  pf::evaluate(model);
  return model;
}

// Expects, of y = layer(x), the sum of y times waves of phase 0.3, and of the gradients of this sum with respect to x
// (unless it is codes) and each parameter, in the order of the entries, the same with phase 0.7.
template <class M, class X, class Call = decltype(once)>
void compare(M layer, const std::vector<Entry>& entries, const X& input, std::vector<double> expected,
             const Call& call = once) {
  std::vector<pf::NamedTensor> weights;
  for (std::size_t i = 0; i < entries.size(); ++i)
    weights.push_back({own_name(entries[i].name), value_of(entries[i], i)});
  REQUIRE_NOTHROW(pf::assign_tensors(layer, weights));
  const X x = [&] {
    if constexpr (std::is_same_v<X, Tensor<double>>)
      return pf::variable(input);
    else
      return input;
  }();
  const Tensor<double> y = call(layer, x), loss = pf::sum(y * waves(y.shape(), 0.3));
  std::vector<double> found{loss.item()};
  if constexpr (std::is_same_v<X, Tensor<double>>) found.push_back(fingerprint(pf::gradient(loss, x), 0.7));
  std::map<std::string, double> slopes;
  const auto gradients = pf::gradient(loss, layer);
  std::size_t next = 0;
  pf::for_each_parameter<double>(
      layer, [&](const pf::Path& path, const auto&) { slopes[path.str()] = fingerprint(gradients[next++], 0.7); });
  for (const pf::NamedTensor& weight : weights)
    if (const auto at = slopes.find(weight.name); at != slopes.end()) found.push_back(at->second);
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == Approx(expected[i]).epsilon(1e-7).margin(1e-9));
}

}  // namespace

TEST_CASE("dense layers and embeddings take PyTorch's weights") {
  Rng rng(3);
  // torch.nn.Linear(4, 3)
  compare(pf::Linear<double>(4, 3, rng), {{"weight", {3, 4}}, {"bias", {3}}}, waves({2, 5, 4}, 0, 2),
          {-1.52985159, -0.233652798, -3.2625684, 1.75626664});
  // torch.nn.Embedding(5, 3)
  compare(pf::Embedding<double>(5, 3, rng), {{"weight", {5, 3}}}, Tensor<Index>({2, 2}, {4, 0, 1, 1}),
          {-0.194771847, -0.128376751});
}

TEST_CASE("convolutions take PyTorch's weights") {
  Rng rng(3);
  // torch.nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2)
  compare(pf::Conv1d<double>(4, 6, 3, rng, {.stride = 2, .padding = 2, .dilation = 2, .groups = 2}),
          {{"weight", {6, 2, 3}}, {"bias", {6}}}, waves({2, 4, 9}, 0, 2),
          {-3.30833088, -0.239211745, -2.65010805, -1.29574371});
  // torch.nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(2, 1), groups=2)
  compare(pf::Conv2d<double>(4, 6, {3, 2}, rng, {.stride = {2, 1}, .padding = {1, 2}, .dilation = {2, 1}, .groups = 2}),
          {{"weight", {6, 2, 3, 2}}, {"bias", {6}}}, waves({2, 4, 7, 6}, 0, 2),
          {10.2142041, 3.99936978, 5.90583612, 3.25697661});
}

TEST_CASE("transposed convolutions take PyTorch's weights") {
  Rng rng(3);
  // torch.nn.ConvTranspose1d(4, 6, 3, stride=3, padding=1, output_padding=2, groups=2, dilation=2)
  compare(pf::ConvTranspose1d<double>(4, 6, 3, rng,
                                      {.stride = 3, .padding = 1, .dilation = 2, .groups = 2, .output_padding = 2}),
          {{"weight", {4, 3, 3}}, {"bias", {6}}}, waves({2, 4, 5}, 0, 2),
          {-1.58994357, -0.0356286363, -4.71373445, -0.752848084});
  // torch.nn.ConvTranspose2d(4, 6, (3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2)
  compare(pf::ConvTranspose2d<double>(4, 6, {3, 2}, rng,
                                      {.stride = {2, 3}, .padding = {1, 0}, .groups = 2, .output_padding = {1, 2}}),
          {{"weight", {4, 3, 3, 2}}, {"bias", {6}}}, waves({2, 4, 4, 3}, 0, 2),
          {5.14373922, 1.98106656, 7.33816249, -1.66068376});
}

TEST_CASE("normalizations take PyTorch's weights and running statistics") {
  Rng rng(3);
  // torch.nn.BatchNorm2d(3)
  compare(pf::BatchNorm<double>(3),
          {{"weight", {3}}, {"bias", {3}}, {"running_mean", {3}}, {"running_var", {3}}, {"num_batches_tracked", {}}},
          waves({3, 3, 4, 2}, 0, 2), {-2.59300519, -0.226262939, -4.07681246, 2.69859128});
  // torch.nn.BatchNorm1d(3)
  compare(pf::BatchNorm<double>(3),
          {{"weight", {3}}, {"bias", {3}}, {"running_mean", {3}}, {"running_var", {3}}, {"num_batches_tracked", {}}},
          waves({6, 3}, 0, 2), {-0.54232185, -0.0493942285, -1.51665628, 1.23262255});
  // torch.nn.BatchNorm2d(3).eval()
  compare(evaluated(pf::BatchNorm<double>(3)),
          {{"weight", {3}}, {"bias", {3}}, {"running_mean", {3}}, {"running_var", {3}}, {"num_batches_tracked", {}}},
          waves({3, 3, 4, 2}, 0, 2), {-3.12609873, -0.776669198, -5.01178878, 2.69859128});
  // torch.nn.GroupNorm(2, 4)
  compare(pf::GroupNorm<double>(2, 4), {{"weight", {4}}, {"bias", {4}}}, waves({2, 4, 3, 2}, 0, 2),
          {-0.904054382, 0.0444486696, -1.39067502, 0.0083046329});
  // torch.nn.InstanceNorm2d(3, affine=True)
  compare(pf::InstanceNorm<double>(3), {{"weight", {3}}, {"bias", {3}}}, waves({2, 3, 3, 4}, 0, 2),
          {-2.21394956, -0.157991128, -4.13745981, 2.64339038});
  // torch.nn.LayerNorm(5)
  compare(pf::LayerNorm<double>(5), {{"weight", {5}}, {"bias", {5}}}, waves({3, 2, 5}, 0, 2),
          {-0.781699749, 0.033543738, -0.28561065, 0.420954757});
  // torch.nn.RMSNorm(5, eps=1e-6)
  compare(pf::RMSNorm<double>(5), {{"weight", {5}}}, waves({3, 2, 5}, 0, 2),
          {-0.782058354, -0.0254024624, -0.344639262});
}

TEST_CASE("attention takes PyTorch's weights") {
  Rng rng(3);
  // torch.nn.MultiheadAttention(4, 2, batch_first=True) with a causal mask
  compare(pf::MultiHeadAttention<double>(4, 2, rng, {.causal = true}),
          {{"in_proj_weight", {12, 4}}, {"in_proj_bias", {12}}, {"out_proj.weight", {4, 4}}, {"out_proj.bias", {4}}},
          waves({2, 5, 4}, 0, 2), {-2.46643175, -0.0993876733, -1.78994935, 0.665727213, 0.515492086, 0.682247932});
  // torch.nn.TransformerEncoderLayer(4, 2, 6, 0.0, 'gelu', norm_first=True, batch_first=True) with a causal mask
  compare(pf::TransformerBlock<double>(4, 2, rng, {.hidden = 6}),
          {{"self_attn.in_proj_weight", {12, 4}},
           {"self_attn.in_proj_bias", {12}},
           {"self_attn.out_proj.weight", {4, 4}},
           {"self_attn.out_proj.bias", {4}},
           {"linear1.weight", {6, 4}},
           {"linear1.bias", {6}},
           {"linear2.weight", {4, 6}},
           {"linear2.bias", {4}},
           {"norm1.weight", {4}},
           {"norm1.bias", {4}},
           {"norm2.weight", {4}},
           {"norm2.bias", {4}}},
          waves({2, 5, 4}, 0, 2),
          {16.5626349, 3.99182086, -0.040096803, 0.681826359, -0.17730199, 0.794894175, -0.102664714, -0.178536635,
           0.366813194, 0.682247932, -0.0595196112, 0.182526099, -0.48862954, 0.166560643});
}

TEST_CASE("recurrent cells take PyTorch's weights, and stacks of layers those of its layers renamed") {
  Rng rng(3);
  // torch.nn.GRUCell(3, 2) over a sequence of one
  compare(pf::GRU<double>(3, 2, rng),
          {{"weight_ih", {6, 3}}, {"weight_hh", {6, 2}}, {"bias_ih", {6}}, {"bias_hh", {6}}}, waves({4, 1, 3}, 0, 2),
          {-0.45743313, -0.107155095, -0.492443877, 0, 0.107430614, 0.0886890787});
  // torch.nn.LSTMCell(3, 2) over a sequence of one
  compare(pf::LSTM<double>(3, 2, rng),
          {{"weight_ih", {8, 3}}, {"weight_hh", {8, 2}}, {"bias_ih", {8}}, {"bias_hh", {8}}}, waves({4, 1, 3}, 0, 2),
          {-0.186294324, -0.0227240787, -0.103141954, 0, 0.0152043569, 0.0152043569});
  // torch.nn.GRU(3, 2, num_layers=2, batch_first=True)
  compare(std::vector{pf::GRU<double>(3, 2, rng), pf::GRU<double>(2, 2, rng)},
          {{"weight_ih_l0", {6, 3}},
           {"weight_hh_l0", {6, 2}},
           {"bias_ih_l0", {6}},
           {"bias_hh_l0", {6}},
           {"weight_ih_l1", {6, 2}},
           {"weight_hh_l1", {6, 2}},
           {"bias_ih_l1", {6}},
           {"bias_hh_l1", {6}}},
          waves({2, 4, 3}, 0, 2),
          {0.7973017, -0.0290657329, -0.00177207144, 0.00802545357, -0.0514808124, -0.0463164808, 0.127981563,
           -0.00851638629, 0.347567796, 0.101384296},
          in_turn);
  // torch.nn.LSTM(3, 2, num_layers=2, batch_first=True)
  compare(std::vector{pf::LSTM<double>(3, 2, rng), pf::LSTM<double>(2, 2, rng)},
          {{"weight_ih_l0", {8, 3}},
           {"weight_hh_l0", {8, 2}},
           {"bias_ih_l0", {8}},
           {"bias_hh_l0", {8}},
           {"weight_ih_l1", {8, 2}},
           {"weight_hh_l1", {8, 2}},
           {"bias_ih_l1", {8}},
           {"bias_hh_l1", {8}}},
          waves({2, 4, 3}, 0, 2),
          {0.424587159, -0.00147873051, 0.00142744936, -0.000797407156, -0.00265531634, -0.00265531634, -0.00461556219,
           0.0381411264, 0.147817869, 0.147817869},
          in_turn);
}

TEST_CASE("normalized weights are PyTorch's") {
  Rng rng(3);
  // weight_norm(torch.nn.Linear(4, 3))
  compare(pf::WeightNorm(pf::Linear<double>(4, 3, rng)), {{"bias", {3}}, {"weight_g", {3, 1}}, {"weight_v", {3, 4}}},
          waves({2, 4}, 0, 2), {0.20134288, -0.0781552789, 0.263677791, -0.107204408, -0.0219123724});
  // weight_norm(torch.nn.Conv2d(4, 2, 3, groups=2))
  compare(pf::WeightNorm(pf::Conv2d<double>(4, 2, 3, rng, {.groups = 2})),
          {{"bias", {2}}, {"weight_g", {2, 1, 1, 1}}, {"weight_v", {2, 2, 3, 3}}}, waves({2, 4, 4, 3}, 0, 2),
          {-0.152852779, 0.0725729866, -0.177294235, 0.0645960241, -0.230996404});
  // weight_norm(torch.nn.ConvTranspose2d(3, 2, 2), dim=1)
  compare(pf::WeightNorm(pf::ConvTranspose2d<double>(3, 2, 2, rng)),
          {{"bias", {2}}, {"weight_g", {1, 2, 1, 1}}, {"weight_v", {3, 2, 2, 2}}}, waves({2, 3, 2, 3}, 0, 2),
          {1.34249009, 0.521174991, 0.190346578, 0.859569775, -0.74609094});
  // spectral_norm(torch.nn.Linear(4, 3))
  compare(pf::SpectralNorm(pf::Linear<double>(4, 3, rng), rng),
          {{"bias", {3}}, {"weight_orig", {3, 4}}, {"weight_u", {3}}, {"weight_v", {4}}}, waves({2, 4}, 0, 2),
          {-0.905383581, -0.180971106, 0.263677791, -0.499318512});
  // spectral_norm(torch.nn.Conv2d(3, 2, 2))
  compare(pf::SpectralNorm(pf::Conv2d<double>(3, 2, 2, rng), rng),
          {{"bias", {2}}, {"weight_orig", {2, 3, 2, 2}}, {"weight_u", {2}}, {"weight_v", {12}}},
          waves({2, 3, 3, 4}, 0, 2), {2.69422615, 0.796580556, 0.400048301, -1.81298041});
  // spectral_norm(torch.nn.ConvTranspose2d(3, 2, 2))
  compare(pf::SpectralNorm(pf::ConvTranspose2d<double>(3, 2, 2, rng), rng),
          {{"bias", {2}}, {"weight_orig", {3, 2, 2, 2}}, {"weight_u", {2}}, {"weight_v", {12}}},
          waves({2, 3, 2, 3}, 0, 2), {0.074701507, 0.174289459, 0.190346578, -2.90648897});
}
