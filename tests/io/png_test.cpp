#include <pushforward/io/png.hpp>

#include "io/png_decode.hpp"
#include "io/scratch.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;

namespace {

pf::Image noise(pf::Index width, pf::Index height, pf::Index channels) {
  std::minstd_rand random(7);
  pf::Image image{width, height, channels, {}};
  for (pf::Index i = 0; i < width * height * channels; ++i)
    image.pixels.push_back(static_cast<std::uint8_t>(i % 7 == 0 ? random() & 255u : (i / 9) & 255));
  return image;
}

std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

}  // namespace

TEST_CASE("a PNG decodes to the pixels it was made of") {
  for (const auto& [width, height, channels] :
       {std::array<pf::Index, 3>{1, 1, 1}, {3, 2, 3}, {28, 28, 1}, {300, 211, 3}}) {
    const pf::Image image = noise(width, height, channels);
    const DecodedPng decoded = decode_png(pf::encode_png(image));
    CHECK(decoded.width == static_cast<std::size_t>(width));
    CHECK(decoded.height == static_cast<std::size_t>(height));
    CHECK(decoded.channels == static_cast<std::size_t>(channels));
    CHECK(decoded.pixels == image.pixels);
  }
}

TEST_CASE("the zlib stream without zlib is valid at every block size") {
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65535}, std::size_t{65536}, std::size_t{131070},
                           std::size_t{200000}}) {
    std::vector<std::uint8_t> data(size);
    for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<std::uint8_t>(i * i % 251);
    const std::vector<std::uint8_t> packed = pf::detail::zlib_stored(data);
    CHECK(png_decode::inflate_stored(packed) == data);
    CHECK(png_decode::inflate(packed, size) == data);
  }
}

TEST_CASE("a tensor becomes a picture: rows from the top, clamped, channels last") {
  const pf::Image grey = pf::to_image(pf::Tensor<>({2, 3}, {0, 0.5f, 1, -1, 2, std::nanf("")}));
  CHECK(grey.pixels == std::vector<std::uint8_t>{0, 128, 255, 0, 255, 0});
  const pf::Image color = pf::to_image(pf::Tensor<>({3, 1, 2}, {1, 0, 0, 1, 0, 0}));
  CHECK(color.channels == 3);
  CHECK(color.pixels == std::vector<std::uint8_t>{255, 0, 0, 0, 255, 0});
  CHECK_THROWS_AS(pf::to_image(pf::Tensor<>::zeros({2, 4, 4})), pf::ShapeError);
  CHECK_THROWS_AS(pf::to_image(pf::Tensor<>::zeros({0, 4})), pf::ShapeError);
}

TEST_CASE("write_png makes folders, replaces what was there and leaves nothing else behind") {
  const Scratch scratch;
  const std::string path = scratch / "new/folder/picture.png";
  pf::write_png(path, noise(4, 4, 1));
  pf::write_png(path, noise(5, 6, 3));
  CHECK(decode_png(bytes_of(Scratch::read(path))).pixels == noise(5, 6, 3).pixels);
  CHECK(scratch.files() == 1);
}

TEST_CASE("a picture that cannot be written says why, and leaves the folder as it was") {
  const Scratch scratch;
  scratch.write("file", "not a folder");
  CHECK_THROWS_AS(pf::write_png(scratch / "file/picture.png", noise(2, 2, 1)), pf::IoError);
  std::filesystem::create_directories(scratch / "folder");
  CHECK_THROWS_AS(pf::write_png(scratch / "folder", noise(2, 2, 1)), pf::IoError);
  CHECK(scratch.files() == 1);
  CHECK(Scratch::read(scratch / "file") == "not a folder");
}

TEST_CASE("images that are none are refused") {
  CHECK_THROWS_AS(pf::encode_png({}), pf::ValueError);
  CHECK_THROWS_AS(pf::encode_png({2, 2, 2, std::vector<std::uint8_t>(8)}), pf::ValueError);
  CHECK_THROWS_AS(pf::encode_png({2, 2, 1, std::vector<std::uint8_t>(3)}), pf::ValueError);
  CHECK_THROWS_AS(pf::encode_png({pf::Index{1} << 40, pf::Index{1} << 40, 1, {}}), pf::ValueError);
  CHECK_THROWS_AS(pf::encode_png({-2, -2, 1, std::vector<std::uint8_t>(4)}), pf::ValueError);
}
