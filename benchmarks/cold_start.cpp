// A fresh process that loads a saved decoder, draws 64 images and prints one number: from start to exit.
#include <cstdio>
#include <cstring>

#include <pushforward/nn/linear.hpp>
#include <pushforward/training/checkpoint.hpp>

namespace pf = pushforward;

// cold_start FILE: loads and decodes.   cold_start --save FILE: writes the decoder first.
int main(int argc, char** argv) {
  const bool save = argc == 3 && !std::strcmp(argv[1], "--save");
  if (!save && argc != 2) {
    std::fprintf(stderr, "usage: cold_start [--save] FILE\n");
    return 2;
  }
  pf::Rng rng(0);
  pf::Mlp<> decoder({20, 400, 784}, rng);
  if (save) {
    pf::save(decoder, argv[2]);
    return 0;
  }
  pf::load(decoder, argv[1]);
  pf::NoGradient guard;
  std::printf("%.6f\n", pf::sigmoid(decoder(pf::normal({64, 20}, rng))).mean());
  return 0;
}
