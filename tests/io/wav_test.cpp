#include <pushforward/io/wav.hpp>
#include <pushforward/ops/arithmetic.hpp>
#include <pushforward/ops/math.hpp>

#include "io/scratch.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

std::string little(std::uint64_t value, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> (8 * i) & 255);
  return bytes;
}

std::string chunk(const std::string& name, const std::string& content) {
  return name + little(content.size(), 4) + content + std::string(content.size() % 2, '\0');
}

std::string format(std::uint64_t code, std::uint64_t channels, std::uint64_t rate, std::uint64_t bits) {
  return chunk("fmt ", little(code, 2) + little(channels, 2) + little(rate, 4) + little(rate * channels * bits / 8, 4) +
                           little(channels * bits / 8, 2) + little(bits, 2));
}

std::string riff(const std::string& chunks) { return "RIFF" + little(4 + chunks.size(), 4) + "WAVE" + chunks; }

std::string message(const std::string& path) {
  try {
    pf::read_wav(path);
  } catch (const pf::IoError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a 16-bit WAV file is what the format says, byte for byte") {
  const Scratch scratch;
  const std::string path = scratch / "new/folder/sound.wav";
  pf::write_wav(path, Tensor<>{0, 0.5f, -1, 2}, {.rate = 8000});
  const std::string samples = little(0, 2) + little(0x4000, 2) + little(0x8000, 2) + little(0x7fff, 2);
  CHECK(Scratch::read(path) == riff(format(1, 1, 8000, 16) + chunk("data", samples)));
  CHECK(scratch.files() == 1);
}

TEST_CASE("sound comes back from WAV files: whole numbers over 32768 exactly, floating point to the bit") {
  const Scratch scratch;
  const Tensor<> sound =
      Tensor<>::generate({2, 999}, [](Index i) { return static_cast<float>((i * 7919) % 65536 - 32768) / 32768; });
  pf::write_wav(scratch / "a.wav", sound, {.rate = 44100});
  const pf::Sound<> whole = pf::read_wav(scratch / "a.wav");
  CHECK(whole.rate == 44100);
  CHECK(whole.samples.shape() == pf::Shape{2, 999});
  CHECK(whole.samples.to_vector() == sound.to_vector());

  const Tensor<> odd = pf::sin(Tensor<>::arange(0, 77)) * 3.0;  // beyond the range, which floating point keeps
  pf::write_wav(scratch / "b.wav", odd, {.format = pf::WavFormat::float32});
  const pf::Sound<> floating = pf::read_wav(scratch / "b.wav");
  CHECK(floating.rate == 16000);
  CHECK(floating.samples.to_vector() == odd.to_vector());
  CHECK(pf::read_wav<double>(scratch / "b.wav").samples(0, 5) == static_cast<double>(odd(Index{5})));
}

TEST_CASE("16 bits are off by half a step at most, and clamp") {
  const Scratch scratch;
  const Tensor<> sound = Tensor<>::linspace(-1.2f, 1.2f, 1001);
  pf::write_wav(scratch / "a.wav", sound);
  const Tensor<> back = pf::read_wav(scratch / "a.wav").samples;
  for (Index i = 0; i < 1001; ++i) {
    const float expected = std::min(std::max(sound(i), -1.0f), 32767.0f / 32768);
    CHECK(std::abs(back(0, i) - expected) <= 0.5f / 32768);
  }
}

TEST_CASE("WAV files of other widths, with parts that nobody asks for, are read") {
  const Scratch scratch;
  const std::string list = chunk("LIST", "odd");
  const auto read = [&](const std::string& head, const std::string& samples) {
    return pf::read_wav<double>(scratch.write("x.wav", riff(list + head + list + chunk("data", samples))))
        .samples.to_vector();
  };
  CHECK(read(format(1, 1, 100, 8), little(0, 1) + little(128, 1) + little(255, 1)) ==
        std::vector<double>{-1, 0, 127.0 / 128});
  CHECK(read(format(1, 1, 100, 24), little(0x800000, 3) + little(0x400000, 3)) == std::vector<double>{-1, 0.5});
  CHECK(read(format(1, 1, 100, 32), little(0xffffffff, 4)) == std::vector<double>{-1.0 / 2147483648.0});
  CHECK(read(format(3, 1, 100, 64), little(0x3fe0000000000000, 8)) == std::vector<double>{0.5});
  // WAVE_FORMAT_EXTENSIBLE, as many recorders write it: the code stands at the start of an identifier.
  const std::string extended =
      chunk("fmt ", little(0xfffe, 2) + little(2, 2) + little(100, 4) + little(400, 4) + little(4, 2) + little(16, 2) +
                        little(22, 2) + little(16, 2) + little(3, 4) + little(1, 2) + std::string(14, '\0'));
  CHECK(read(extended, little(0x4000, 2) + little(0xc000, 2)) == std::vector<double>{0.5, -0.5});
}

TEST_CASE("a WAV file that cannot be read says why") {
  const Scratch scratch;
  const auto expect = [&](const std::string& bytes, const std::string& words) {
    CHECK_THAT(message(scratch.write("x.wav", bytes)), Catch::Contains(words));
  };
  const std::string samples = chunk("data", little(0, 4));
  CHECK_THAT(message(scratch / "none.wav"), Catch::Contains("cannot open"));
  expect("", "does not begin");
  expect("RIFF1234AVI ", "does not begin");
  expect(riff(""), "no samples");
  expect(riff(format(1, 1, 100, 16)), "no samples");
  expect(riff(samples), "before their format");
  expect(riff(chunk("fmt ", "short")), "too short");
  expect(riff(format(1, 1, 100, 16) + "data" + little(1000, 4) + "abcd"), "cut off");
  expect(riff(format(1, 1, 100, 12) + samples), "12 bits");
  expect(riff(format(85, 1, 100, 16) + samples), "format 85");
  expect(riff(format(1, 0, 100, 16) + samples), "0 channels");
  expect(riff(format(1, 1, 0, 16) + samples), "at 0 samples");
  expect(riff(format(1, 3, 100, 16) + samples), "no multiple");
  expect(riff(format(3, 1, 100, 32) + chunk("data", little(0x7fc00000, 4))), "not finite");
  const std::string good = riff(format(1, 1, 100, 16) + samples);
  for (std::size_t length = 0; length < good.size(); ++length)
    CHECK_FALSE(message(scratch.write("x.wav", good.substr(0, length))).empty());
}

TEST_CASE("write_wav says what is wrong, and leaves what was there") {
  const Scratch scratch;
  const std::string path = scratch.write("x.wav", "before");
  CHECK_THROWS_AS(pf::write_wav(path, Tensor<>::zeros({1, 2, 3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::write_wav(path, Tensor<>{0, std::nanf("")}), pf::ValueError);
  CHECK_THROWS_AS(pf::write_wav(path, Tensor<>::zeros({0, 3})), pf::ValueError);
  CHECK_THROWS_AS(pf::write_wav(path, Tensor<>{0}, {.rate = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::write_wav(path, Tensor<>{0}, {.rate = Index{1} << 32}), pf::ValueError);
  CHECK(Scratch::read(path) == "before");
  CHECK_THROWS_AS(pf::write_wav(path + "/below.wav", Tensor<>{0}), pf::IoError);
}
