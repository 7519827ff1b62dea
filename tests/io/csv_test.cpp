#include <pushforward/io/csv.hpp>

#include "io/scratch.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("a table survives its CSV file to the last bit") {
  const Scratch scratch;
  const pf::Tensor<> table({2, 3}, {0.1f, -2, 3e-40f, 1.0f / 3, 3e38f, 16777216});
  pf::write_csv(scratch / "x.csv", table);
  const pf::Tensor<> back = pf::read_csv(scratch / "x.csv");
  CHECK(back.shape() == table.shape());
  CHECK(back.to_vector() == table.to_vector());
  const pf::Tensor<double> column({2}, {0.1, 1e300});
  pf::write_csv(scratch / "y.csv", column);
  CHECK(pf::read_csv<double>(scratch / "y.csv").shape() == pf::Shape{2, 1});
  CHECK(pf::read_csv<double>(scratch / "y.csv").to_vector() == column.to_vector());
}

TEST_CASE("headers, delimiters, blanks, quotes and line ends of all kinds are understood") {
  const Scratch scratch;
  const auto read = [&](const std::string& text, const pf::CsvOptions& options = {}) {
    return pf::read_csv(scratch.write("x", text), options);
  };
  CHECK(read("1,2\n3,4").str() == "Tensor[2, 2] [[1, 2], [3, 4]]");
  CHECK(read("1 , +2\r\n\r\n\"3\", -4e1 \r\n").str() == "Tensor[2, 2] [[1, 2], [3, -40]]");
  CHECK(read("a;b\n1;2\n", {.delimiter = ';', .header = true}).str() == "Tensor[1, 2] [[1, 2]]");
  CHECK(read("1\t2\n", {.delimiter = '\t'}).str() == "Tensor[1, 2] [[1, 2]]");
  CHECK(read("\xef\xbb\xbf"
             "5\n")
            .str() == "Tensor[1, 1] [[5]]");
  pf::write_csv(scratch / "named", pf::Tensor<>({1, 2}, {1, 2}), {.columns = {"x", "y"}});
  CHECK(Scratch::read(scratch / "named") == "x,y\n1,2\n");
}

TEST_CASE("what is wrong in a table is named with its line") {
  const Scratch scratch;
  const auto message = [&](const std::string& text, const pf::CsvOptions& options = {}) -> std::string {
    try {
      pf::read_csv(scratch.write("table.csv", text), options);
    } catch (const pf::IoError& error) {
      return error.what();
    }
    return "no error";
  };
  CHECK_THAT(message("1,2\n3\n"),
             ContainsSubstring("table.csv, line 2") && ContainsSubstring("got 1 cells, expected 2"));
  CHECK_THAT(message("1,2\n\n3,4,5\n"), ContainsSubstring("line 3"));
  CHECK_THAT(message("1,2\n3,four\n"), ContainsSubstring("line 2, column 2") && ContainsSubstring("four"));
  CHECK_THAT(message("1,2\n3,\n"), ContainsSubstring("line 2, column 2"));
  CHECK_THAT(message("1,2\n3,nan\n"), ContainsSubstring("line 2, column 2") && ContainsSubstring("finite"));
  CHECK_THAT(message("inf\n"), ContainsSubstring("line 1") && ContainsSubstring("finite"));
  CHECK_THAT(message("1e300\n"), ContainsSubstring("line 1"));
  CHECK_THAT(message("1.5abc\n"), ContainsSubstring("line 1"));
  CHECK_THAT(message("x,y\n1,2\n"), ContainsSubstring("line 1") && ContainsSubstring(".header = true"));
  CHECK_THAT(message(""), ContainsSubstring("no rows"));
  CHECK_THAT(message("x,y\n", {.header = true}), ContainsSubstring("no rows"));
}

TEST_CASE("whole numbers are read as such only when they are") {
  const Scratch scratch;
  CHECK(pf::read_csv<pf::Index>(scratch.write("i", "3\n-4\n")).to_vector() == std::vector<pf::Index>{3, -4});
  CHECK_THROWS_AS(pf::read_csv<pf::Index>(scratch.write("f", "3.5\n")), pf::IoError);
  CHECK_THROWS_AS(pf::read_csv<pf::Index>(scratch.write("g", "1e30\n")), pf::IoError);
}

TEST_CASE("tensors that are no tables are not written") {
  const Scratch scratch;
  CHECK_THROWS_AS(pf::write_csv(scratch / "x", pf::Tensor<>::zeros({2, 2, 2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::write_csv(scratch / "x", pf::Tensor<>::zeros({2, 2}), {.columns = {"one"}}), pf::ShapeError);
  CHECK(scratch.files() == 0);
}
