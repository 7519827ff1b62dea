// A training step of a neural spline flow.
#include <pushforward/bijectors/rational_quadratic.hpp>
#include <pushforward/models/flow.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/training/adam.hpp>

#include "workloads.hpp"

namespace benchmark {

// Five couplings of 16 numbers, batches of 256. The splines run forwards on the data, so the flow holds their inverse.
Workload nsf_coupling_train() {
  using pf::Index, pf::Tensor;
  constexpr Index n = 256, features = 16, half = features / 2;
  const pf::SplineOptions spline{.bins = 8, .bound = 3};
  const Index outputs = half * pf::spline_numbers(spline);
  pf::Rng rng(0);
  pf::Chain<> chain;
  for (int i = 0; i < 5; ++i)
    chain.append(pf::SplineCoupling(pf::Mlp({half, 128, 128, outputs}, rng), features,
                                    {.keep = i % 2 ? pf::Keep::second_half : pf::Keep::first_half, .spline = spline}));
  std::vector<Tensor<>> batches;
  for (int i = 0; i < 16; ++i) batches.push_back(pf::normal({n, features}, rng));
  const double products = 8.0 * 128 + 128.0 * 128 + 128.0 * static_cast<double>(outputs);
  // Forward, to the weights and to the inputs; the first coupling's data has no gradient.
  const double flops = 2.0 * n * (5 * 3 * products - 8.0 * 128);
  return {"nsf_coupling_train", "steps/s", 1, flops,
          [flow = pf::Flow(pf::standard_normal(features), pf::Inverse(chain)), batches, adam = pf::Adam(),
           at = std::size_t{0}]() mutable {
            adam.step(flow, pf::gradient(pf::mle(flow, batches[++at % batches.size()]), flow));
          }};
}

}  // namespace benchmark
