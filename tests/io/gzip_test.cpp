#include <pushforward/io/gzip.hpp>

#if PUSHFORWARD_HAS_ZLIB
#include <zlib.h>
#endif

#include "io/scratch.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;

namespace {

std::string text_of(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

TEST_CASE("a plain file is read as it is") {
  const Scratch scratch;
  CHECK(text_of(pf::read_file(scratch.write("a", std::string("x\0y\n", 4)))) == std::string("x\0y\n", 4));
  CHECK(pf::read_file(scratch.write("empty", "")).empty());
  CHECK(text_of(pf::read_file(scratch.write("one", "\x1f"))) == "\x1f");
  const std::string large(300000, 'q');
  CHECK(text_of(pf::read_file(scratch.write("large", large))) == large);
}

TEST_CASE("what cannot be read is named") {
  const Scratch scratch;
  CHECK_THROWS_WITH(pf::read_file(scratch / "missing"),
                    ContainsSubstring("missing") && ContainsSubstring("No such file"));
  CHECK_THROWS_AS(pf::read_file(scratch / "missing"), pf::IoError);
  CHECK_THROWS_WITH(pf::read_file(scratch / ""), ContainsSubstring("folder"));
  CHECK_THROWS_WITH(pf::read_file(scratch.write("long", "12345"), {.max_bytes = 4}), ContainsSubstring("max_bytes"));
  CHECK(pf::read_file(scratch.write("fits", "1234"), {.max_bytes = 4}).size() == 4);
}

TEST_CASE("write_file writes what read_file reads") {
  const Scratch scratch;
  pf::write_file(scratch / "deep/er/file", "hello", 5);
  CHECK(text_of(pf::read_file(scratch / "deep/er/file")) == "hello");
  CHECK(scratch.files() == 1);
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

std::string varied(std::size_t size) {
  std::minstd_rand random(3);
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(random() % 64);
  return text;
}

}  // namespace

TEST_CASE("a gzip file is unpacked, whatever its name") {
  const Scratch scratch;
  for (std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{1} << 20, (std::size_t{3} << 20) + 17}) {
    const std::string text = varied(size);
    CHECK((text_of(pf::read_file(scratch.write("data", gzipped(text)))) == text));
  }
}

TEST_CASE("gzip members that follow each other are joined, zeros after them ignored") {
  const Scratch scratch;
  CHECK(text_of(pf::read_file(scratch.write("two", gzipped("one ") + gzipped("two") + std::string(512, '\0')))) ==
        "one two");
}

TEST_CASE("a gzip file that is cut off anywhere is refused") {
  const Scratch scratch;
  const std::string whole = gzipped(varied(500));
  for (std::size_t size = 2; size < whole.size(); ++size)
    CHECK_THROWS_AS(pf::read_file(scratch.write("cut", whole.substr(0, size))), pf::IoError);
}

TEST_CASE("a damaged gzip file never reads as something else") {
  const Scratch scratch;
  const std::string text = varied(500), whole = gzipped(text);
  int harmless = 0;
  for (std::size_t i = 10; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    std::string read = text;
    try {
      read = text_of(pf::read_file(scratch.write("bad", damaged)));
      ++harmless;
    } catch (const pf::IoError&) {
    }
    CHECK((read == text));
  }
  CHECK(harmless <= 1);  // The bits that fill the last byte of the stream mean nothing.
  CHECK_THROWS_AS(pf::read_file(scratch.write("tail", whole + "junk")), pf::IoError);
}

TEST_CASE("a small file that unpacks to too much is stopped") {
  const Scratch scratch;
  const std::string bomb = gzipped(std::string(std::size_t{20} << 20, '\0'));
  REQUIRE(bomb.size() < 30000);
  CHECK_THROWS_WITH(pf::read_file(scratch.write("bomb", bomb), {.max_bytes = 1 << 20}), ContainsSubstring("max_bytes"));
  CHECK(pf::read_file(scratch / "bomb", {.max_bytes = 20 << 20}).size() == std::size_t{20} << 20);
}

#else

TEST_CASE("without zlib a gzip file says what to do") {
  const Scratch scratch;
  CHECK_THROWS_WITH(pf::read_file(scratch.write("a.gz", "\x1f\x8b\x08")),
                    ContainsSubstring("PUSHFORWARD_HAS_ZLIB") && ContainsSubstring("gunzip"));
}

#endif
