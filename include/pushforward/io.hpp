// Files: safetensors, npy, csv, png, gzip.
#pragma once

#include <pushforward/io/csv.hpp>
#include <pushforward/io/gzip.hpp>
#include <pushforward/io/npy.hpp>
#include <pushforward/io/png.hpp>
#include <pushforward/io/safetensors.hpp>
#include <pushforward/io/wav.hpp>
