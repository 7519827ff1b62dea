// A transformer learns to write like Shakespeare, character by character.
#include "arguments.hpp"

namespace pf = pushforward;

struct Settings {
  pf::Index context, features, layers, batch;
};

// One line of a play that is made of a few words by a few rules, for those who have no Shakespeare at hand.
std::string sentence(pf::Rng& rng) {
  const auto one_of = [&](std::initializer_list<const char*> words) {
    return std::string(words.begin()[rng.uniform_index(static_cast<pf::Index>(words.size()))]);
  };
  const auto noun = [&] { return one_of({"crown", "river", "sword", "garden", "letter", "candle", "horse", "storm"}); };
  const auto kind = [&] { return one_of({"gentle", "bitter", "golden", "silent", "weary", "honest"}); };
  const auto act = [&] { return one_of({"carry", "forget", "follow", "praise", "bury", "answer"}); };
  switch (rng.uniform_index(4)) {
    case 0:
      return "I will " + act() + " the " + kind() + " " + noun() + ", and " + act() + " it no more.";
    case 1:
      return "Why do you " + act() + " my " + noun() + ", " + kind() + " friend?";
    case 2:
      return "No " + noun() + " was ever so " + kind() + " as this " + noun() + "!";
    default:
      return "When the " + noun() + " is " + kind() + ", we " + act() + " the " + noun() + ".";
  }
}
std::string composed_play(std::size_t characters, pf::Rng& rng) {
  const char* const speakers[] = {"ANSELM", "BEATRIX", "CLERK", "DOROTHEA"};
  std::string play;
  while (play.size() < characters) {
    play += std::string(speakers[rng.uniform_index(4)]) + ":\n";
    for (pf::Index left = 1 + rng.uniform_index(3); left > 0; --left) play += sentence(rng) + "\n";
    play += "\n";
  }
  return play;
}

pf::plot::Figure curves(const pf::History& history) {
  std::vector<double> epochs;
  for (const pf::EpochReport& report : history.epochs) epochs.push_back(static_cast<double>(report.epoch));
  pf::plot::Figure figure({.rows = 1, .columns = 1, .width = 900, .height = 600});
  figure.curve(0, 0,
               {{"training", epochs, history.train_losses()}, {"validation", epochs, history.validation_losses()}},
               {.title = "learning to write", .x_label = "epoch", .y_label = "nats per character"});
  return figure;
}

void shakespeare_gpt(const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  std::string text = arguments.data ? pf::data::load_tiny_shakespeare(*arguments.data) : composed_play(200'000, rng);
  if (arguments.quick) text.resize(std::min<std::size_t>(text.size(), 100'000));
  const Settings settings = arguments.quick ? Settings{64, 64, 2, 16}
                                            : Settings{arguments.number("--context"), arguments.number("--features"),
                                                       arguments.number("--layers"), arguments.number("--batch")};

  const pf::data::Vocabulary vocabulary(text);
  const auto [train, held_out] = pf::data::split_sequence(vocabulary.encode(text), 0.1);  // its end
  const pf::Index t = settings.context;
  pf::Gpt gpt({.vocabulary = vocabulary.size(),
               .context = t,
               .features = settings.features,
               .layers = settings.layers,
               .heads = 4,
               .rotary = true},
              rng);
  std::printf("a transformer with %lld parameters on %lld characters of %s, %lld different ones\n",
              static_cast<long long>(pf::count_parameters(gpt)), static_cast<long long>(train.size()),
              arguments.data ? "Shakespeare" : "a composed play (for Shakespeare give its folder with --data)",
              static_cast<long long>(vocabulary.size()));

  // Each epoch sees the whole text in windows, each time in others.
  const pf::History history = pf::fit(
      gpt, pf::data::windows(train, {.length = 2 * t - 1, .stride = t}), pf::data::random_crops(pf::next_token, t),
      {.epochs = arguments.epochs,
       .batch_size = settings.batch,
       .optimizer = pf::AdamW({.learning_rate = 5e-3, .beta2 = 0.99, .weight_decay = 0.1}),
       .schedule = pf::warm_up(100, pf::cosine_decay()),
       .clip_norm = 1,
       .validation = pf::data::windows(held_out, {.length = t})},
      rng);
  const double nats = history.validation_losses().back();
  std::printf("trained in %.0f s: %.3f nats per new character\n\n", arguments.seconds(), nats);

  const pf::Index characters = arguments.quick ? 200 : 1000;
  const double before = arguments.seconds();
  const pf::Tensor<pf::Index> prefix = pf::reshape(vocabulary.encode("\n"), {1, 1});
  const pf::Tensor<pf::Index> written = gpt.generate(prefix, characters, rng, {.temperature = 0.8});
  const double rate = static_cast<double>(characters) / (arguments.seconds() - before);
  std::printf("%s\n\n(%.0f characters a second)\n", vocabulary.decode(pf::reshape(written, {characters + 1})).c_str(),
              rate);
  arguments.save(curves(history), "shakespeare_gpt.png");
  arguments.result({{"nats", nats},
                    {"parameters", static_cast<double>(pf::count_parameters(gpt))},
                    {"data", arguments.data ? "shakespeare" : "composed"}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "shakespeare_gpt",
       .text = "a transformer learns to write like Shakespeare, character by character.\n\n"
               "The first nine tenths of the text are for training, the last one for the score. Then it writes.",
       .epochs = 20,
       .data = "folder with tinyshakespeare/input.txt (default: $PUSHFORWARD_DATA; without, a composed play)",
       .quick = "a small model and a tenth of the text: seconds instead of minutes",
       .extras = {{"--context", "T", "characters that it looks back on", "128"},
                  {"--features", "N", "numbers for each position", "128"},
                  {"--layers", "N", "transformer blocks", "4"},
                  {"--batch", "N", "windows in a step", "16"}}},
      count, given, shakespeare_gpt);
}
