// Everything of the core floor: shapes, errors, memory, threads, random numbers.
#pragma once

#include <pushforward/core/error.hpp>
#include <pushforward/core/isa.hpp>
#include <pushforward/core/memory.hpp>
#include <pushforward/core/random.hpp>
#include <pushforward/core/shape.hpp>
#include <pushforward/core/threads.hpp>
