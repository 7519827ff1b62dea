// A WaveNet learns the sound of tones and chirps, sample by sample, and plays what it is asked for: also a tune, which
// it has never heard.
#include <numbers>

#include "arguments.hpp"

namespace pf = pushforward;

constexpr double rate = 8000;      // samples a second
constexpr pf::Index levels = 256;  // of a sample, by the mu-law
const char* const kinds[] = {"tone", "rising", "falling", "vibrato"};

// The pitch over time that the model is to follow: octaves from 440 Hz, [n, t] -> [n, 1, t].
pf::Tensor<> pitch(const pf::Tensor<>& frequencies) {
  return pf::unsqueeze(pf::log(frequencies / 440) / std::numbers::ln2, 1);
}

pf::WaveNetCondition<> condition_of(const pf::data::Sounds<>& sounds) {
  return {.labels = sounds.labels, .local = pitch(sounds.frequencies)};
}

// Nats a sample of a listener who knows the sound without its noise: no model can be better on average.
double least_nats(const pf::data::Sounds<>& sounds, double noise) {
  const auto below = [=](double edge, double clean) {
    return 0.5 * std::erfc((clean - edge) / (noise * std::sqrt(2)));
  };
  const pf::Tensor<double> edges = pf::data::mu_law_decode(
      pf::Tensor<double>::generate({levels - 1}, [](pf::Index k) { return static_cast<double>(k) + 0.5; }), levels);
  const pf::Tensor<> seen = pf::data::mu_law_encode(sounds.waves, levels);
  double total = 0;
  for (pf::Index i = 0; i < seen.size(); ++i) {
    const auto k = static_cast<pf::Index>(seen.data()[i]);
    const double clean = static_cast<double>(sounds.clean.data()[i]);
    const double high = k + 1 < levels ? below(edges(k), clean) : 1, low = k > 0 ? below(edges(k - 1), clean) : 0;
    total -= std::log(std::max(high - low, 1e-300));
  }
  return total / static_cast<double>(seen.size());
}

// How far the strongest frequencies of sounds [n, t] are from those asked for [n, t], in hundredths of a semitone.
double pitch_error(const pf::Tensor<>& waves, const pf::Tensor<>& asked) {
  double total = 0;
  pf::Index count = 0;
  for (pf::Index i = 0; i < waves.size(0); ++i) {
    const auto s = pf::data::spectrogram(pf::squeeze(pf::slice(waves, 0, i, i + 1), 0), {.rate = rate, .window = 512});
    const std::vector<double> found = pf::data::strongest_frequencies(s);
    for (std::size_t w = 0; w < found.size(); ++w, ++count) {
      const auto middle = static_cast<pf::Index>((s.first + static_cast<double>(w) * s.seconds) * rate);
      total += 1200 * std::abs(std::log2(std::max(found[w], 1.0) / static_cast<double>(asked(i, middle))));
    }
  }
  return total / static_cast<double>(count);
}

// A tune as frequencies [1, t], and as the sine that has them.
pf::Tensor<> tune() {
  const double notes[] = {392, 440, 523.25, 587.33, 659.26, 523.25, 440, 392};
  constexpr pf::Index samples = 1000;
  return pf::Tensor<>::generate({1, 8 * samples}, [&](pf::Index i) { return static_cast<float>(notes[i / samples]); });
}
pf::Tensor<> sine(const pf::Tensor<>& frequencies) {
  return 0.5 * pf::sin(pf::cumsum(frequencies, 1) * (2 * std::numbers::pi / rate));
}

