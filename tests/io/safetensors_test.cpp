#include <pushforward/io/safetensors.hpp>

#include "io/scratch.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;

namespace {

std::string file_of(const std::string& header, const std::string& data) {
  const auto size = static_cast<std::uint64_t>(header.size());
  return std::string(reinterpret_cast<const char*>(&size), 8) + header + data;
}

template <class T>
std::string raw(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

std::string message_of(const std::string& path) {
  try {
    pf::load_safetensors(path);
  } catch (const pf::IoError& error) {
    return error.what();
  }
  return "no IoError";
}

}  // namespace

TEST_CASE("tensors and metadata survive their file to the last bit") {
  const Scratch scratch;
  const std::string name = "layer \"0\"\\\n\t\x01/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
  const std::map<std::string, std::string> metadata{{"step", "12"}, {"", "empty key"}, {"quote", "\"}{"}};
  pf::save_safetensors(scratch / "new/x.safetensors",
                       {{"bytes", pf::Tensor<std::uint8_t>({3}, {1, 2, 255})},
                        {name, pf::Tensor<>({1, 2, 1, 1, 1, 2}, {1, 2.5f, -3, 1e-40f})},
                        {"wide", pf::Tensor<double>({2}, {0.1, -1e300})},
                        {"", pf::Tensor<pf::Index>::scalar(std::numeric_limits<pf::Index>::min())},
                        {"nothing", pf::Tensor<>::zeros({0, 3})}},
                       metadata);
  const pf::SafeTensors file = pf::load_safetensors(scratch / "new/x.safetensors");
  CHECK(file.tensors.size() == 5);
  CHECK(file.metadata == metadata);
  CHECK(file.get<float>(name).shape() == pf::Shape{1, 2, 1, 1, 1, 2});
  CHECK(file.get<float>(name).to_vector() == std::vector<float>{1, 2.5f, -3, 1e-40f});
  CHECK(file.get<double>("wide").to_vector() == std::vector<double>{0.1, -1e300});
  CHECK(file.get<pf::Index>("").item() == std::numeric_limits<pf::Index>::min());
  CHECK(file.get<std::uint8_t>("bytes").to_vector() == std::vector<std::uint8_t>{1, 2, 255});
  CHECK(file.get<float>("nothing").shape() == pf::Shape{0, 3});
  CHECK(scratch.files() == 1);
}

TEST_CASE("the file has the layout that other tools read") {
  const Scratch scratch;
  pf::save_safetensors(scratch / "x", {{"a", pf::Tensor<>({1, 2}, {1, 2})}, {"b", pf::Tensor<double>({3.0})}},
                       {{"k", "v"}});
  const std::string header =
      R"({"__metadata__":{"k":"v"},"b":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  CHECK(Scratch::read(scratch / "x") == file_of(padded, raw({3.0}) + raw({1.0f, 2.0f})));
  pf::save_safetensors(scratch / "empty", {});
  CHECK(Scratch::read(scratch / "empty") == file_of("{}      ", ""));
  CHECK(pf::load_safetensors(scratch / "empty").tensors.empty());
}

TEST_CASE("files of other writers are read: blanks, escapes, any order") {
  const Scratch scratch;
  const pf::SafeTensors file = pf::load_safetensors(
      scratch.write("x", file_of("{ \"\\u00e9\\ud83d\\ude00\\/\\b\" :\n{\t\"data_offsets\" : [4, 8] , \"shape\":[ "
                                 "],\"dtype\":\"F32\"}, \"b\":{\"dtype\":\"F32\",\"shape\":[1],"
                                 "\"data_offsets\":[0,4]}}   ",
                                 raw({1.0f, 2.0f}))));
  CHECK(file.get<>("\xc3\xa9\xf0\x9f\x98\x80/\b").shape() == pf::Shape{});
  CHECK(file.get<>("\xc3\xa9\xf0\x9f\x98\x80/\b").item() == 2.0f);
  CHECK(file.get<>("b").item() == 1.0f);
}

TEST_CASE("16-bit floats are read as floats") {
  const Scratch scratch;
  const pf::SafeTensors file = pf::load_safetensors(scratch.write(
      "x",
      file_of(
          R"({"h":{"dtype":"F16","shape":[8],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]}})",
          raw<std::uint16_t>(
              {0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x7c00, 0x7e00, 0x3555, 0x3f80, 0xc040, 0xff80}))));
  const std::vector<float> half = file.get<>("h").to_vector(), brain = file.get<>("b").to_vector();
  CHECK(half[0] == 1);
  CHECK(half[1] == -2);
  CHECK(half[2] == 65504);
  CHECK(half[3] == std::ldexp(1.0f, -24));
  CHECK((half[4] == 0 && std::signbit(half[4])));
  CHECK(half[5] == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(half[6]));
  CHECK(half[7] == 0.333251953125f);
  CHECK(brain == std::vector<float>{1, -3, -std::numeric_limits<float>::infinity()});
}

TEST_CASE("every hostile file is refused with an IoError") {
  const Scratch scratch;
  const auto one = [](const std::string& entry) { return file_of("{\"x\":" + entry + "}", std::string(8, 'd')); };
  const auto tensor = [&](const std::string& shape, const std::string& offsets) {
    return one("{\"dtype\":\"F32\",\"shape\":[" + shape + "],\"data_offsets\":[" + offsets + "]}");
  };
  REQUIRE(message_of(scratch.write("good", tensor("2", "0,8"))) == "no IoError");
  const std::string first = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)";
  const auto both = [&](const std::string& second) { return file_of(first + second + "}", std::string(8, 'd')); };
  REQUIRE(message_of(scratch.write("good", both(R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]})"))) ==
          "no IoError");

