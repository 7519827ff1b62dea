// MNIST and binarized MNIST from local files.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <pushforward/data/idx.hpp>

namespace pushforward::data {

/// Which part of a data set.
enum class Split { train, validation, test };

/// How MNIST is loaded.
struct MnistOptions {
  Split split = Split::train;
  Index limit = 0;  ///< Only the first so many examples; 0 loads all.
};

/// Images and what they show.
template <class S = float>
struct LabeledImages {
  Tensor<S> images;      ///< [n, 784], rows of 28 x 28 pixels, 0 (background) to 1 (ink)
  Tensor<Index> labels;  ///< [n], 0 to 9
};

/// The folder with data sets that a program was told of: `given` (its --data argument) if there is one, else the
/// environment variable PUSHFORWARD_DATA, else nothing.
std::optional<std::string> data_directory(const std::optional<std::string>& given = std::nullopt);

namespace detail {

bool is_file(const std::string& path);

// `directory`/`name` or `directory`/`folder`/`name`, with or without .gz.
std::string find_file(const char* operation, const std::string& directory, const char* folder, const std::string& name);

Index limited(const char* operation, Index count, Index limit);

inline constexpr Index image_side = 28, image_pixels = image_side * image_side, packed_bytes = image_pixels / 8;

Idx open_idx_bytes(const char* operation, const std::string& path, int rank);

}  // namespace detail

/// MNIST from its four IDX files, plain or .gz, in `directory` or `directory`/mnist: 60000 images for training, or
/// 10000 for testing, pixels divided by 255 (LeCun, Cortes and Burges).
///
/// Throws IoError if a file is missing or damaged, ValueError for Split::validation, which MNIST does not have.
template <class S = float>
LabeledImages<S> load_mnist(const std::string& directory, const MnistOptions& options = {}) {
  constexpr const char* name = "load_mnist";
  if (options.split == Split::validation)
    fail<ValueError>(
        "load_mnist: MNIST has no validation part; load Split::train and divide it with train_validation_split");
  const std::string prefix = options.split == Split::train ? "train" : "t10k";
  const std::string image_path = detail::find_file(name, directory, "mnist", prefix + "-images-idx3-ubyte");
  const std::string label_path = detail::find_file(name, directory, "mnist", prefix + "-labels-idx1-ubyte");
  const detail::Idx images = detail::open_idx_bytes(name, image_path, 3),
                    labels = detail::open_idx_bytes(name, label_path, 1);
  if (images.shape[1] != detail::image_side || images.shape[2] != detail::image_side)
    fail<IoError>("load_mnist: ", image_path, " holds images of shape ", images.shape, ", expected [n, 28, 28]");
  if (images.shape[0] != labels.shape[0])
    fail<IoError>("load_mnist: ", image_path, " holds ", images.shape[0], " images, but ", label_path, " holds ",
                  labels.shape[0], " labels; they belong to different data sets");
  const Index n = detail::limited(name, images.shape[0], options.limit);
  for (Index i = 0; i < n; ++i)
    if (labels.values()[i] > 9)
      fail<IoError>("load_mnist: label ", i, " of ", label_path, " is ", Index{labels.values()[i]},
                    ", expected 0 to 9");
  return {Tensor<S>::generate({n, detail::image_pixels},
                              [&](Index i) { return static_cast<S>(images.values()[i]) / S(255); }),
          Tensor<Index>::generate({n}, [&](Index i) { return Index{labels.values()[i]}; })};
}
template <class S = float>
LabeledImages<S> load_mnist(const std::string& directory, Split split) {
  return load_mnist<S>(directory, MnistOptions{.split = split});
}

/// Statically binarized MNIST (Larochelle and Murray, The neural autoregressive distribution estimator, 2011), [n, 784]
/// of 0 and 1: 50000 images for training, 10000 each for validation and testing, without labels.
///
/// Read from binarized_mnist_{train,valid,test}.bits, plain or .gz, in `directory` or `directory`/binarized_mnist: 98
/// bytes an image, rows from the top, the first pixel of a byte in its highest bit. Throws IoError if the file is
/// missing, damaged, or not whole images.
template <class S = float>
Tensor<S> load_binarized_mnist(const std::string& directory, const MnistOptions& options = {}) {
  constexpr const char* name = "load_binarized_mnist";
  const char* part = options.split == Split::train ? "train" : options.split == Split::validation ? "valid" : "test";
  const std::string path =
      detail::find_file(name, directory, "binarized_mnist", std::string("binarized_mnist_") + part + ".bits");
  const std::vector<std::uint8_t> bytes = read_file(path);
  const auto size = static_cast<Index>(bytes.size());
  if (size == 0 || size % detail::packed_bytes)
    fail<IoError>("load_binarized_mnist: ", path, " unpacks to ", size,
                  " bytes, expected a multiple of 98 (784 bits an image); ", "it is cut off or in another format");
  const Index n = detail::limited(name, size / detail::packed_bytes, options.limit);
  return Tensor<S>::generate({n, detail::image_pixels}, [&](Index i) {
    return static_cast<S>(bytes[static_cast<std::size_t>(i / 8)] >> (7 - i % 8) & 1);
  });
}
template <class S = float>
Tensor<S> load_binarized_mnist(const std::string& directory, Split split) {
  return load_binarized_mnist<S>(directory, MnistOptions{.split = split});
}

}  // namespace pushforward::data

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/data/mnist.inl>
#endif
