// Workloads that go through models of the library: whole training and sampling steps.
#pragma once

#include "harness.hpp"

namespace benchmark {

Workload wgan_gp2d_train();
Workload ebm_sgld_train();
Workload maf_tabular_train();
Workload nsf_coupling_train();
Workload ffjord2d_train();
Workload flow_matching2d_train();
Workload flow_matching2d_sample();
Workload pixelcnn_train();
Workload pixelcnn_sample();
Workload gpt_char_train();
Workload gpt_char_sample();
Workload vqvae_train();
Workload glow_train();

}  // namespace benchmark
