// Memory: reference-counted blocks from a pool of the calling thread.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace pushforward {

/// Counters of the buffer pools, over all threads since the program began.
struct MemoryStats {
  std::uint64_t system_allocations = 0;  ///< blocks that had to come from the system
  std::uint64_t system_bytes = 0;        ///< their bytes
};

namespace detail {

inline std::atomic<std::uint64_t> system_allocations{0}, system_bytes{0};

// Free blocks of one thread by size class: four classes an octave, so at most a quarter of a block is idle.
class BufferPool {
 public:
  static constexpr int classes = 4 * 44;
  static constexpr std::size_t keep_bytes = std::size_t{2} << 30;  // what one thread caches at most

  BufferPool() = default;
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool() {
    clear();
    gone = true;
  }

  static int class_of(std::size_t bytes) {
    if (bytes <= 64) return 0;
    const int octave = static_cast<int>(std::bit_width(bytes - 1)) - 1;  // 2^octave < bytes <= 2^(octave + 1)
    const std::size_t quarter = std::size_t{1} << (octave - 2);
    return 1 + 4 * (octave - 6) + static_cast<int>((bytes - 1 - (std::size_t{1} << octave)) / quarter);
  }
  static std::size_t class_bytes(int size_class) {
    if (size_class == 0) return 64;
    const int octave = 6 + (size_class - 1) / 4, step = (size_class - 1) % 4;
    return (std::size_t{1} << octave) + static_cast<std::size_t>(step + 1) * (std::size_t{1} << (octave - 2));
  }

  [[gnu::noinline]] static void* allocate(std::size_t bytes) {
    const int size_class = class_of(bytes);
    if (BufferPool* pool = local(); pool && size_class < classes && pool->free_[size_class]) {
      FreeBlock* block = pool->free_[size_class];
      pool->free_[size_class] = block->next;
      pool->cached_ -= class_bytes(size_class);
      return block;
    }
    const std::size_t rounded = class_bytes(size_class);
    system_allocations.fetch_add(1, std::memory_order_relaxed);
    system_bytes.fetch_add(rounded, std::memory_order_relaxed);
    return ::operator new (rounded, std::align_val_t{64});
  }

  [[gnu::noinline]] static void release(void* memory, std::size_t bytes) {
    const int size_class = class_of(bytes);
    BufferPool* pool = local();
    if (pool && size_class < classes && pool->cached_ + class_bytes(size_class) <= keep_bytes) {
      pool->free_[size_class] = new (memory) FreeBlock{pool->free_[size_class]};
      pool->cached_ += class_bytes(size_class);
    } else {
      ::operator delete (memory, std::align_val_t{64});
    }
  }

  static BufferPool* local() {
    if (gone) return nullptr;
    static thread_local BufferPool pool;
    return &pool;
  }

  void clear() {
    for (FreeBlock*& head : free_)
      while (head) ::operator delete (std::exchange(head, head->next), std::align_val_t{64});
    cached_ = 0;
  }

 private:
  struct FreeBlock {
    FreeBlock* next;
  };
  // Set once the thread's pool is destroyed: tensors in static storage may be released later still.
  inline static thread_local bool gone = false;

  FreeBlock* free_[classes] = {};
  std::size_t cached_ = 0;
};

// A counted handle to `T`, which has an atomic `references` and a static `destroy(T*)`.
template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* target) : target_(target) { retain(); }
  Ref(const Ref& other) : target_(other.target_) { retain(); }
  Ref(Ref&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(target_, other.target_);
    return *this;
  }
  ~Ref() {
    if (target_) release(target_);
  }

  T* get() const { return target_; }
  T* operator->() const { return target_; }
  T& operator*() const { return *target_; }
  explicit operator bool() const { return target_ != nullptr; }
  bool unique() const { return target_ && target_->references.load(std::memory_order_acquire) == 1; }

 private:
  void retain() const {
    if (target_) target_->references.fetch_add(1, std::memory_order_relaxed);
  }
  // Out of line, because handles die everywhere.
  [[gnu::noinline]] static void release(T* target) {
    if (target->references.fetch_sub(1, std::memory_order_acq_rel) == 1) T::destroy(target);
  }
  T* target_ = nullptr;
};

// A counted block of bytes: this header, then the data, which begins on a cache line.
struct alignas(64) Block {
  std::atomic<std::uint32_t> references{0};
  std::size_t bytes = 0;

  static Ref<Block> create(std::size_t data_bytes) {
    if (data_bytes > (std::size_t{1} << 46)) throw std::bad_alloc();
    Block* block = new (BufferPool::allocate(sizeof(Block) + data_bytes)) Block;
    block->bytes = sizeof(Block) + data_bytes;
    return Ref<Block>(block);
  }
  static void destroy(Block* block) {
    const std::size_t bytes = block->bytes;
    block->~Block();
    BufferPool::release(block, bytes);
  }
  void* data() { return this + 1; }
};

}  // namespace detail

/// What the buffer pools have taken from the system so far: constant over a steady training loop.
inline MemoryStats memory_stats() {
  return {detail::system_allocations.load(std::memory_order_relaxed),
          detail::system_bytes.load(std::memory_order_relaxed)};
}

/// Gives the calling thread's cached buffers back to the system.
inline void release_cached_memory() {
  if (detail::BufferPool* pool = detail::BufferPool::local()) pool->clear();
}

}  // namespace pushforward
