/* A ring between two threads: one writes, one reads, neither waits. */

#pragma once

#include <atomic>

namespace rnnmuse {

template <class Item, unsigned Size>
class Ring {
  static_assert((Size & (Size - 1)) == 0, "a power of two");

 public:
  bool push(const Item& item) {
    const unsigned at = written_.load(std::memory_order_relaxed);
    if (at - taken_.load(std::memory_order_acquire) >= Size) return false;
    items_[at % Size] = item;
    written_.store(at + 1, std::memory_order_release);
    return true;
  }

  bool pop(Item& item) {
    const unsigned at = taken_.load(std::memory_order_relaxed);
    if (at == written_.load(std::memory_order_acquire)) return false;
    item = items_[at % Size];
    taken_.store(at + 1, std::memory_order_release);
    return true;
  }

 private:
  Item items_[Size];
  std::atomic<unsigned> written_{0}, taken_{0};
};

}  // namespace rnnmuse