  std::string deep = "{\"x\":";
  for (int i = 0; i < 100000; ++i) deep += "[{\"x\":";
  const std::string hostile[] = {
      std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10),  // a header of 2^64 - 1 bytes
      std::string("\xf9\xff\xff\xff\xff\xff\xff\xff{}", 10),  // whose end wraps around
      std::string("\x03\0\0\0\0\0\0\0{}", 10),
      file_of("", ""),
      file_of("[]", ""),
      file_of(" {}", ""),
      file_of("{}x", ""),
      file_of(std::string("{}\0", 3), ""),
      file_of("{}", "hidden"),
      file_of("{", ""),
      file_of("{\"x\"}", ""),
      file_of("{\"x\":}", ""),
      file_of("{\"x\":1}", ""),
      file_of("{\"__metadata__\":{\"k\":1}}", ""),
      file_of("{\"__metadata__\":{\"k\":\"v\",\"k\":\"v\"}}", ""),
      file_of("{\"__metadata__\":{},\"__metadata__\":{}}", ""),
      file_of("{,}", ""),
      file_of(deep, ""),
      one("{}"),
      one("{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],}"),
      one("{\"dtype\":\"F32\",\"shape\":[2]}"),
      one("{\"dtype\":\"F32\",\"data_offsets\":[0,8]}"),
      one("{\"shape\":[2],\"data_offsets\":[0,8]}"),
      one("{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"),
      one("{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"more\":[0]}"),
      one("{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}"),
      one("{\"dtype\":4,\"shape\":[2],\"data_offsets\":[0,8]}"),
      one("{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]}"),
      one("{\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]}"),
      tensor("2", "0"),
      tensor("2", "0,8,8"),
      tensor("2", "8,0"),
      tensor("2", "0,9"),
      tensor("3", "0,8"),
      tensor("1", "0,8"),
      tensor("1", "4,8"),
      tensor("1", "0,4"),
      tensor("2", "0,7"),
      tensor("-2", "0,8"),
      tensor("2.0", "0,8"),
      tensor("2e0", "0,8"),
      tensor("02", "0,8"),
      tensor("2,", "0,8"),
      tensor("\"2\"", "0,8"),
      tensor("1,1,1,1,1,1,2", "0,8"),
      tensor("4611686018427387906", "0,8"),      // times 4 bytes is 8 modulo 2^64
      tensor("4294967296,4294967296,2", "0,8"),  // is 0 modulo 2^64
      tensor("0,4294967296,4294967296", "0,0"),
      tensor("18446744073709551618", "0,8"),  // is 2 modulo 2^64
      tensor("2", "18446744073709551612,4"),
      tensor("2", "0,18446744073709551624"),
      both(R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})"),
      both(R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})"),
      both(R"("b":{"dtype":"F32","shape":[1],"data_offsets":[3,7]})"),
      both(R"("b":{"dtype":"U8","shape":[3],"data_offsets":[5,8]})"),
      both(R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]})"),
      both(R"("\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]})"),
      file_of("{\"\xff\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", ""),
      file_of("{\"\xc0\xaf\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", ""),
      file_of("{\"\xed\xa0\x80\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", ""),
      file_of("{\"\\ud800\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", ""),
      file_of("{\"\\udc00\\ud800\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", ""),
      file_of("{\"\\u12g4\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", ""),
      file_of("{\"\\x41\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", ""),
      file_of("{\"a\nb\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", ""),
      file_of("{\"open", ""),
      file_of("{\"open\\", ""),
      file_of("{\"open\\u00", ""),
  };
  for (const std::string& file : hostile) {
    INFO(file.substr(8, 150));
    CHECK(message_of(scratch.write("bad", file)) != "no IoError");
  }
}

