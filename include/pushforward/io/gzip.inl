// Bodies of gzip.hpp.
#pragma once

#include <algorithm>

#if defined(PUSHFORWARD_HAS_ZLIB) && PUSHFORWARD_HAS_ZLIB
#include <zlib.h>
#endif

#include <pushforward/core/isa.hpp>
#include <pushforward/io/gzip.hpp>

namespace pushforward::detail {

#if defined(PUSHFORWARD_HAS_ZLIB) && PUSHFORWARD_HAS_ZLIB

struct InflateStream {
  z_stream z{};
  explicit InflateStream(const std::string& path) {
    constexpr int gzip_window = 15 + 16;
    if (inflateInit2(&z, gzip_window) != Z_OK)
      fail<IoError>("read_file: zlib cannot start on ", path, ": out of memory");
  }
  InflateStream(const InflateStream&) = delete;
  InflateStream& operator=(const InflateStream&) = delete;
  ~InflateStream() { inflateEnd(&z); }
};

PUSHFORWARD_ONCE std::vector<std::uint8_t> gunzip(const std::string& path, const std::vector<std::uint8_t>& packed,
                                                  std::uint64_t most) {
  constexpr std::size_t step = std::size_t{1} << 20;
  InflateStream stream(path);
  std::vector<std::uint8_t> bytes;
  std::size_t used = 0, taken = 0;
  for (bool member = true; member;) {
    if (bytes.size() - used < step) bytes.resize(bytes.size() + std::max(step, bytes.size() / 2));
    const std::size_t give = std::min(step, packed.size() - taken), room = std::min(step, bytes.size() - used);
    stream.z.next_in = const_cast<Bytef*>(packed.data() + taken);
    stream.z.avail_in = static_cast<uInt>(give);
    stream.z.next_out = bytes.data() + used;
    stream.z.avail_out = static_cast<uInt>(room);
    const int status = inflate(&stream.z, Z_NO_FLUSH);
    taken += give - stream.z.avail_in;
    used += room - stream.z.avail_out;
    if (used > most)
      fail<IoError>("read_file: ", path, " unpacks to more than ", most, " bytes; raise max_bytes if that is right");
    if (status == Z_STREAM_END) {
      // Members may follow each other, and tape blocks end in zeros.
      while (taken < packed.size() && packed[taken] == 0) ++taken;
      member = taken < packed.size();
      if (member) inflateReset(&stream.z);
    } else if (status == Z_BUF_ERROR || (status == Z_OK && taken == packed.size() && stream.z.avail_out > 0)) {
      fail<IoError>("read_file: ", path, " ends in the middle of its gzip stream, after ", packed.size(),
                    " bytes; it was cut off: copy or download it again");
    } else if (status != Z_OK) {
      fail<IoError>("read_file: ", path, " is not valid gzip near byte ", taken, ": ",
                    stream.z.msg ? stream.z.msg : "damaged data", "; copy or download it again");
    }
  }
  bytes.resize(used);
  return bytes;
}

#else

PUSHFORWARD_ONCE std::vector<std::uint8_t> gunzip(const std::string& path, const std::vector<std::uint8_t>&,
                                                  std::uint64_t) {
  fail<IoError>("read_file: ", path, " is gzip-compressed and this program was built without zlib; define ",
                "PUSHFORWARD_HAS_ZLIB=1 and link zlib (-lz), or unpack the file with gunzip");
}

#endif

}  // namespace pushforward::detail

namespace pushforward {

PUSHFORWARD_ONCE std::vector<std::uint8_t> read_file(const std::string& path, const ReadOptions& options) {
  std::vector<std::uint8_t> bytes = detail::read_bytes("read_file", path, options.max_bytes);
  if (bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) return detail::gunzip(path, bytes, options.max_bytes);
  return bytes;
}

}  // namespace pushforward
