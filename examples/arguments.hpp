// What all examples share: their arguments, their last line, and a main() that explains errors.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pushforward/pushforward.hpp>

namespace examples {

namespace pf = pushforward;

/// An argument that one example has beside those of all.
struct Extra {
  const char* name;    ///< "--particles"
  const char* value;   ///< what stands for its value in --help: "K"
  std::string text;    ///< what it does
  const char* preset;  ///< its value if it is not given
};

/// What an example is, for --help.
struct About {
  const char* name;
  const char* text;
  pf::Index epochs;                                         ///< trained by default
  const char* data = "not needed here: the data is drawn";  ///< what --data is for
  const char* quick = nullptr;                              ///< what --quick does, where there is a short form
  std::vector<Extra> extras = {};                           ///< arguments of its own
};

/// A value of the `result:` line: a number, or a word without spaces.
struct Value {
  std::string text;
  Value(const char* word) : text(word) {}
  Value(double number) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.5g", number);
    text = buffer;
  }
};

/// The arguments --seed --out --epochs --data --threads (and --quick where the example has it), given as `--seed 3` or
/// `--seed=3`.
class Arguments {
 public:
  std::uint64_t seed = 0;
  std::string out = "out";
  pf::Index epochs;
  std::optional<std::string> data = pf::data::data_directory();
  bool quick = false;
  bool help = false;

  /// Throws ValueError for an argument that is unknown or ill-formed.
  Arguments(const About& about, int count, const char* const* given) : epochs(about.epochs) {
    for (const Extra& extra : about.extras) extras_.emplace_back(extra.name, extra.preset);
    const std::vector<std::string_view> words(given + 1, given + count);
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::size_t equals = words[i].find('=');
      const std::string_view name = words[i].substr(0, equals);
      if (name == "--help" || name == "-h") {
        help = true;
        continue;
      }
      if (name == "--quick" && about.quick) {
        quick = true;
        continue;
      }
      const auto value = [&]() -> std::string {
        if (equals != std::string_view::npos) return std::string(words[i].substr(equals + 1));
        if (i + 1 == words.size()) pf::fail<pf::ValueError>(name, " needs a value; see --help");
        return std::string(words[++i]);
      };
      if (name == "--seed")
        seed = static_cast<std::uint64_t>(whole(name, value(), 0));
      else if (name == "--out")
        out = folder(name, value());
      else if (name == "--epochs")
        epochs = whole(name, value(), 1);
      else if (name == "--data")
        data = folder(name, value());
      else if (name == "--threads")
        pf::set_num_threads(static_cast<int>(std::min<pf::Index>(whole(name, value(), 1), 1024)));
      else if (std::string* extra = find(name))
        *extra = value();
      else
        pf::fail<pf::ValueError>("there is no argument ", name,
                                 "; there are --help --seed --out --epochs --data --threads");
    }
  }

  /// The value of an argument of About::extras, and as a whole number from `least` on. Throws ValueError.
  const std::string& word(std::string_view name) const {
    for (const auto& [known, value] : extras_)
      if (known == name) return value;
    pf::fail<pf::ValueError>("the example names no argument ", name);
  }
  pf::Index number(std::string_view name, pf::Index least = 1) const { return whole(name, word(name), least); }

  /// Those of `all`, each with a name, that an argument of About::extras lists: "maf,nice", or "all". Throws ValueError
  /// for a name that is not there.
  template <class Thing>
  std::vector<Thing> chosen(std::string_view name, const std::vector<Thing>& all) const {
    const std::string& asked = word(name);
    if (asked == "all") return all;
    std::vector<Thing> some;
    for (std::size_t begin = 0, end = 0; begin <= asked.size(); begin = end + 1) {
      end = std::min(asked.find(',', begin), asked.size());
      const std::string_view one = std::string_view(asked).substr(begin, end - begin);
      const auto found = std::find_if(all.begin(), all.end(), [&](const Thing& thing) { return thing.name == one; });
      if (found == all.end()) pf::fail<pf::ValueError>(name, ": there is no '", one, "'; see --help");
      some.push_back(*found);
    }
    return some;
  }

  /// Saves a figure in the folder --out.
  void save(const pf::plot::Figure& figure, const std::string& name) const {
    figure.save(out + "/" + name);
    std::printf("wrote %s/%s\n", out.c_str(), name.c_str());
  }
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  /// Prints the last line, for scripts: `result: key=value ... seconds=.. epochs=.. seed=..`.
  void result(const std::vector<std::pair<std::string, Value>>& values) const {
    std::printf("result:");
    for (const auto& [key, value] : values) std::printf(" %s=%s", key.c_str(), value.text.c_str());
    std::printf(" seconds=%.1f epochs=%lld seed=%llu\n", seconds(), static_cast<long long>(epochs),
                static_cast<unsigned long long>(seed));
  }

 private:
  static pf::Index whole(std::string_view name, const std::string& text, pf::Index least) {
    pf::Index value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < least)
      pf::fail<pf::ValueError>(name, ": got '", text, "', expected a whole number from ", least, " on");
    return value;
  }
  static std::string folder(std::string_view name, std::string text) {
    if (text.empty()) pf::fail<pf::ValueError>(name, ": got nothing, expected a folder");
    return text;
  }

  std::string* find(std::string_view name) {
    for (auto& [known, value] : extras_)
      if (known == name) return &value;
    return nullptr;
  }

  std::vector<std::pair<std::string, std::string>> extras_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

inline void print_help(const About& about) {
  std::string more = about.quick ? std::string("  --quick      ") + about.quick + "\n" : "";
  for (const Extra& extra : about.extras) {
    std::string head = std::string("  ") + extra.name + " " + extra.value + " ";
    head.resize(std::max<std::size_t>(head.size(), 15), ' ');
    more += head + extra.text + " (default: " + extra.preset + ")\n";
  }
  std::printf(
      "%s: %s\n\n"
      "Usage: %s [argument ...]\n"
      "  --epochs N   passes over the training data (default %lld)\n"
      "  --seed N     where the random numbers start: the same seed, the same result (default 0)\n"
      "  --threads N  how many to use; more are faster, the result is the same (default: all)\n"
      "  --data DIR   %s\n"
      "  --out DIR    where the pictures go (default: out)\n"
      "%s"
      "  --help       this text\n\n"
      "The last line printed is for scripts: result: key=value ...\n",
      about.name, about.text, about.name, static_cast<long long>(about.epochs), about.data, more.c_str());
}

/// The main() of an example: calls `example(arguments)`, and prints what went wrong if something does.
template <class Example>
int run(const About& about, int count, const char* const* given, const Example& example) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  try {
    const Arguments arguments(about, count, given);
    if (arguments.help)
      print_help(about);
    else
      example(arguments);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", about.name, error.what());
    return 1;
  }
}

}  // namespace examples
