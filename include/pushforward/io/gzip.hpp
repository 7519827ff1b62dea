// Files that may be gzip-compressed: read as if they were not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <pushforward/io/file.hpp>

namespace pushforward {

/// How `read_file` reads.
struct ReadOptions {
  /// The most bytes to accept after decompression: a small file can unpack to more than the machine has.
  std::uint64_t max_bytes = std::uint64_t{4} << 30;
};

/// The bytes of a file, decompressed if it is a gzip file (known by its first two bytes, not by its name).
///
/// Throws IoError if the file cannot be read, is damaged or cut off, holds more than `options.max_bytes`, or is
/// compressed and the program was built without zlib.
std::vector<std::uint8_t> read_file(const std::string& path, const ReadOptions& options = {});

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/io/gzip.inl>
#endif
