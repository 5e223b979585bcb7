// A file that a thread of its own writes.
#pragma once

#include <arrow/io/file.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace bridge {

/// Takes bytes and goes on while they are written: filling the page cache with a large file takes
/// about as long as compressing it. What went wrong is told by the next call, at the latest by
/// `Close`.
class WriteBehind final : public arrow::io::OutputStream {
 public:
  explicit WriteBehind(std::shared_ptr<arrow::io::FileOutputStream> file);
  /// Without `Close`, what was not written yet is dropped.
  ~WriteBehind() override;

  arrow::Status Write(const void *data, int64_t bytes) override;
  arrow::Status Close() override;
  bool closed() const override { return is_closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }

  using arrow::io::OutputStream::Write;

 private:
  using Chunk = std::vector<uint8_t>;

  void run();
  void pass_on();
  void stop();
  void begin_storing(size_t bytes);

  /// A giver waits when this many chunks do.
  static constexpr size_t most_waiting = 8;
  static constexpr size_t chunk_bytes = 1 << 20;
  static constexpr int64_t stored_at_once = 8 << 20;

  std::shared_ptr<arrow::io::FileOutputStream> file_;
  int64_t position_ = 0;
  bool is_closed_ = false;
  /// The giver's own.
  Chunk filling_;

  /// The thread's own: bytes in the file, and those that the disk was asked to store.
  int64_t written_ = 0;
  int64_t asked_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Chunk> waiting_;
  /// Written ones, whose memory is used again.
  std::vector<Chunk> spare_;
  bool is_ending_ = false;
  arrow::Status status_;
  std::thread thread_;
};

}  // namespace bridge
