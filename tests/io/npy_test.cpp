#include <pushforward/io/npy.hpp>

#include "io/scratch.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;

namespace {

std::string npy(const std::string& header, const std::string& data, char version = 1) {
  std::string file = std::string("\x93NUMPY") + version + '\0';
  file += static_cast<char>(header.size() & 255);
  file += static_cast<char>(header.size() >> 8);
  if (version > 1) file += std::string(2, '\0');
  return file + header + data;
}

template <class T>
std::string raw(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

}  // namespace

TEST_CASE("a tensor survives its NPY file to the last bit") {
  const Scratch scratch;
  const auto check = [&](const auto& tensor) {
    using S = typename std::decay_t<decltype(tensor)>::Scalar;
    pf::write_npy(scratch / "x.npy", tensor);
    const pf::Tensor<S> back = pf::read_npy<S>(scratch / "x.npy");
    CHECK(back.shape() == tensor.shape());
    CHECK(back.to_vector() == tensor.to_vector());
  };
  check(pf::Tensor<>({2, 3}, {1, -2.5f, 3e-40f, 3e38f, 5, 0.1f}));
  check(pf::Tensor<double>({1, 2, 1, 3, 1, 1}, {0.1, 0.2, 0.3, 1e300, 5e-324, -6}));
  check(pf::Tensor<pf::Index>({3}, {std::numeric_limits<pf::Index>::min(), 0, std::numeric_limits<pf::Index>::max()}));
  check(pf::Tensor<double>::scalar(4.5));
  check(pf::Tensor<>::zeros({0, 7}));
}

TEST_CASE("the file is the one that NumPy writes") {
  const Scratch scratch;
  pf::write_npy(scratch / "x.npy", pf::Tensor<>({2, 1}, {1, 2}));
  const std::string bytes = Scratch::read(scratch / "x.npy");
  CHECK(bytes.substr(0, 8) == std::string("\x93NUMPY\x01\x00", 8));
  CHECK(bytes.size() == 128 + 8);
  CHECK(bytes.substr(8, 2) == std::string("\x76\x00", 2));
  CHECK(bytes.substr(10, 57) == "{'descr': '<f4', 'fortran_order': False, 'shape': (2,1,),");
  CHECK(bytes[127] == '\n');
  CHECK(bytes.substr(128) == raw({1.0f, 2.0f}));
}

TEST_CASE("other types are read and converted, in any order of keys") {
  const Scratch scratch;
  const auto read = [&](const std::string& file) {
    return pf::read_npy<double>(scratch.write("x.npy", file)).to_vector();
  };
  CHECK(read(npy("{'shape': (2,), 'fortran_order': False, 'descr': '|u1'}", "\x01\xff")) ==
        std::vector<double>{1, 255});
  CHECK(read(npy("{\"descr\": \"<i8\", 'fortran_order': False, 'shape': (1, 1), }  \n", raw<std::int64_t>({-3}))) ==
        std::vector<double>{-3});
  CHECK(read(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}", raw({1.5f, 2.5f}), 2)) ==
        std::vector<double>{1.5, 2.5});
  CHECK(read(npy("{'descr': '<f8', 'fortran_order': False, 'shape': ()}", raw({7.0}))) == std::vector<double>{7});
  CHECK(pf::read_npy<pf::Index>(
            scratch.write("u", npy("{'shape': (1,), 'fortran_order': False, 'descr': '|u1'}", "\x09")))
            .item() == 9);
}

TEST_CASE("hostile NPY files are refused with an IoError") {
  const Scratch scratch;
  const std::string data = raw({1.0f, 2.0f}), good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  REQUIRE(pf::read_npy(scratch.write("good", npy(good, data))).size() == 2);
  const auto header = [&](const std::string& type, const std::string& order, const std::string& shape) {
    return npy("{'descr': " + type + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }", data);
  };
  const std::string hostile[] = {
      "",
      "\x93NUMPY",
      "PK\x03\x04 a zip file",
      npy(good, data.substr(1)),
      npy(good, data + "x"),
      npy(good, ""),
      npy(good, data, 9),
      npy("", data),
      npy("{}", data),
      npy("{'descr': '<f4', 'shape': (2,)}", data),
      npy(good + "x", data),
      npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", data),
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", data),
      npy("{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}", data),
      npy("{'descr': '<f4", data),
      header("'>f4'", "False", "(2,)"),
      header("'<c8'", "False", "(1,)"),
      header("'|O'", "False", "(1,)"),
      header("[('x', '<f4')]", "False", "(2,)"),
      header("'<f4'", "True", "(1, 2)"),
      header("'<f4'", "Maybe", "(2,)"),
      header("'<f4'", "False", "(-2,)"),
      header("'<f4'", "False", "(2"),
      header("'<f4'", "False", "(3,)"),
      header("'<f4'", "False", "(1,1,1,1,1,1,2)"),
      header("'<f4'", "False", "(99999999999999999999999,)"),
      header("'<f4'", "False", "(4294967296, 4294967296, 2)"),
      header("'<f4'", "False", "(0, 4294967296, 4294967296)"),
      header("'<f4'", "False", "(4611686018427387906,)"),
      std::string("\x93NUMPY\x01\x00\xff\xff", 10) + good + data,
      std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12) + good + data,
  };
  for (const std::string& file : hostile) {
    INFO(file.substr(0, 120));
    CHECK_THROWS_AS(pf::read_npy(scratch.write("bad.npy", file)), pf::IoError);
  }
  const std::string whole = npy(good, data);
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_THROWS_AS(pf::read_npy(scratch.write("cut.npy", whole.substr(0, size))), pf::IoError);
}

TEST_CASE("an NPY error names the file and what it holds") {
  const Scratch scratch;
  CHECK_THROWS_WITH(pf::read_npy<pf::Index>(scratch.write(
                        "floats.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': ()}", raw({7.0})))),
                    ContainsSubstring("floats.npy") && ContainsSubstring("<f8"));
  CHECK_THROWS_WITH(
      pf::read_npy(scratch.write("big.npy", npy("{'descr': '>i4', 'fortran_order': False, 'shape': ()}", "abcd"))),
      ContainsSubstring(">i4") && ContainsSubstring("astype"));
}
