/* OSC 1.0 packets: built into and read from memory that the caller owns. No allocation. */

#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>

namespace rnnmuse::osc {

inline void put32(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}
inline uint32_t get32(const uint8_t* at) {
  return static_cast<uint32_t>(at[0]) << 24 | static_cast<uint32_t>(at[1]) << 16 | static_cast<uint32_t>(at[2]) << 8 | at[3];
}

/* A message being built; `size` is 0 where it did not fit. */
class Builder {
 public:
  explicit Builder(const char* address) { text(address), types_ = size, tags_[count_++] = ','; }

  Builder& i(int32_t value) { return tag('i', static_cast<uint32_t>(value)); }
  Builder& f(double value) {
    const float single = static_cast<float>(value);
    uint32_t bits;
    std::memcpy(&bits, &single, 4);
    return tag('f', bits);
  }
  Builder& d(double value) {
    uint64_t bits;
    std::memcpy(&bits, &value, 8);
    if (room(8)) {
      put32(values_ + used_, static_cast<uint32_t>(bits >> 32)), put32(values_ + used_ + 4, static_cast<uint32_t>(bits));
      used_ += 8, tags_[count_++] = 'd';
    }
    return *this;
  }
  Builder& s(const char* value) {
    const size_t length = std::strlen(value) / 4 * 4 + 4;
    if (room(length)) {
      std::memset(values_ + used_, 0, length);
      std::memcpy(values_ + used_, value, std::strlen(value));
      used_ += length, tags_[count_++] = 's';
    }
    return *this;
  }

  /* The whole message. */
  const uint8_t* finish() {
    tags_[count_] = 0;
    text(tags_);
    if (!fits_ || size + used_ > sizeof data) return size = 0, data;
    std::memcpy(data + size, values_, used_);
    size += used_;
    return data;
  }

  uint8_t data[1536];
  size_t size = 0;

 private:
  void text(const char* value) {
    const size_t length = std::strlen(value) / 4 * 4 + 4;
    if (size + length > sizeof data) {
      fits_ = false;
      return;
    }
    std::memset(data + size, 0, length);
    std::memcpy(data + size, value, std::strlen(value));
    size += length;
  }
  bool room(size_t length) { return fits_ = fits_ && used_ + length <= sizeof values_ && count_ + 2 < sizeof tags_; }
  Builder& tag(char type, uint32_t bits) {
    if (room(4)) put32(values_ + used_, bits), used_ += 4, tags_[count_++] = type;
    return *this;
  }

  uint8_t values_[1280];
  size_t used_ = 0, types_ = 0, count_ = 0;
  char tags_[64];
  bool fits_ = true;
};

/* A message that has come: its texts point into the packet. */
struct Message {
  static constexpr int kMost = 64;
  const char* address = nullptr;
  int count = 0;
  char types[kMost];
  double numbers[kMost];
  const char* texts[kMost];

  bool is(const char* name) const { return !std::strcmp(address, name); }
  double number(int index) const { return index < count && types[index] != 's' ? numbers[index] : 0; }
  const char* text(int index) const { return index < count && types[index] == 's' ? texts[index] : ""; }
};

/* A text that ends within the packet, and the place after it; null where it does not end. */
inline const char* take_text(const uint8_t* data, size_t size, size_t& at) {
  const size_t begin = at;
  while (at < size && data[at]) at++;
  if (at >= size) return nullptr;
  at = at / 4 * 4 + 4;
  return at <= size ? reinterpret_cast<const char*>(data + begin) : nullptr;
}

inline bool read_message(const uint8_t* data, size_t size, Message& out) {
  size_t at = 0;
  out.count = 0;
  out.address = take_text(data, size, at);
  const char* types = out.address && out.address[0] == '/' ? take_text(data, size, at) : nullptr;
  if (!types || types[0] != ',') return false;
  for (types++; *types && out.count < Message::kMost; types++) {
    const int index = out.count;
    out.types[index] = *types;
    out.texts[index] = "";
    out.numbers[index] = 0;
    if (*types == 's') {
      if (!(out.texts[index] = take_text(data, size, at))) return false;
    } else if (*types == 'T' || *types == 'F') {
      out.types[index] = 'i', out.numbers[index] = *types == 'T';
    } else if (*types == 'i' || *types == 'f') {
      if (at + 4 > size) return false;
      const uint32_t bits = get32(data + at);
      float single;
      std::memcpy(&single, &bits, 4);
      out.numbers[index] = *types == 'i' ? static_cast<int32_t>(bits) : static_cast<double>(single);
      at += 4;
    } else if (*types == 'h' || *types == 'd') {
      if (at + 8 > size) return false;
      const uint64_t bits = static_cast<uint64_t>(get32(data + at)) << 32 | get32(data + at + 4);
      double real;
      std::memcpy(&real, &bits, 8);
      out.numbers[index] = *types == 'h' ? static_cast<double>(static_cast<int64_t>(bits)) : real;
      at += 8;
    } else {
      return false; /* blobs and others are not for us */
    }
    out.count++;
  }
  return true;
}

/* Each message of a packet, a bundle's too, and the bundle's time tag (NTP, 1 for now). */
template <class Act>
void each_message(const uint8_t* data, size_t size, Act act, uint64_t tag = 1, int depth = 0) {
  if (size >= 16 && !std::memcmp(data, "#bundle", 8)) {
    const uint64_t when = static_cast<uint64_t>(get32(data + 8)) << 32 | get32(data + 12);
    for (size_t at = 16; at + 4 <= size && depth < 8;) {
      const size_t length = get32(data + at);
      at += 4;
      if (length > size - at) return;
      each_message(data + at, length, act, when, depth + 1);
      at += length;
    }
    return;
  }
  Message message;
  if (read_message(data, size, message)) act(message, tag);
}

}  // namespace rnnmuse::osc