TEST_CASE("a file that is cut off anywhere is refused, and a flipped bit never does worse than an IoError") {
  const Scratch scratch;
  pf::save_safetensors(scratch / "x", {{"w", pf::Tensor<>({2, 2}, {1, 2, 3, 4})}, {"b", pf::Tensor<double>({1, 2})}},
                       {{"key", "val\xc3\xa9"}});
  const std::string whole = Scratch::read(scratch / "x");
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK(message_of(scratch.write("cut", whole.substr(0, size))) != "no IoError");
  std::size_t refused = 0;
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      refused += message_of(scratch.write("flipped", flipped)) != "no IoError";  // Any other exception fails the test.
    }
  CHECK(refused > 4 * 100);
}

TEST_CASE("an error names the file, the tensor and what is wrong") {
  const Scratch scratch;
  const std::string path = scratch.write(
      "model.safetensors",
      file_of(R"({"encoder.weight":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", std::string(8, 'd')));
  CHECK_THAT(message_of(path), ContainsSubstring("model.safetensors") && ContainsSubstring("'encoder.weight'") &&
                                   ContainsSubstring("3 elements of 4 bytes"));
  CHECK_THAT(message_of(scratch / "missing"), ContainsSubstring("cannot open"));
  pf::save_safetensors(scratch / "x", {{"w", pf::Tensor<>({1, 2})}});
  const pf::SafeTensors file = pf::load_safetensors(scratch / "x");
  CHECK_THROWS_WITH(file.get<>("v"), ContainsSubstring("'v'"));
  CHECK_THROWS_WITH(file.get<double>("w"), ContainsSubstring("F32") && ContainsSubstring("F64"));
  CHECK(file.find("v") == nullptr);
}

TEST_CASE("names that no file can hold are not saved, and the file before them stays") {
  const Scratch scratch;
  scratch.write("x", "before");
  const pf::Tensor<> t({1.0f});
  CHECK_THROWS_AS(pf::save_safetensors(scratch / "x", {{"a", t}, {"a", t}}), pf::ValueError);
  CHECK_THROWS_AS(pf::save_safetensors(scratch / "x", {{"__metadata__", t}}), pf::ValueError);
  CHECK_THROWS_AS(pf::save_safetensors(scratch / "x", {{"\xff", t}}), pf::ValueError);
  CHECK_THROWS_AS(pf::save_safetensors(scratch / "x", {{"a", t}}, {{"k", "\x80"}}), pf::ValueError);
  CHECK(Scratch::read(scratch / "x") == "before");
  CHECK(scratch.files() == 1);
}