template <class Model>
double draw(const examples::Arguments& arguments, const Model& model, pf::Rng& rng) {
  pf::plot::Figure figure(
      {.rows = 2, .columns = 5, .row_titles = {"asked for", "drawn"}, .width = 1900, .height = 760});
  const auto show = [&](pf::Index column, const std::string& name, const pf::Tensor<>& asked,
                        const pf::Tensor<>& drawn) {
    const pf::plot::SpectrogramOptions look{.title = name, .rate = rate, .highest = 1500, .loudest = 0.5};
    pf::plot::spectrogram(figure, 0, column, pf::squeeze(asked, 0), look);
    pf::plot::spectrogram(figure, 1, column, pf::squeeze(drawn, 0), look);
    pf::write_wav(arguments.out + "/" + name + "_asked.wav", asked, {.rate = static_cast<pf::Index>(rate)});
    pf::write_wav(arguments.out + "/" + name + "_drawn.wav", drawn, {.rate = static_cast<pf::Index>(rate)});
  };
  double error = 0;
  for (pf::Index kind = 0; kind < 4; ++kind) {
    const pf::data::Sounds<> asked =
        pf::data::sounds(4, rng, {.length = 4000, .rate = rate, .kinds = {static_cast<pf::data::SoundKind>(kind)}});
    const pf::Tensor<> drawn = pf::data::mu_law_decode(model.sample(condition_of(asked), rng), levels);
    error += pitch_error(drawn, asked.frequencies) / 4;
    show(kind, kinds[kind], pf::slice(asked.waves, 0, 0, 1), pf::slice(drawn, 0, 0, 1));
  }
  const pf::Tensor<> notes = tune();
  show(4, "tune", sine(notes),
       pf::data::mu_law_decode(model.sample({.labels = {0}, .local = pitch(notes)}, rng), levels));
  arguments.save(figure, "waveform_wavenet.png");
  std::printf("wrote %s/tune_drawn.wav and nine other sounds\n", arguments.out.c_str());
  return error;
}

void waveform_wavenet(const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  const pf::data::SoundsOptions options{.length = 2000, .rate = rate};
  const pf::data::Sounds<> test = pf::data::sounds(64, rng, options), first = pf::data::sounds(64, rng, options);
  const pf::Tensor<> heard = pf::data::mu_law_encode(test.waves, levels);  // [64, 2000]

  auto model = pf::wave_net({.levels = levels, .channels = 32, .layers = 9, .classes = 4, .local = 1}, rng);
  model.initialize(pf::data::mu_law_encode(first.waves, levels));
  const auto nats = [&] { return -pf::mean(model.log_prob(heard, condition_of(test))).item() / 2000.0; };
  const double marginal = nats(), least = least_nats(test, options.noise);  // it starts at the marginal distribution
  std::printf("a WaveNet with %lld parameters that sees %lld samples back\n",
              static_cast<long long>(pf::count_parameters(model)), static_cast<long long>(model.receptive_field()));

  // Every batch is of new sounds.
  const auto objective = [&](const auto& trained, const pf::NoData& batch, pf::Rng& noise) {
    const pf::data::Sounds<> sounds = pf::data::sounds(batch.draws, noise, options);
    return -pf::mean(trained.log_prob(pf::data::mu_law_encode(sounds.waves, levels), condition_of(sounds))) / 2000.0;
  };
  pf::fit(model, pf::NoData{.draws = 400}, objective,
          {.epochs = arguments.epochs,
           .batch_size = 16,
           .optimizer = pf::Adam({.learning_rate = 3e-3}),
           .schedule = pf::cosine_decay(),
           .clip_norm = 1},
          rng);

  const double reached = nats();
  std::printf("trained in %.0f s: %.3f nats a sample (marginal distribution %.3f, least possible %.3f)\n",
              arguments.seconds(), reached, marginal, least);
  const double cents = draw(arguments, model, rng);
  std::printf("the pitch of what it draws is off by %.0f hundredths of a semitone\n", cents);
  arguments.result({{"nats", reached}, {"marginal", marginal}, {"least", least}, {"cents", cents}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "waveform_wavenet",
       .text = "a WaveNet learns the sound of tones and chirps, sample by sample.\n\n"
               "It is told the kind of a sound and its pitch over time, and is scored in nats a sample beside what\n"
               "the samples' marginal distribution and a listener who knows all but the noise would get. It writes\n"
               "sounds as .wav files, and a picture of their frequencies: asked for above, drawn below.",
       .epochs = 100},
      count, given, waveform_wavenet);
}
