#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <pushforward/data/mnist.hpp>

#if PUSHFORWARD_HAS_ZLIB
#include <zlib.h>
#endif

#include "io/scratch.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::data::Split;

namespace {

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 255);
  return bytes;
}

std::string header(std::uint32_t magic, const std::vector<std::uint32_t>& axes) {
  std::string bytes = big_endian(magic);
  for (const std::uint32_t axis : axes) bytes += big_endian(axis);
  return bytes;
}

std::string counting(std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(i % 251);
  return bytes;
}

std::string images(std::uint32_t count) { return header(0x803, {count, 28, 28}) + counting(count * 784); }
std::string labels(std::uint32_t count) { return header(0x801, {count}) + std::string(count, '\3'); }

void check_refused(const Scratch& scratch, const std::string& bytes, const std::string& reason) {
  INFO(reason);
  CHECK_THROWS_AS(pf::data::read_idx(scratch.write("hostile.idx", bytes)), pf::IoError);
  CHECK_THROWS_WITH(pf::data::read_idx(scratch / "hostile.idx"),
                    ContainsSubstring("hostile.idx") && ContainsSubstring(reason));
}

// The folder with real data sets, if this machine has one.
std::string real_data() {
  if (const auto folder = pf::data::data_directory()) return *folder;
  for (const char* near : {"../shared/data", "../../shared/data", "../../../shared/data"})
    if (std::filesystem::exists(std::string(near) + "/mnist")) return near;
  return {};
}

}  // namespace

TEST_CASE("IDX files give their shape and numbers") {
  const Scratch scratch;
  const pf::Tensor<> bytes =
      pf::data::read_idx(scratch.write("a", header(0x802, {2, 3}) + std::string("\0\1\2\377\4\5", 6)));
  CHECK(bytes.shape() == pf::Shape{2, 3});
  CHECK(bytes.to_vector() == std::vector<float>{0, 1, 2, 255, 4, 5});
  CHECK(pf::data::read_idx<Index>(scratch.write("b", header(0x901, {1}) + "\377"))(0) == -1);
  CHECK(pf::data::read_idx<Index>(scratch.write("c", header(0xb01, {1}) + "\377\376"))(0) == -2);
  CHECK(pf::data::read_idx<double>(scratch.write("d", header(0xc01, {1}) + "\1\2\3\4"))(0) == 0x01020304);
  CHECK(pf::data::read_idx(scratch.write("e", header(0xd01, {1}) + std::string("\100\20\0\0", 4)))(0) == 2.25f);
  const std::string wide = header(0xe01, {1}) + std::string("\100\2\0\0\0\0\0\0", 8);
  CHECK(pf::data::read_idx<double>(scratch.write("f", wide))(0) == 2.25);
  CHECK_THROWS_AS(pf::data::read_idx<Index>(scratch / "f"), pf::IoError);
  CHECK(pf::data::read_idx(scratch.write("g", header(0x802, {0, 28}))).shape() == pf::Shape{0, 28});
  CHECK(pf::data::read_idx(scratch.write("h", header(0x800, {}) + "\7")).item() == 7);
}

