// Files: bytes read whole, and written aside so that a failed write never leaves half a file.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <sys/stat.h>
#ifdef _WIN32
#include <direct.h>
#include <process.h>
#else
#include <unistd.h>
#endif

#include <pushforward/core/error.hpp>

namespace pushforward {

namespace detail {

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

inline std::string last_error() { return errno ? std::strerror(errno) : "unknown reason"; }

// Failures show when the file itself is opened, with the reason.
void create_parent_folders(const std::string& path);

std::string temporary_name(const std::string& path);

// A file written under another name beside `path`, which takes the name `path` on commit() and vanishes without it.
class FileAside {
 public:
  FileAside(const char* operation, const std::string& path);
  FileAside(const FileAside&) = delete;
  FileAside& operator=(const FileAside&) = delete;
  ~FileAside();

  void write(const void* bytes, std::size_t count);
  void commit();

 private:
  const char* operation_;
  std::string path_, temporary_;
  File file_;
  bool committed_ = false;
};

// All bytes of a file as they are.
std::vector<std::uint8_t> read_bytes(const char* operation, const std::string& path, std::uint64_t most);

// The number of elements of a shape from a file; false if its lengths multiply to more than can be counted.
template <class Axes>
bool count_elements(const Axes& axes, std::uint64_t& elements) {
  constexpr std::uint64_t most = std::uint64_t{1} << 62;
  std::uint64_t product = 1, zero = 1;
  for (const auto axis : axes) {
    const auto length = static_cast<std::uint64_t>(axis);
    if (length == 0) zero = 0;
    if (length && product > most / length) return false;
    if (length) product *= length;
  }
  elements = product * zero;
  return true;
}

}  // namespace detail

/// Writes `count` bytes to `path`: aside under another name first and then renamed, so that `path` never holds half a
/// file. Missing parent folders are created. Throws IoError.
void write_file(const std::string& path, const void* bytes, std::size_t count);

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/io/file.inl>
#endif
