#include "ReusingPool.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sys/mman.h>

#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "CArrowBridge.h"

namespace bridge {
namespace {

constexpr int64_t header_bytes = 64;
/// Smaller blocks come from malloc, which keeps them itself.
constexpr int64_t smallest_kept = 1 << 16;
constexpr int64_t huge_page = 1 << 21;
/// Two rounds of pieces of a wide ledger.
constexpr int64_t most_kept = int64_t{768} << 20;

/// In front of every block: how much it really holds, whatever its user was promised.
struct Header {
  int64_t capacity;
};

Header *header(uint8_t *block) { return reinterpret_cast<Header *>(block - header_bytes); }

/// Next of four steps a power of two, so that at most a quarter is wasted.
int64_t size_class(int64_t bytes) {
  if (bytes < smallest_kept) return bytes;
  const int64_t step = int64_t{1} << (std::bit_width(static_cast<uint64_t>(bytes - 1)) - 3);
  return (bytes + step - 1) / step * step;
}

class ReusingPool final : public arrow::MemoryPool {
 public:
  using arrow::MemoryPool::Allocate;
  using arrow::MemoryPool::Free;
  using arrow::MemoryPool::Reallocate;

  arrow::Status Allocate(int64_t size, int64_t, uint8_t **out) override {
    if (size < 0) return arrow::Status::Invalid("negative size");
    const int64_t capacity = size_class(size);
    uint8_t *block = capacity >= smallest_kept ? take(capacity) : nullptr;
    if (block == nullptr) {
      const bool is_huge = capacity >= 2 * huge_page;
      void *memory = nullptr;
      if (posix_memalign(&memory, is_huge ? huge_page : 64,
                         static_cast<size_t>(capacity + header_bytes)) != 0) {
        return arrow::Status::OutOfMemory("cannot allocate ", size, " bytes");
      }
      // Fewer page faults while the block is filled the first time.
      if (is_huge) madvise(memory, static_cast<size_t>(capacity + header_bytes), MADV_HUGEPAGE);
      block = static_cast<uint8_t *>(memory) + header_bytes;
      header(block)->capacity = capacity;
    }
    *out = block;
    count(size);
    return arrow::Status::OK();
  }

  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment,
                           uint8_t **block) override {
    if (new_size <= header(*block)->capacity && new_size >= 0) {
      count(new_size - old_size);
      return arrow::Status::OK();
    }
    uint8_t *larger = nullptr;
    ARROW_RETURN_NOT_OK(Allocate(new_size, alignment, &larger));
    std::memcpy(larger, *block, static_cast<size_t>(old_size));
    Free(*block, old_size, alignment);
    *block = larger;
    return arrow::Status::OK();
  }

  void Free(uint8_t *block, int64_t size, int64_t) override {
    bytes_.fetch_sub(size, std::memory_order_relaxed);
    const int64_t capacity = header(block)->capacity;
    if (capacity >= smallest_kept) {
      const std::lock_guard lock(mutex_);
      if (kept_bytes_ + capacity <= most_kept) {
        kept_[capacity].push_back(block);
        kept_bytes_ += capacity;
        return;
      }
    }
    std::free(block - header_bytes);
  }

  void release() {
    const std::lock_guard lock(mutex_);
    for (auto &[capacity, blocks] : kept_) {
      for (uint8_t *block : blocks) std::free(block - header_bytes);
    }
    kept_.clear();
    kept_bytes_ = 0;
  }

  int64_t bytes_allocated() const override { return bytes_.load(std::memory_order_relaxed); }
  int64_t max_memory() const override { return most_.load(std::memory_order_relaxed); }
  int64_t total_bytes_allocated() const override { return total_.load(std::memory_order_relaxed); }
  int64_t num_allocations() const override { return calls_.load(std::memory_order_relaxed); }
  std::string backend_name() const override { return "reusing"; }

 private:
  std::mutex mutex_;
  std::map<int64_t, std::vector<uint8_t *>> kept_;
  int64_t kept_bytes_ = 0;
  std::atomic<int64_t> bytes_{0}, most_{0}, total_{0}, calls_{0};

  uint8_t *take(int64_t capacity) {
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find(capacity);
    if (found == kept_.end() || found->second.empty()) return nullptr;
    uint8_t *block = found->second.back();
    found->second.pop_back();
    kept_bytes_ -= capacity;
    return block;
  }

  void count(int64_t size) {
    const int64_t now = bytes_.fetch_add(size, std::memory_order_relaxed) + size;
    int64_t most = most_.load(std::memory_order_relaxed);
    while (now > most && !most_.compare_exchange_weak(most, now, std::memory_order_relaxed)) {
    }
    if (size > 0) {
      total_.fetch_add(size, std::memory_order_relaxed);
      calls_.fetch_add(1, std::memory_order_relaxed);
    }
  }
};

/// Decompression contexts and page buffers of some hundred kilobytes come and go with every page of a
/// file: by default glibc maps and unmaps each one, and the kernel clears its memory every time.
void keep_middling_blocks() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

ReusingPool &pool() {
  // Never destroyed: buffers may outlive static destruction.
  static auto *pool = [] {
    keep_middling_blocks();
    return new ReusingPool;
  }();
  return *pool;
}

}  // namespace

arrow::MemoryPool *reusing_pool() { return &pool(); }
void release_reusing_pool() {
  pool().release();
#ifdef __GLIBC__
  // Middling blocks lie in heaps that keep what was freed in their midst.
  malloc_trim(0);
#endif
}

}  // namespace bridge

void arrow_bridge_release_memory(void) { bridge::release_reusing_pool(); }