TEST_CASE("hostile IDX files are refused by name, with the reason") {
  const Scratch scratch;
  const std::string good = header(0x803, {2, 3, 4}) + counting(24);
  for (std::size_t length = 0; length < good.size(); ++length) {
    INFO(length);
    CHECK_THROWS_AS(pf::data::read_idx(scratch.write("cut.idx", good.substr(0, length))), pf::IoError);
  }
  CHECK(pf::data::read_idx(scratch.write("whole.idx", good)).size() == 24);
  check_refused(scratch, good.substr(0, 2), "2 bytes");
  check_refused(scratch, good.substr(0, 9), "header of 16");
  check_refused(scratch, good.substr(0, good.size() - 1), "23 bytes follow");
  check_refused(scratch, good + "x", "trailing");
  check_refused(scratch, "\1" + good.substr(1), "0x01000803");
  check_refused(scratch, header(0x10803, {1, 1, 1}) + "x", "0x00010803");
  check_refused(scratch, header(0x703, {1, 1, 1}) + "x", "no IDX file");
  check_refused(scratch, header(0x8ff, std::vector<std::uint32_t>(255, 1)) + "x", "6 axes");
  check_refused(scratch, "P5\n28 28\n255\n" + counting(784), "no IDX file");
  // Lengths whose product overflows 64 bits, to a small number and to a large one.
  check_refused(scratch, header(0x803, {0x80000000u, 0x80000000u, 4}) + counting(64), "cut off or damaged");
  check_refused(scratch, header(0x806, std::vector<std::uint32_t>(6, 0xffffffffu)) + counting(64),
                "cut off or damaged");
  check_refused(scratch, header(0xe02, {0x80000000u, 0x40000000u}) + counting(64), "cut off or damaged");
  CHECK_THROWS_AS(pf::data::read_idx(scratch / "missing"), pf::IoError);
  CHECK_THROWS_AS(pf::data::read_idx(scratch / ""), pf::IoError);
}

TEST_CASE("MNIST loads from its files, in the folder or below it") {
  const Scratch scratch;
  std::filesystem::create_directories(scratch / "mnist");
  scratch.write("mnist/train-images-idx3-ubyte", images(3));
  scratch.write("train-labels-idx1-ubyte", labels(3));
  const auto train = pf::data::load_mnist(scratch / "");
  CHECK(train.images.shape() == pf::Shape{3, 784});
  CHECK(train.images(0, 250) == 250.0f / 255.0f);
  CHECK(train.images(1, 0) == static_cast<float>(784 % 251) / 255.0f);
  CHECK(train.labels.to_vector() == std::vector<Index>{3, 3, 3});
  CHECK(pf::data::load_mnist<double>(scratch / "", {.split = Split::train, .limit = 2}).images.shape() ==
        pf::Shape{2, 784});
  CHECK(pf::data::load_mnist(scratch / "", {.limit = 9}).labels.size() == 3);
  CHECK_THROWS_AS(pf::data::load_mnist(scratch / "", {.limit = -1}), pf::ValueError);
  CHECK_THROWS_WITH(pf::data::load_mnist(scratch / "", Split::validation), ContainsSubstring("train_validation_split"));
  CHECK_THROWS_AS(pf::data::load_mnist(scratch / "", Split::test), pf::IoError);
  CHECK_THROWS_WITH(pf::data::load_mnist(scratch / "", Split::test), ContainsSubstring("t10k-images-idx3-ubyte.gz") &&
                                                                         ContainsSubstring("mnist/t10k") &&
                                                                         ContainsSubstring("--data"));
}

TEST_CASE("MNIST files that do not belong together are refused") {
  const Scratch scratch;
  const auto refused = [&](const std::string& image_bytes, const std::string& label_bytes, const char* reason) {
    INFO(reason);
    scratch.write("train-images-idx3-ubyte", image_bytes);
    scratch.write("train-labels-idx1-ubyte", label_bytes);
    CHECK_THROWS_AS(pf::data::load_mnist(scratch / ""), pf::IoError);
    CHECK_THROWS_WITH(pf::data::load_mnist(scratch / ""), ContainsSubstring(reason));
  };
  refused(images(3), labels(4), "4 labels");
  refused(header(0x803, {1, 27, 28}) + counting(756), labels(1), "[1, 27, 28]");
  refused(labels(1), labels(1), "expected 0x00000803");
  refused(images(1), images(1), "expected 0x00000801");
  refused(header(0x903, {1, 28, 28}) + counting(784), labels(1), "0x00000903");
  refused(images(1), header(0x801, {1}) + "\12", "label 0");
}

