// A GPT over characters: training steps, and tokens drawn one by one.
#include <pushforward/models/autoregressive/gpt.hpp>
#include <pushforward/training/adam.hpp>

#include "workloads.hpp"

namespace benchmark {

namespace {

constexpr pf::Index context = 128, vocabulary = 65, features = 128, layers = 4;

pf::Gpt<> character_gpt(pf::Rng& rng) {
  return pf::Gpt<>({.vocabulary = vocabulary, .context = context, .features = features, .layers = layers, .heads = 4},
                   rng);
}

// The products of one position in one pass: 12 d^2 for each block's weights, and the head.
constexpr double dense_flops = 2.0 * (layers * 12 * features * features + features * vocabulary);
// Those of attention over all positions of a sequence, where each sees what comes before it.
constexpr double attention_flops = layers * 2.0 * 2 * features * context * (context + 1) / 2;

}  // namespace

Workload gpt_char_train() {
  constexpr pf::Index sequences = 16;
  pf::Rng rng(0);
  pf::Gpt<> gpt = character_gpt(rng);
  std::vector<pf::Tensor<pf::Index>> batches;
  for (int i = 0; i < 16; ++i)
    batches.push_back(pf::categorical(pf::Tensor<>::zeros({sequences, context, vocabulary}), rng));
  const double flops = 3 * sequences * (context * dense_flops + attention_flops);
  return {"gpt_char_train", "steps/s", 1, flops,
          [=, adam = pf::AdamW({.learning_rate = 3e-4, .weight_decay = 0.01}), at = std::size_t{0}]() mutable {
            adam.step(gpt, pf::gradient(pf::next_token(gpt, batches[++at % batches.size()]), gpt));
          }};
}

Workload gpt_char_sample() {
  pf::Rng rng(0);
  return {"gpt_char_sample", "samples/s", static_cast<double>(context), context * dense_flops + attention_flops,
          [gpt = character_gpt(rng), noise = pf::Rng(1)]() mutable { gpt.sample(1, noise); }};
}

}  // namespace benchmark
