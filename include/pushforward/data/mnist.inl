// Bodies of mnist.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/data/mnist.hpp>

namespace pushforward::data {

PUSHFORWARD_ONCE std::optional<std::string> data_directory(const std::optional<std::string>& given) {
  if (given && !given->empty()) return given;
  const char* variable = std::getenv("PUSHFORWARD_DATA");
  if (variable && *variable) return std::string(variable);
  return std::nullopt;
}

}  // namespace pushforward::data

namespace pushforward::data::detail {

PUSHFORWARD_ONCE bool is_file(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && (info.st_mode & S_IFMT) != S_IFDIR;
}

PUSHFORWARD_ONCE std::string find_file(const char* operation, const std::string& directory, const char* folder,
                                       const std::string& name) {
  std::string tried;
  for (const std::string& place : {directory + "/", directory + "/" + folder + "/"})
    for (const char* ending : {".gz", ""}) {
      const std::string path = place + name + ending;
      if (is_file(path)) return path;
      tried += (tried.empty() ? "" : ", ") + path;
    }
  fail<IoError>(operation, ": there is no ", name, " in ", directory, "; looked for ", tried,
                "; pass the folder that holds it (--data, or the environment variable PUSHFORWARD_DATA)");
}

PUSHFORWARD_ONCE Index limited(const char* operation, Index count, Index limit) {
  if (limit < 0) fail<ValueError>(operation, ": got limit = ", limit, ", expected 0 (all) or a positive number");
  return limit > 0 && limit < count ? limit : count;
}

PUSHFORWARD_ONCE Idx open_idx_bytes(const char* operation, const std::string& path, int rank) {
  Idx idx = open_idx(path);
  if (idx.type != idx_unsigned_byte || idx.shape.rank() != rank)
    fail<IoError>(operation, ": ", path, " begins with ", hexadecimal(idx.bytes.data(), 4), ", expected 0x0000080",
                  rank);
  return idx;
}

}  // namespace pushforward::data::detail