TEST_CASE("binarized MNIST unpacks the highest bit first") {
  const Scratch scratch;
  std::string packed(196, '\0');
  packed[0] = '\201';
  packed[195] = '\1';
  scratch.write("binarized_mnist_valid.bits", packed);
  const pf::Tensor<> x = pf::data::load_binarized_mnist(scratch / "", Split::validation);
  CHECK(x.shape() == pf::Shape{2, 784});
  CHECK(x.sum() == 3);
  CHECK(x(0, 0) + x(0, 7) + x(1, 783) == 3);
  CHECK(pf::data::load_binarized_mnist(scratch / "", {.split = Split::validation, .limit = 1}).size(0) == 1);
  CHECK_THROWS_WITH(pf::data::load_binarized_mnist(scratch / ""), ContainsSubstring("binarized_mnist_train.bits.gz"));
  for (const int length : {0, 1, 97, 99, 195}) {
    scratch.write("binarized_mnist_test.bits", std::string(static_cast<std::size_t>(length), '\0'));
    CHECK_THROWS_WITH(pf::data::load_binarized_mnist(scratch / "", Split::test), ContainsSubstring("multiple of 98"));
  }
}

#if defined(PUSHFORWARD_HAS_ZLIB) && PUSHFORWARD_HAS_ZLIB

namespace {

std::string gzipped(const std::string& text) {
  z_stream z{};
  REQUIRE(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&z, static_cast<uLong>(text.size())) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

}  // namespace

TEST_CASE("compressed MNIST loads, and damaged archives are refused") {
  const Scratch scratch;
  const std::string packed = gzipped(images(2));
  scratch.write("t10k-images-idx3-ubyte.gz", packed);
  scratch.write("t10k-labels-idx1-ubyte.gz", gzipped(labels(2)));
  CHECK(pf::data::load_mnist(scratch / "", Split::test).images(0, 250) == 250.0f / 255.0f);
  for (const std::size_t length : {std::size_t{3}, std::size_t{12}, packed.size() / 2, packed.size() - 1}) {
    INFO(length);
    scratch.write("t10k-images-idx3-ubyte.gz", packed.substr(0, length));
    CHECK_THROWS_AS(pf::data::load_mnist(scratch / "", Split::test), pf::IoError);
  }
  std::string damaged = packed;
  damaged[packed.size() / 2] = static_cast<char>(damaged[packed.size() / 2] ^ 0x55);
  scratch.write("t10k-images-idx3-ubyte.gz", damaged);
  CHECK_THROWS_WITH(pf::data::load_mnist(scratch / "", Split::test), ContainsSubstring("t10k-images-idx3-ubyte.gz"));
}

TEST_CASE("the real MNIST has its published size and mean") {
  const std::string folder = real_data();
  if (folder.empty()) {
    CHECK_THROWS_AS(pf::data::load_mnist("no such folder"), pf::IoError);
    return;
  }
  const auto test = pf::data::load_mnist(folder, Split::test);
  CHECK(test.images.shape() == pf::Shape{10000, 784});
  CHECK(test.images.mean() == Catch::Approx(0.1325).margin(1e-4));
  CHECK(test.labels(0) == 7);
  const auto binary = pf::data::load_binarized_mnist(folder, Split::validation);
  CHECK(binary.shape() == pf::Shape{10000, 784});
  CHECK(binary.mean() == Catch::Approx(0.131127).margin(1e-6));
}

#endif

TEST_CASE("the data folder is the argument, else the environment's") {
  const char* before = std::getenv("PUSHFORWARD_DATA");
  const std::string saved = before ? before : "";
  setenv("PUSHFORWARD_DATA", "/from/environment", 1);
  CHECK(pf::data::data_directory() == "/from/environment");
  CHECK(pf::data::data_directory("/given") == "/given");
  CHECK(pf::data::data_directory("") == "/from/environment");
  unsetenv("PUSHFORWARD_DATA");
  CHECK_FALSE(pf::data::data_directory().has_value());
  if (before) setenv("PUSHFORWARD_DATA", saved.c_str(), 1);
}
