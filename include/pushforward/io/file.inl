// Bodies of file.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/io/file.hpp>

namespace pushforward::detail {

PUSHFORWARD_ONCE void create_parent_folders(const std::string& path) {
  for (std::size_t i = 1; i < path.size(); ++i) {
    if (path[i] != '/' && path[i] != '\\') continue;
#ifdef _WIN32
    _mkdir(path.substr(0, i).c_str());
#else
    if (path[i] == '/') mkdir(path.substr(0, i).c_str(), 0777);
#endif
  }
}

PUSHFORWARD_ONCE std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> count{0};
#ifdef _WIN32
  const int process = _getpid();
#else
  const int process = getpid();
#endif
  return path + "." + std::to_string(process) + "." + std::to_string(count++) + ".tmp";
}

PUSHFORWARD_ONCE FileAside::FileAside(const char* operation, const std::string& path)
    : operation_(operation), path_(path), temporary_(temporary_name(path)) {
  create_parent_folders(path);
  errno = 0;
  file_.reset(std::fopen(temporary_.c_str(), "wb"));
  if (!file_)
    fail<IoError>(operation_, ": cannot create ", path_, ": ", last_error(), "; check the folder and its permissions");
}

PUSHFORWARD_ONCE FileAside::~FileAside() {
  if (committed_) return;
  file_.reset();
  std::remove(temporary_.c_str());
}

PUSHFORWARD_ONCE void FileAside::write(const void* bytes, std::size_t count) {
  errno = 0;
  if (count && std::fwrite(bytes, 1, count, file_.get()) != count)
    fail<IoError>(operation_, ": cannot write ", path_, ": ", last_error(), "; what stood there before is unchanged");
}

PUSHFORWARD_ONCE void FileAside::commit() {
  errno = 0;
  const bool closed = std::fclose(file_.release()) == 0;
#ifdef _WIN32
  if (closed) std::remove(path_.c_str());
#endif
  if (!closed || std::rename(temporary_.c_str(), path_.c_str()) != 0)
    fail<IoError>(operation_, ": cannot write ", path_, ": ", last_error(), "; what stood there before is unchanged");
  committed_ = true;
}

PUSHFORWARD_ONCE std::vector<std::uint8_t> read_bytes(const char* operation, const std::string& path,
                                                      std::uint64_t most) {
  struct stat info {};
  errno = 0;
  if (stat(path.c_str(), &info) != 0) fail<IoError>(operation, ": cannot open ", path, ": ", last_error());
  if ((info.st_mode & S_IFMT) == S_IFDIR) fail<IoError>(operation, ": ", path, " is a folder, expected a file");
  const File file(std::fopen(path.c_str(), "rb"));
  if (!file) fail<IoError>(operation, ": cannot open ", path, ": ", last_error());
  std::vector<std::uint8_t> bytes;
  // One more byte than the file has, so that its end is seen without growing. Pipes report no size.
  const auto size = static_cast<std::uint64_t>(info.st_size > 0 ? info.st_size : 0);
  std::size_t used = 0, chunk = size > 0 && size <= most ? static_cast<std::size_t>(size) + 1 : std::size_t{1} << 16;
  for (;;) {
    bytes.resize(used + chunk);
    const std::size_t got = std::fread(bytes.data() + used, 1, chunk, file.get());
    used += got;
    if (used > most)
      fail<IoError>(operation, ": ", path, " has more than ", most, " bytes; raise max_bytes if that is right");
    if (got < chunk) break;
    chunk = used;
  }
  if (std::ferror(file.get())) fail<IoError>(operation, ": cannot read ", path, ": ", last_error());
  bytes.resize(used);
  return bytes;
}

}  // namespace pushforward::detail

namespace pushforward {

PUSHFORWARD_ONCE void write_file(const std::string& path, const void* bytes, std::size_t count) {
  detail::FileAside file("write_file", path);
  file.write(bytes, count);
  file.commit();
}

}  // namespace pushforward
