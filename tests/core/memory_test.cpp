#include <pushforward/core/memory.hpp>

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "support/catch.hpp"

using pushforward::memory_stats;
using pushforward::release_cached_memory;
using pushforward::detail::Block;
using pushforward::detail::BufferPool;
using pushforward::detail::Ref;

TEST_CASE("a size class holds its sizes, wastes at most a quarter, and is the smallest that does") {
  auto check = [](std::size_t bytes) {
    const int size_class = BufferPool::class_of(bytes);
    const std::size_t room = BufferPool::class_bytes(size_class);
    INFO(bytes << " bytes in class " << size_class << " of " << room);
    REQUIRE(size_class >= 0);
    REQUIRE(room >= bytes);
    if (bytes > 64) REQUIRE(room - bytes <= bytes / 4);
    if (size_class > 0) REQUIRE(BufferPool::class_bytes(size_class - 1) < bytes);
  };
  for (std::size_t bytes = 0; bytes < 5000; ++bytes) check(bytes);
  for (int octave = 12; octave < 47; ++octave)
    for (std::size_t quarter = 4; quarter < 8; ++quarter)
      for (std::size_t off : {std::size_t(0), std::size_t(1), ~std::size_t(0)}) check((quarter << (octave - 2)) + off);
}

TEST_CASE("size classes and their bytes are inverse to each other") {
  for (int size_class = 0; size_class < BufferPool::classes; ++size_class) {
    REQUIRE(BufferPool::class_of(BufferPool::class_bytes(size_class)) == size_class);
    if (size_class > 0) REQUIRE(BufferPool::class_of(BufferPool::class_bytes(size_class - 1) + 1) == size_class);
  }
  // The largest block that may be asked for has a class of its own.
  CHECK(BufferPool::class_of((std::size_t{1} << 46) + sizeof(Block)) < BufferPool::classes);
}

TEST_CASE("blocks begin on a cache line and can be written to their end") {
  for (std::size_t bytes : {1u, 63u, 64u, 65u, 1000u, 100'000u}) {
    const Ref<Block> block = Block::create(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(block->data()) % 64 == 0);
    std::memset(block->data(), 0xFF, bytes);
    CHECK(static_cast<unsigned char*>(block->data())[bytes - 1] == 0xFF);
  }
}

TEST_CASE("a block that is let go of is used again, without a visit to the system") {
  void* first = nullptr;
  {
    const Ref<Block> block = Block::create(5000);
    first = block->data();
  }
  const auto before = memory_stats();
  const Ref<Block> again = Block::create(4990);  // of the same class
  CHECK(again->data() == first);
  CHECK(memory_stats().system_allocations == before.system_allocations);
  const Ref<Block> other = Block::create(4990);  // the first is taken
  CHECK(other->data() != first);
}

TEST_CASE("a block lives until its last handle goes") {
  Ref<Block> a = Block::create(100);
  CHECK(a.unique());
  Ref<Block> b = a;
  CHECK(!a.unique());
  CHECK(a.get() == b.get());
  Ref<Block> c = std::move(a);
  CHECK(!a);
  CHECK(c.get() == b.get());
  b = c;
  Ref<Block>& self = c;
  c = self;
  CHECK(c->references == 2);
  b = Ref<Block>();
  CHECK(c.unique());
}

TEST_CASE("a block may be let go of by another thread, also after its own has ended") {
  Ref<Block> from_other;
  std::thread([&] { from_other = Block::create(3000); }).join();
  std::memset(from_other->data(), 1, 3000);
  void* address = from_other->data();
  from_other = Ref<Block>();  // into the pool of this thread
  CHECK(Block::create(3000)->data() == address);
  Ref<Block> mine = Block::create(3000);
  std::thread([block = std::move(mine)]() mutable { block = Ref<Block>(); }).join();
}

TEST_CASE("handles are counted right by threads that copy and drop them at once") {
  const Ref<Block> block = Block::create(64);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([block] {
      for (int k = 0; k < 20'000; ++k) {
        Ref<Block> copy = block;
        const Ref<Block> moved = std::move(copy);
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(block.unique());
}

namespace {

/// Outlives the pool of its thread when it is first used before the pool.
struct Late {
  Ref<Block> block;
};
Late& late() {
  static thread_local Late keeper;
  return keeper;
}

}  // namespace

TEST_CASE("blocks in thread storage may outlive the pool of the thread") {
  std::thread([] {
    late();                              // constructed first, so destroyed last
    late().block = Block::create(2000);  // the pool is constructed here
  }).join();
  SUCCEED("no crash, and no leak under the address sanitizer");
}

TEST_CASE("cached memory is given back when asked for") {
  { const Ref<Block> block = Block::create(7777); }
  release_cached_memory();
  const auto before = memory_stats();
  const Ref<Block> block = Block::create(7777);
  CHECK(memory_stats().system_allocations == before.system_allocations + 1);
  CHECK(memory_stats().system_bytes >= before.system_bytes + 7777);
}

TEST_CASE("a block larger than any memory is refused") {
  CHECK_THROWS_AS(Block::create(std::size_t{1} << 47), std::bad_alloc);
}
